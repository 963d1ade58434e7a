//! Inception score (Salimans et al. 2016, arXiv:1606.03498, section 4).

use ndarray::ArrayView1;

use crate::MetricsError;
use crate::bootstrap::{BOOTSTRAP_REPLICATES, draw_weights};
use crate::feature_rows::{FeatureRows, ROW_CHUNK, read_f64};
use crate::interval::ConfidenceInterval;
use crate::random_streams::Purpose;

/// A score.
#[derive(Debug, Clone, PartialEq)]
pub struct InceptionScore {
    /// Mean over the splits.
    pub mean: f64,
    /// Population standard deviation over the splits, which is what the literature reports; it is no standard
    /// error.
    pub standard_deviation: f64,
    /// Per split, in the order of the images.
    pub splits: Vec<f64>,
    /// Of the mean, over the choice of images.
    pub interval: ConfidenceInterval,
}

/// exp of the mean over images of KL(p(y|x) || p(y)), in natural logarithms, per split; p(y) is the mean of the
/// split's own p(y|x).
///
/// `logits` are class scores before the softmax, `[images, classes]`. Split i holds the images from i n / splits on,
/// as in the authors' program; their order matters, so images sorted by class score low. From logits to KL in f64
/// by the logarithm of the softmax: a class of probability 0 adds 0, where the authors' program gives NaN.
///
/// The interval comes from 20 bootstrap samples of the images, each split drawn from its own.
///
/// # Errors
/// - [`MetricsError::TooFewImages`] for fewer images than splits
/// - [`MetricsError::Parameter`] for no splits and no classes
/// - [`MetricsError::FeatureRows`], [`MetricsError::NotFinite`]
///
/// # Cost
/// One pass; memory 168 bytes a class and split.
pub fn inception_score(
    logits: &dyn FeatureRows,
    splits: usize,
    seed: u64,
) -> Result<InceptionScore, MetricsError> {
    let (images, classes) = (logits.count(), logits.width());
    for (name, value) in [("splits", splits), ("classes", classes)] {
        if value == 0 {
            return Err(MetricsError::Parameter { name, expected: "at least 1", actual: value.to_string() });
        }
    }
    if images < splits {
        let metric = "the Inception score with so many splits";
        return Err(MetricsError::TooFewImages { metric, expected: splits, actual: images });
    }
    let mut of_splits = Vec::with_capacity(splits);
    let mut replicates = vec![0.0; BOOTSTRAP_REPLICATES];
    for split in 0..splits {
        let indices: Vec<usize> = (split * images / splits..(split + 1) * images / splits).collect();
        let mut all = Sums::new(classes);
        let mut drawn: Vec<(Vec<u32>, Sums)> = (0..BOOTSTRAP_REPLICATES)
            .map(|b| {
                let place = split * BOOTSTRAP_REPLICATES + b;
                (draw_weights(seed, Purpose::BootstrapScore, place, indices.len()), Sums::new(classes))
            })
            .collect();
        for (chunk, indices) in indices.chunks(ROW_CHUNK).enumerate() {
            let rows = read_f64(logits, indices)?;
            for (row, scores) in rows.chunks_exact(classes).enumerate() {
                let image = Image::new(scores);
                all.add(1.0, &image);
                for (weights, sums) in &mut drawn {
                    match weights[chunk * ROW_CHUNK + row] {
                        0 => {}
                        weight => sums.add(f64::from(weight), &image),
                    }
                }
            }
        }
        of_splits.push(all.score());
        for (replicate, (_, sums)) in replicates.iter_mut().zip(&drawn) {
            *replicate += sums.score() / splits as f64;
        }
    }
    let values = ArrayView1::from(&of_splits);
    let mean = values.mean().unwrap_or_default();
    let interval = ConfidenceInterval::bootstrap(mean, &replicates, (1.0, classes as f64));
    Ok(InceptionScore { mean, standard_deviation: values.std(0.0), splits: of_splits, interval })
}

/// What one image says.
struct Image {
    probabilities: Vec<f64>,
    /// The sum of p ln p.
    negative_entropy: f64,
}

impl Image {
    /// Of finite class scores.
    fn new(scores: &[f64]) -> Self {
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
        let logarithm = highest + total.ln();
        let probabilities: Vec<f64> = scores.iter().map(|score| (score - logarithm).exp()).collect();
        // A probability below the smallest number is 0 and adds nothing.
        let term = |(&p, &score): (&f64, &f64)| if p > 0.0 { p * (score - logarithm) } else { 0.0 };
        let negative_entropy = probabilities.iter().zip(scores).map(term).sum();
        Self { probabilities, negative_entropy }
    }
}

/// Sums over images.
struct Sums {
    weight: f64,
    probabilities: Vec<f64>,
    negative_entropy: f64,
}

impl Sums {
    fn new(classes: usize) -> Self {
        Self { weight: 0.0, probabilities: vec![0.0; classes], negative_entropy: 0.0 }
    }

    fn add(&mut self, weight: f64, image: &Image) {
        self.weight += weight;
        self.negative_entropy += weight * image.negative_entropy;
        for (sum, p) in self.probabilities.iter_mut().zip(&image.probabilities) {
            *sum += weight * p;
        }
    }

    /// The mean KL is the mean of sum p ln p, less sum q ln q of the mean q.
    fn score(&self) -> f64 {
        let of_mean: f64 = self.probabilities.iter().map(|sum| plogp(sum / self.weight)).sum();
        (self.negative_entropy / self.weight - of_mean).exp()
    }
}

fn plogp(p: f64) -> f64 {
    if p > 0.0 { p * p.ln() } else { 0.0 }
}
