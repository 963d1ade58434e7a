//! Styles pulled towards their mean (arXiv:1812.04948, appendix B): less variety, fewer bad images.

use std::ops::RangeInclusive;

/// Share psi of the distance to the mean of w that stays, by layer; layers that are not named keep all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truncation {
    ranges: Vec<(RangeInclusive<usize>, f32)>,
}

impl Truncation {
    /// The paper's: psi for the first eight layers (4 to 32 px).
    #[must_use]
    pub fn coarse(psi: f32) -> Self {
        Self { ranges: vec![(0..=7, psi)] }
    }

    /// Psi by ranges of layers; where they overlap, the last one counts.
    #[must_use]
    pub fn by_layers(ranges: Vec<(RangeInclusive<usize>, f32)>) -> Self {
        Self { ranges }
    }

    /// Psi of a layer.
    #[must_use]
    pub fn at(&self, layer: usize) -> f32 {
        self.ranges.iter().rev().find(|(range, _)| range.contains(&layer)).map_or(1.0, |(_, psi)| *psi)
    }

    /// Whether every layer keeps its style.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.ranges.iter().all(|(_, psi)| *psi == 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_the_psi_of_the_last_range_that_names_them() {
        let coarse = Truncation::coarse(0.7);
        assert_eq!([0, 7, 8, 17].map(|layer| coarse.at(layer)), [0.7, 0.7, 1.0, 1.0]);
        let both = Truncation::by_layers(vec![(0..=7, 0.7), (2..=3, 0.0)]);
        assert_eq!([1, 2, 4].map(|layer| both.at(layer)), [0.7, 0.0, 0.7]);
        assert!(Truncation::default().is_none() && Truncation::coarse(1.0).is_none() && !coarse.is_none());
    }
}
