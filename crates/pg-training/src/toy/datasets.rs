//! Distributions in the plane, each of about unit variance along both axes.

use std::f64::consts::{PI, SQRT_2};

use crate::random_streams::{Stream, normal_numbers, uniform_numbers};

/// A distribution in the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToyDataset {
    /// Eight Gaussians on a circle of radius sqrt 2.
    EightGaussians,
    /// Gaussians on the grid of {-2, -1, 0, 1, 2} / sqrt 2 along both axes.
    TwentyFiveGaussians,
    /// A spiral (t cos t, t sin t) / 7.5, t uniform over [1.5 pi, 4.5 pi], blurred.
    SwissRoll,
}

impl ToyDataset {
    /// Every dataset.
    pub const ALL: [Self; 3] = [Self::EightGaussians, Self::TwentyFiveGaussians, Self::SwissRoll];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EightGaussians => "8gaussians",
            Self::TwentyFiveGaussians => "25gaussians",
            Self::SwissRoll => "swissroll",
        }
    }

    /// The dataset called `name`; `None` where there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }

    /// Standard deviation along each axis around a mode, or around the spiral.
    #[must_use]
    pub fn deviation(self) -> f64 {
        match self {
            Self::EightGaussians => 0.05,
            Self::TwentyFiveGaussians | Self::SwissRoll => 0.035,
        }
    }

    /// Centres of the Gaussians; none for the spiral.
    #[must_use]
    pub fn modes(self) -> Vec<[f64; 2]> {
        match self {
            Self::EightGaussians => (0..8)
                .map(|k| f64::from(k) * PI / 4.0)
                .map(|angle| [SQRT_2 * angle.cos(), SQRT_2 * angle.sin()])
                .collect(),
            Self::TwentyFiveGaussians => {
                (0..25).map(|k| [f64::from(k / 5 - 2) / SQRT_2, f64::from(k % 5 - 2) / SQRT_2]).collect()
            }
            Self::SwissRoll => Vec::new(),
        }
    }

    /// The spiral's point at `position` in [0, 1].
    pub(super) fn spiral(position: f64) -> [f64; 2] {
        let t = PI * (1.5 + 3.0 * position);
        [t * t.cos() / 7.5, t * t.sin() / 7.5]
    }

    /// `count` points, a pure function of `seed` and `counter`: x and y of each in turn.
    #[must_use]
    pub fn points(self, seed: u64, counter: u64, count: usize) -> Vec<f32> {
        let noise = normal_numbers(seed, Stream::ToyData, counter, 2 * count);
        let choices = uniform_numbers(seed, Stream::ToyChoice, counter, count);
        let modes = self.modes();
        let centre = |choice: f32| {
            let index = (f64::from(choice) * modes.len() as f64) as usize;
            modes.get(index).copied().unwrap_or_else(|| Self::spiral(f64::from(choice)))
        };
        let deviation = self.deviation();
        choices
            .into_iter()
            .zip(noise.chunks_exact(2))
            .flat_map(|(choice, noise)| {
                let [x, y] = centre(choice);
                [x + deviation * f64::from(noise[0]), y + deviation * f64::from(noise[1])]
            })
            .map(|value| value as f32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dataset_lies_around_the_origin_with_about_unit_variance() {
        let count = 20_000;
        for dataset in ToyDataset::ALL {
            let points = dataset.points(1, 0, count);
            for axis in 0..2 {
                let values = || points.iter().skip(axis).step_by(2).map(|&v| f64::from(v));
                let mean = values().sum::<f64>() / count as f64;
                let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
                assert!(mean.abs() < 0.3, "{} {mean}", dataset.name());
                assert!((0.6..1.4).contains(&variance), "{} {variance}", dataset.name());
            }
        }
    }

    #[test]
    fn every_mode_has_its_share_of_the_points() {
        for dataset in [ToyDataset::EightGaussians, ToyDataset::TwentyFiveGaussians] {
            let (points, modes) = (dataset.points(2, 0, 10_000), dataset.modes());
            let near = |mode: &[f64; 2]| {
                let inside = |p: &&[f32]| {
                    (f64::from(p[0]) - mode[0]).hypot(f64::from(p[1]) - mode[1]) < 5.0 * dataset.deviation()
                };
                points.chunks_exact(2).filter(inside).count() as f64
            };
            let fair = 10_000.0 / modes.len() as f64;
            for mode in &modes {
                // Six standard errors of a count.
                assert!((near(mode) - fair).abs() < 6.0 * fair.sqrt(), "{} {mode:?}", dataset.name());
            }
        }
    }

    #[test]
    fn names_are_found_again() {
        for dataset in ToyDataset::ALL {
            assert_eq!(ToyDataset::named(dataset.name()), Some(dataset));
        }
        assert_eq!(ToyDataset::named("moons"), None);
    }
}
