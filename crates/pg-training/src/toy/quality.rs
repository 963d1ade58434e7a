//! How well samples cover a distribution in the plane.

use super::ToyDataset;

/// Samples within this many standard deviations of a mode belong to it.
const NEAR: f64 = 3.0;
/// Share of its fair share of the samples at which a mode counts as covered.
const COVERED: f64 = 0.25;
/// Points by which the spiral is approximated.
const SPIRAL_POINTS: usize = 2000;

/// How well samples cover a [`ToyDataset`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToyQuality {
    /// Modes of the data; `None` for the spiral.
    pub modes: Option<usize>,
    /// Modes that hold at least a quarter of their fair share of the samples within 3 standard
    /// deviations; `None` for the spiral.
    pub modes_covered: Option<usize>,
    /// Share of the samples within 3 standard deviations of any mode, or of the spiral, in [0, 1].
    pub high_quality_share: f64,
}

impl ToyQuality {
    /// Quality of `samples`: x and y of each in turn.
    #[must_use]
    pub fn of(dataset: ToyDataset, samples: &[f32]) -> Self {
        let modes = dataset.modes();
        let is_spiral = modes.is_empty();
        let centres = if is_spiral {
            (0..SPIRAL_POINTS).map(|k| ToyDataset::spiral(k as f64 / (SPIRAL_POINTS - 1) as f64)).collect()
        } else {
            modes
        };
        let mut counts = vec![0_usize; centres.len()];
        for point in samples.chunks_exact(2) {
            let (x, y) = (f64::from(point[0]), f64::from(point[1]));
            let distances = centres.iter().map(|c| (x - c[0]).hypot(y - c[1])).enumerate();
            let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((index, _)) = nearest.filter(|&(_, d)| d <= NEAR * dataset.deviation()) {
                counts[index] += 1;
            }
        }
        let total = (samples.len() / 2).max(1) as f64;
        let enough = COVERED * total / counts.len() as f64;
        let covered = counts.iter().filter(|&&count| count > 0 && count as f64 >= enough).count();
        Self {
            modes: (!is_spiral).then_some(counts.len()),
            modes_covered: (!is_spiral).then_some(covered),
            high_quality_share: counts.iter().sum::<usize>() as f64 / total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_themselves_cover_all_modes() {
        for (dataset, modes) in [
            (ToyDataset::EightGaussians, Some(8)),
            (ToyDataset::TwentyFiveGaussians, Some(25)),
            (ToyDataset::SwissRoll, None),
        ] {
            let quality = ToyQuality::of(dataset, &dataset.points(5, 0, 4000));
            assert_eq!((quality.modes, quality.modes_covered), (modes, modes));
            // A Gaussian in the plane has exp(-9/2) = 1.1 % outside of 3 deviations.
            assert!(quality.high_quality_share > 0.98, "{quality:?}");
        }
    }

    #[test]
    fn a_mode_is_covered_from_a_quarter_of_its_fair_share_on() {
        let dataset = ToyDataset::EightGaussians;
        let centre = |k: usize| dataset.modes()[k].map(|v| v as f32);
        let with = |count: usize| {
            let mut samples = vec![centre(0); 320 - count];
            samples.extend(vec![centre(1); count]);
            ToyQuality::of(dataset, samples.as_flattened())
        };
        assert_eq!(with(10).modes_covered, Some(2));
        assert_eq!(with(9).modes_covered, Some(1));
        assert_eq!(with(9).high_quality_share, 1.0);
        let far = ToyQuality::of(dataset, &[0.0, 0.0, 5.0, 5.0]);
        assert_eq!((far.modes_covered, far.high_quality_share), (Some(0), 0.0));
    }
}
