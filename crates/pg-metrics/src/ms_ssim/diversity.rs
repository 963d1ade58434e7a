//! The diversity of a set of images: the mean MS-SSIM of pairs of them, with its interval.

use crate::MetricsError;
use crate::image_pairs::ImagePair;
use crate::interval::ConfidenceInterval;

/// Mean MS-SSIM over pairs of images of one set: the lower, the more the images differ.
#[derive(Debug, Clone, PartialEq)]
pub struct DiversityScore {
    /// Mean over the pairs, 0..=1.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: ConfidenceInterval,
}

/// The diversity score of pairs that were scored by [`ms_ssim`](crate::ms_ssim()): `scores[i]` belongs to `pairs[i]`.
///
/// The interval is the normal approximation of the mean (Student's t for few pairs or images). Pairs that share
/// an image are not independent: the products of their deviations are added to the variance
/// (the cluster-robust estimate for dyadic data of Aronow, Samii and Assenova 2015), which is
/// never taken below the independent one. Where no image occurs twice it is exactly the usual
/// standard error. One pair has no spread: its interval is the whole range 0..=1.
///
/// # Errors
/// [`MetricsError::TooFewImages`] without any pair, [`MetricsError::SetsDiffer`] when the lengths
/// differ.
pub fn diversity(pairs: &[ImagePair], scores: &[f64]) -> Result<DiversityScore, MetricsError> {
    if pairs.is_empty() {
        return Err(MetricsError::TooFewImages { metric: "MS-SSIM", expected: 2, actual: 0 });
    }
    if pairs.len() != scores.len() {
        let (real, fake) = (pairs.len().to_string(), scores.len().to_string());
        return Err(MetricsError::SetsDiffer { what: "number of pairs and of scores", real, fake });
    }
    let n = scores.len() as f64;
    let value = scores.iter().sum::<f64>() / n;
    if scores.len() == 1 {
        let interval = ConfidenceInterval { level: crate::LEVEL_95, low: 0.0, high: 1.0 };
        return Ok(DiversityScore { value, interval });
    }
    let images = pairs.iter().map(|p| p.first.max(p.second) + 1).max().unwrap_or_default();
    let mut per_image = vec![0.0_f64; images];
    let mut is_used = vec![false; images];
    let mut squares = 0.0;
    for (pair, score) in pairs.iter().zip(scores) {
        let deviation = score - value;
        per_image[pair.first] += deviation;
        per_image[pair.second] += deviation;
        (is_used[pair.first], is_used[pair.second]) = (true, true);
        squares += deviation * deviation;
    }
    // Each pair's own square is in the sums of both its images.
    let with_shared: f64 = per_image.iter().map(|s| s * s).sum::<f64>() - squares;
    let standard_error = (with_shared.max(squares) / (n - 1.0) / n).sqrt();
    // Many pairs of few images know no more than the images do.
    let images_used = is_used.into_iter().filter(|&used| used).count();
    let degrees_of_freedom = scores.len().min(images_used) - 1;
    let interval = ConfidenceInterval::student(value, standard_error, degrees_of_freedom, (0.0, 1.0));
    Ok(DiversityScore { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_pairs::{consecutive_pairs, drawn_pairs};

    #[test]
    fn disjoint_pairs_have_the_usual_standard_error() {
        let pairs = consecutive_pairs(400).unwrap();
        let scores: Vec<f64> = (0..200).map(|i| f64::from(i % 10) / 10.0).collect();
        let score = diversity(&pairs, &scores).unwrap();
        let variance = scores.iter().map(|s| (s - score.value).powi(2)).sum::<f64>() / 199.0;
        let half = 1.96 * (variance / 200.0).sqrt();
        assert!((score.interval.high - score.value - half).abs() < 1e-12);
        assert!((score.value - score.interval.low - half).abs() < 1e-12);
    }

    #[test]
    fn shared_images_widen_the_interval() {
        // A score that is a property of the images: odd ones are alike.
        let of = |p: &ImagePair| ((p.first % 2) + (p.second % 2)) as f64 / 2.0;
        let pairs = drawn_pairs(20, 180, 1).unwrap();
        let scores: Vec<f64> = pairs.iter().map(of).collect();
        let shared = diversity(&pairs, &scores).unwrap().interval;
        let independent = diversity(&consecutive_pairs(360).unwrap(), &scores).unwrap().interval;
        assert!(shared.high - shared.low > 1.5 * (independent.high - independent.low));
    }

    #[test]
    fn one_pair_says_nothing_about_the_spread() {
        let score = diversity(&consecutive_pairs(2).unwrap(), &[0.4]).unwrap();
        assert_eq!((score.interval.low, score.value, score.interval.high), (0.0, 0.4, 1.0));
        assert!(diversity(&[], &[]).is_err());
    }
}
