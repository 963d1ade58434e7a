//! Precision and recall of a generator by manifolds of nearest neighbours (Kynkaanniemi et al. 2019,
//! arXiv:1904.06991, section 2).

use rayon::prelude::*;

use crate::feature_rows::{FeatureRows, same_width};
use crate::interval::{ConfidenceInterval, HalfSamples, half_sample_standard_error};
use crate::nearest_neighbours::{Block, Neighbours, Tick, for_each_block};
use crate::{MetricsError, Side};

/// A share of images, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetScore {
    /// The share.
    pub value: f64,
    /// Over the choice of images.
    pub interval: ConfidenceInterval,
}

/// Both shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Fake images on the manifold of the real ones.
    pub precision: SetScore,
    /// Real images on the manifold of the fake ones.
    pub recall: SetScore,
}

/// Precision and recall of `fake` against `real` feature vectors.
///
/// The manifold of a set is the union of balls around its vectors, each as large as the distance to the vector's
/// `k`-th nearest neighbour in the set (3 in the paper). A vector at that very distance is inside. Euclidean distances, in f64.
/// The intervals come from balanced half-samples of the images of both sides: bootstrap samples would have
/// images twice, whose balls are points.
///
/// `tick` is called after each of [`PrecisionRecall::blocks`] blocks; an error from it ends the computation.
///
/// # Errors
/// - [`MetricsError::SetsDiffer`] for vectors of another length
/// - [`MetricsError::TooFewImages`] for no more than `k` on a side
/// - [`MetricsError::Parameter`] for `k` of 0
/// - [`MetricsError::FeatureRows`] and [`MetricsError::NotFinite`] of a side, and that of `tick`
///
/// # Cost
/// 2 (r^2 + f^2 + r f) width floating-point operations for r real and f fake images. Memory: 160 k + 352 bytes an
/// image, and three blocks of 1024 vectors.
pub fn precision_recall(
    real: &dyn FeatureRows,
    fake: &dyn FeatureRows,
    k: usize,
    tick: &mut dyn FnMut() -> Result<(), MetricsError>,
) -> Result<PrecisionRecall, MetricsError> {
    same_width(real, fake)?;
    if k == 0 {
        let (name, expected) = ("number of neighbours", "at least 1");
        return Err(MetricsError::Parameter { name, expected, actual: k.to_string() });
    }
    let smaller = real.count().min(fake.count());
    if smaller <= k {
        let metric = "precision and recall with so many neighbours";
        return Err(MetricsError::TooFewImages { metric, expected: k + 1, actual: smaller });
    }
    let samples = HalfSamples::new(smaller);
    let all = (1_u32 << samples.groups()) - 1;
    let mut masks = vec![all];
    masks.extend(samples.masks().iter().flat_map(|&mask| [mask, !mask & all]));
    let of_real =
        Manifold::find(real, k, &samples, &masks, tick).map_err(|error| error.of_side(Side::Real))?;
    let of_fake =
        Manifold::find(fake, k, &samples, &masks, tick).map_err(|error| error.of_side(Side::Fake))?;
    let mut precise = Hits::none(fake.count(), masks.len());
    let mut recalled = Hits::none(real.count(), masks.len());
    for_each_block(real, fake, tick, |rows, columns, distances| {
        recalled.count_rows(rows, columns, distances, &of_fake);
        precise.count_columns(rows, columns, distances, &of_real);
    })?;
    let degrees_of_freedom = samples.groups() - 1;
    Ok(PrecisionRecall {
        precision: precise.score(&of_fake, &of_real, &masks, degrees_of_freedom),
        recall: recalled.score(&of_real, &of_fake, &masks, degrees_of_freedom),
    })
}

/// The balls of a set, and of parts of it.
struct Manifold {
    parts: usize,
    /// The largest ball of each vector in any part, squared radius: most vectors are outside all of them.
    largest: Vec<f64>,
    /// Squared radii, `[vectors, parts]`; below 0 where the vector is not in the part.
    radii: Vec<f64>,
    /// The run of each vector.
    runs: Vec<usize>,
}

