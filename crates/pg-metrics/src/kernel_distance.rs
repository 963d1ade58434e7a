//! Kernel distance of feature vectors, known as the kernel Inception distance (Binkowski et al. 2018,
//! arXiv:1801.01401, section 4).

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use crate::error::finite;
use crate::feature_rows::{FeatureRows, read_f64, same_width};
use crate::interval::{ConfidenceInterval, HalfSamples, half_sample_standard_error};
use crate::parallelism::all_threads;
use crate::random_streams::{Purpose, choose};
use crate::{MetricsError, Side};

/// How images are drawn for the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSubsets {
    /// Number of subsets; the distance is their mean.
    pub count: usize,
    /// Images of either side in a subset, different ones.
    pub size: usize,
    /// Seed of the draw.
    pub seed: u64,
}

/// A distance.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelDistanceScore {
    /// Mean over the subsets.
    pub mean: f64,
    /// Population standard deviation over the subsets, which the literature reports; it falls with their size, not with the
    /// number of images.
    pub standard_deviation: f64,
    /// Per subset.
    pub subsets: Vec<f64>,
    /// Of the mean, over the choice of images. `None` where a run has too few images to tell the spread.
    pub interval: Option<ConfidenceInterval>,
}

/// The unbiased squared maximum mean discrepancy of subsets, with the kernel (x . y / width + 1)^3; subset by subset.
///
/// Of a subset with m vectors of either side: the mean kernel over pairs of different real vectors, plus that of
/// fake ones, less twice that over pairs of a real and a fake one. f64. It may be negative.
///
/// The interval comes from balanced half-samples of the images: kernels are summed by pairs of runs of
/// images, from which the distance of any half follows.
///
/// # Cost
/// 6 m^2 width floating-point operations a subset; memory 16 m (width + m) bytes.
pub struct KernelDistance<'a> {
    real: &'a dyn FeatureRows,
    fake: &'a dyn FeatureRows,
    halves: HalfSamples,
    /// Sums and numbers of kernels, real-real, fake-fake and real-fake, by the runs of the two images.
    sums: [RunPairs; 3],
    subsets: Vec<f64>,
}

impl<'a> KernelDistance<'a> {
    /// Of no subsets yet.
    ///
    /// # Errors
    /// - [`MetricsError::SetsDiffer`] for vectors of another length
    /// - [`MetricsError::TooFewImages`] below two on a side
    pub fn new(real: &'a dyn FeatureRows, fake: &'a dyn FeatureRows) -> Result<Self, MetricsError> {
        same_width(real, fake)?;
        let smaller = real.count().min(fake.count());
        if smaller < 2 {
            return Err(MetricsError::TooFewImages {
                metric: "the kernel distance",
                expected: 2,
                actual: smaller,
            });
        }
        let halves = HalfSamples::new(smaller);
        let sums = std::array::from_fn(|_| RunPairs::new(halves.groups()));
        Ok(Self { real, fake, halves, sums, subsets: Vec::new() })
    }

    /// Adds the subset of number `number` that `subsets` draws, in which each image of a side is as likely.
    ///
    /// # Errors
    /// Those of [`Self::add`].
    pub fn add_drawn(&mut self, subsets: KernelSubsets, number: usize) -> Result<(), MetricsError> {
        let draw =
            |purpose, of: &dyn FeatureRows| choose(subsets.seed, purpose, number, subsets.size, of.count());
        let (real, fake) = (draw(Purpose::KernelReal, self.real), draw(Purpose::KernelFake, self.fake));
        self.add(&real, &fake)
    }

    /// Adds the subset of the real images `real` and the fake images `fake`, all different, at least two each.
    ///
    /// # Errors
    /// [`MetricsError::TooFewImages`]; [`MetricsError::FeatureRows`] and [`MetricsError::NotFinite`] of a side
    pub fn add(&mut self, real: &[usize], fake: &[usize]) -> Result<(), MetricsError> {
        let smaller = real.len().min(fake.len());
        if smaller < 2 {
            let metric = "a subset of the kernel distance";
            return Err(MetricsError::TooFewImages { metric, expected: 2, actual: smaller });
        }
        let width = self.real.width();
        let sides = [(self.real, real, Side::Real), (self.fake, fake, Side::Fake)];
        let sides = sides.map(|(rows, indices, side)| {
            let ends = self.halves.ends(rows.count());
            let runs = indices.iter().map(|&index| ends.partition_point(|&end| end <= index)).collect();
            let values = read_f64(rows, indices).map_err(|error| error.of_side(side))?;
            Ok(Drawn { values, runs })
        });
        let [real, fake]: [Result<Drawn, MetricsError>; 2] = sides;
        let (real, fake) = (real?, fake?);
        let of_subset =
            [(&real, &real, true), (&fake, &fake, true), (&real, &fake, false)].map(|(a, b, same)| {
                let pairs = a.kernels(b, width, same, self.halves.groups());
                let mean = pairs.sum(|_| true) / pairs.count(|_| true);
                (pairs, mean)
            });
        let [of_real, of_fake, between] = of_subset.each_ref().map(|(_, mean)| mean);
        self.subsets.push(of_real + of_fake - 2.0 * between);
        for (sum, (pairs, _)) in self.sums.iter_mut().zip(&of_subset) {
            sum.add(pairs);
        }
        Ok(())
    }