impl Manifold {
    fn find(
        set: &dyn FeatureRows,
        k: usize,
        samples: &HalfSamples,
        masks: &[u32],
        tick: &mut Tick<'_>,
    ) -> Result<Self, MetricsError> {
        let neighbours = Neighbours::find(set, k, samples.ends(set.count()), tick)?;
        let runs: Vec<usize> = (0..set.count()).map(|index| neighbours.run_of(index)).collect();
        let radius = |index: usize, mask: u32| {
            if mask >> runs[index] & 1 == 1 { neighbours.radius(index, mask) } else { -1.0 }
        };
        let radii: Vec<f64> = (0..set.count())
            .into_par_iter()
            .flat_map_iter(|index| masks.iter().map(move |&mask| (index, mask)))
            .map(|(index, mask)| radius(index, mask))
            .collect();
        let largest =
            radii.chunks(masks.len()).map(|radii| radii.iter().copied().fold(-1.0, f64::max)).collect();
        Ok(Self { parts: masks.len(), largest, radii, runs })
    }

    /// Marks in `hits` the parts whose ball around vector `index` holds a vector at this distance.
    fn mark(&self, index: usize, squared_distance: f64, hits: &mut [bool]) {
        // Equal vectors may seem a rounding below 0 apart.
        let distance = squared_distance.max(0.0);
        if distance > self.largest[index] {
            return;
        }
        for (hit, &radius) in hits.iter_mut().zip(&self.radii[index * self.parts..][..self.parts]) {
            *hit |= distance <= radius;
        }
    }
}

/// Which vectors of a set are on the manifold of the other, and of parts of it: `[vectors, parts]`.
struct Hits {
    parts: usize,
    hits: Vec<bool>,
}

impl Hits {
    fn none(vectors: usize, parts: usize) -> Self {
        Self { parts, hits: vec![false; vectors * parts] }
    }

    /// The vectors are the block's rows, the manifold's its columns.
    fn count_rows(&mut self, rows: &Block, columns: &Block, distances: &[f64], manifold: &Manifold) {
        let hits = &mut self.hits[rows.first * self.parts..][..rows.len() * self.parts];
        hits.par_chunks_mut(self.parts).zip(distances.par_chunks(columns.len())).for_each(
            |(hits, distances)| {
                for (j, &distance) in distances.iter().enumerate() {
                    manifold.mark(columns.first + j, distance, hits);
                }
            },
        );
    }

    /// The vectors are the block's columns, the manifold's its rows.
    fn count_columns(&mut self, rows: &Block, columns: &Block, distances: &[f64], manifold: &Manifold) {
        const TOGETHER: usize = 64;
        let parts = self.parts;
        let hits = &mut self.hits[columns.first * parts..][..columns.len() * parts];
        hits.par_chunks_mut(TOGETHER * parts).enumerate().for_each(|(piece, hits)| {
            for i in 0..rows.len() {
                let distances = &distances[i * columns.len() + piece * TOGETHER..];
                for (hits, &distance) in hits.chunks_mut(parts).zip(distances) {
                    manifold.mark(rows.first + i, distance, hits);
                }
            }
        });
    }

    /// `own` are the vectors that were counted, `other` the manifold that they were looked for on.
    fn score(&self, own: &Manifold, other: &Manifold, masks: &[u32], degrees_of_freedom: usize) -> SetScore {
        let share = |part: usize| {
            let inside = |index: &usize| masks[part] >> own.runs[*index] & 1 == 1;
            let counted: Vec<usize> = (0..own.runs.len()).filter(inside).collect();
            let hits = counted.iter().filter(|&&index| self.hits[index * self.parts + part]).count();
            hits as f64 / counted.len().max(1) as f64
        };
        let value = share(0);
        let halves: Vec<f64> = (1..masks.len()).map(share).collect();
        // Of a part with no more than k vectors there is no manifold.
        let error = if other.radii.iter().all(|radius| radius.is_finite()) {
            half_sample_standard_error(&halves)
        } else {
            f64::INFINITY
        };
        SetScore {
            value,
            interval: ConfidenceInterval::student(value, error, degrees_of_freedom, (0.0, 1.0)),
        }
    }
}

impl PrecisionRecall {
    /// How often `tick` is called for so many images.
    #[must_use]
    pub fn blocks(real: usize, fake: usize) -> usize {
        let [real, fake] = [real, fake].map(|count| count.div_ceil(crate::feature_rows::ROW_CHUNK));
        real * real + fake * fake + real * fake
    }

    /// The harmonic mean of precision and recall.
    #[must_use]
    pub fn f_score(&self) -> f64 {
        let (precision, recall) = (self.precision.value, self.recall.value);
        if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    }
}