    /// Of all subsets that were added; at least one.
    ///
    /// # Errors
    /// [`MetricsError::Parameter`] without subsets, [`MetricsError::Overflow`] for features beyond some 1e25
    pub fn finish(self) -> Result<KernelDistanceScore, MetricsError> {
        let subsets = self.subsets;
        if subsets.is_empty() {
            let (name, expected) = ("number of subsets", "at least 1");
            return Err(MetricsError::Parameter { name, expected, actual: "0".to_owned() });
        }
        let n = subsets.len() as f64;
        let mean = finite("the kernel distance", subsets.iter().sum::<f64>() / n)?;
        let variance = subsets.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        let variance = finite("the spread of the kernel distance", variance)?;
        let of_half = |mask: u32| {
            let inside = |run: usize| mask >> run & 1 == 1;
            let mean = |pairs: &RunPairs| pairs.sum(inside) / pairs.count(inside);
            let [real, fake, between] = self.sums.each_ref().map(mean);
            real + fake - 2.0 * between
        };
        let all = (1_u32 << self.halves.groups()) - 1;
        let of_halves: Vec<f64> =
            self.halves.masks().iter().flat_map(|&mask| [of_half(mask), of_half(!mask & all)]).collect();
        let bounds = (f64::NEG_INFINITY, f64::INFINITY);
        // Where a run has no pair of images, nothing is known of the spread.
        let error = half_sample_standard_error(&of_halves);
        let degrees_of_freedom = self.halves.groups() - 1;
        let interval =
            error.is_finite().then(|| ConfidenceInterval::student(mean, error, degrees_of_freedom, bounds));
        Ok(KernelDistanceScore { mean, standard_deviation: variance.sqrt(), subsets, interval })
    }
}

/// Images of a subset.
struct Drawn {
    /// `[m, width]`
    values: Vec<f64>,
    /// The run of each image among those of its side.
    runs: Vec<usize>,
}

impl Drawn {
    /// Sums of the kernels of all pairs with images of `other`; of `same` images, of pairs of different ones.
    fn kernels(&self, other: &Self, width: usize, same: bool, runs: usize) -> RunPairs {
        let (rows, columns) = (self.runs.len(), other.runs.len());
        let mut products = vec![0.0; rows * columns];
        matmul(
            MatMut::from_row_major_slice_mut(&mut products, rows, columns),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.values, rows, width),
            MatRef::from_row_major_slice(&other.values, columns, width).transpose(),
            1.0 / width as f64,
            all_threads(),
        );
        let of_rows: Vec<Vec<(f64, f64)>> = products
            .par_chunks(columns)
            .enumerate()
            .map(|(i, products)| {
                let mut by_run = vec![(0.0, 0.0); runs];
                for (j, (product, &run)) in products.iter().zip(&other.runs).enumerate() {
                    if !(same && i == j) {
                        let k = product + 1.0;
                        by_run[run].0 += k * k * k;
                        by_run[run].1 += 1.0;
                    }
                }
                by_run
            })
            .collect();
        let mut pairs = RunPairs::new(runs);
        for (&run, of_row) in self.runs.iter().zip(&of_rows) {
            for (pair, (sum, count)) in pairs.pairs[run * runs..][..runs].iter_mut().zip(of_row) {
                pair.0 += sum;
                pair.1 += count;
            }
        }
        pairs
    }
}

/// Sum and number of something, by two runs of images.
#[derive(Debug, Clone)]
struct RunPairs {
    runs: usize,
    pairs: Vec<(f64, f64)>,
}

impl RunPairs {
    fn new(runs: usize) -> Self {
        Self { runs, pairs: vec![(0.0, 0.0); runs * runs] }
    }

    fn add(&mut self, other: &Self) {
        for (pair, (sum, count)) in self.pairs.iter_mut().zip(&other.pairs) {
            pair.0 += sum;
            pair.1 += count;
        }
    }

    fn inside(&self, inside: impl Fn(usize) -> bool) -> impl Iterator<Item = &(f64, f64)> {
        let runs = self.runs;
        self.pairs
            .iter()
            .enumerate()
            .filter(move |(i, _)| inside(i / runs) && inside(i % runs))
            .map(|(_, p)| p)
    }

    fn sum(&self, inside: impl Fn(usize) -> bool) -> f64 {
        self.inside(inside).map(|pair| pair.0).sum()
    }

    fn count(&self, inside: impl Fn(usize) -> bool) -> f64 {
        self.inside(inside).map(|pair| pair.1).sum()
    }
}
