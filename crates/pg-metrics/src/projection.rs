//! Projecting descriptor sets on random directions.

use faer::linalg::matmul::matmul;
use faer::{Accum, ColRef, Mat, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use crate::MetricsError;
use crate::one_dimensional::{Grid, Workspace, extremes};
use crate::patch_descriptors::{DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH};
use crate::random_streams::{Purpose, seek, stream};

/// Directions projected at a time.
pub(crate) const DIRECTION_BLOCK: usize = 128;

/// Descriptors transposed at a time.
const TRANSPOSED_TOGETHER: usize = 16;

/// Descriptors in one matrix product; fixed, so that results do not depend on the number of threads. Whole blocks of
/// 96, as the product takes them; no power of two, whose columns would all share a few lines of the cache.
const PROJECTION_CHUNK: usize = 2016;

/// Unit directions `[147, count]`, f32: independent Gaussian vectors, normalised in f64.
///
/// They depend on `seed`, `level_px` and `repeat` only.
#[must_use]
pub fn draw_directions(seed: u64, level_px: usize, repeat: usize, count: usize) -> Array2<f32> {
    let mut rng = stream(seed, Purpose::Directions, level_px);
    seek(&mut rng, repeat);
    let mut directions = Array2::zeros((DESCRIPTOR_LENGTH, count));
    for mut direction in directions.columns_mut() {
        let gaussian: [f64; DESCRIPTOR_LENGTH] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
        let norm = gaussian.iter().map(|v| v * v).sum::<f64>().sqrt();
        for (d, g) in direction.iter_mut().zip(gaussian) {
            *d = (g / norm) as f32;
        }
    }
    directions
}

/// The one-dimensional Wasserstein-1 distance of two descriptor sets along each direction.
///
/// `real` and `fake` are `[n, 147]` each with the same n, `directions` `[147, D]`; the result has D
/// distances, not scaled: the mean over n of |sorted real projection - sorted fake projection|.
///
/// # Errors
/// [`MetricsError::SetsDiffer`] when the sets have different sizes,
/// [`MetricsError::Parameter`] when a length is no multiple of 147.
pub fn projected_distances(
    real: &[f32],
    fake: &[f32],
    directions: &ArrayView2<'_, f32>,
) -> Result<Vec<f64>, MetricsError> {
    let [real, fake] = [real, fake].map(|set| {
        let mut set = set.to_vec();
        transpose_chunks(&mut set);
        set
    });
    project_and_compare(&real, &fake, directions, |workspace, _, [a, b], grid| workspace.on_grid(a, b, grid))
}

/// Turns descriptors `[n, 147]` into chunks of 2016 (the last may have fewer) of `[147, chunk]`, in place: in this
/// order a matrix product takes them as they are, block of directions after block.
pub(crate) fn transpose_chunks(descriptors: &mut [f32]) {
    descriptors.par_chunks_mut(PROJECTION_CHUNK * DESCRIPTOR_LENGTH).for_each_init(
        Vec::new,
        |by_rows, chunk| {
            by_rows.clear();
            by_rows.extend_from_slice(chunk);
            let count = chunk.len() / DESCRIPTOR_LENGTH;
            // Blocks that fit the innermost cache, in both orders.
            for first in (0..count).step_by(TRANSPOSED_TOGETHER) {
                let end = (first + TRANSPOSED_TOGETHER).min(count);
                for k in 0..DESCRIPTOR_LENGTH {
                    for i in first..end {
                        chunk[k * count + i] = by_rows[i * DESCRIPTOR_LENGTH + k];
                    }
                }
            }
        },
    );
}

/// Projects block by block and calls `compare` with each direction's number, its two projections and their
/// grid. The descriptors are in the order of [`transpose_chunks`].
///
/// Memory: 512 bytes per descriptor and side, the projections of a block.
pub(crate) fn project_and_compare<R: Send>(
    real: &[f32],
    fake: &[f32],
    directions: &ArrayView2<'_, f32>,
    compare: impl Fn(&mut Workspace, usize, [&[f32]; 2], Grid) -> R + Sync,
) -> Result<Vec<R>, MetricsError> {
    let [count, fakes] = [real, fake].map(|set| set.len() / DESCRIPTOR_LENGTH);
    if count != fakes {
        let what = "number of descriptors";
        return Err(MetricsError::SetsDiffer { what, real: count.to_string(), fake: fakes.to_string() });
    }
    for set in [real, fake] {
        if !set.len().is_multiple_of(DESCRIPTOR_LENGTH) {
            let (name, expected) = ("number of descriptor values", "a multiple of 147");
            return Err(MetricsError::Parameter { name, expected, actual: set.len().to_string() });
        }
    }
    if directions.nrows() != DESCRIPTOR_LENGTH {
        let actual = directions.nrows().to_string();
        return Err(MetricsError::Parameter { name: "length of a direction", expected: "147", actual });
    }
    let block = DIRECTION_BLOCK.min(directions.ncols());
    let [mut real_projections, mut fake_projections] = [(); 2].map(|()| vec![0.0_f32; block * count]);
    let mut results = Vec::with_capacity(directions.ncols());
    for block in directions.axis_chunks_iter(Axis(1), DIRECTION_BLOCK) {
        let of_real = project(real, &block, &mut real_projections[..block.ncols() * count]);
        let of_fake = project(fake, &block, &mut fake_projections[..block.ncols() * count]);
        let first = results.len();
        let projections = real_projections
            .par_chunks_exact(count.max(1))
            .zip(fake_projections.par_chunks_exact(count.max(1)));
        let compared: Vec<R> = projections
            .take(block.ncols())
            .enumerate()
            .map_init(Workspace::default, |workspace, (d, (a, b))| {
                compare(workspace, first + d, [a, b], Grid::between(wider(of_real[d], of_fake[d])))
            })
            .collect();
        results.extend(compared);
    }
    Ok(results)
}

/// `out[d, i] = direction d . descriptor i`, in parallel over fixed chunks of descriptors, and the smallest and
/// largest projection on each direction.
/// `directions` is `[147, d]`, `descriptors` as [`transpose_chunks`] leaves them, `out` `[d, n]`.
fn project(descriptors: &[f32], directions: &ArrayView2<'_, f32>, out: &mut [f32]) -> Vec<(f32, f32)> {
    let (count, columns) = (descriptors.len() / DESCRIPTOR_LENGTH, directions.ncols());
    let directions = Mat::from_fn(DESCRIPTOR_LENGTH, columns, |k, d| directions[[k, d]]);
    // [n, d] with each direction's projections side by side.
    let out = MatMut::from_column_major_slice_mut(out, count, columns);
    let chunks = count.div_ceil(PROJECTION_CHUNK);
    let none = || vec![(f32::INFINITY, f32::NEG_INFINITY); columns];
    let of_chunks =
        out.par_row_chunks_mut(PROJECTION_CHUNK).enumerate().take(chunks).map(|(chunk, mut out)| {
            let rows = out.nrows();
            let values =
                &descriptors[chunk * PROJECTION_CHUNK * DESCRIPTOR_LENGTH..][..rows * DESCRIPTOR_LENGTH];
            let descriptors = MatRef::from_column_major_slice(values, rows, DESCRIPTOR_LENGTH);
            matmul(out.as_mut(), Accum::Replace, descriptors, directions.as_ref(), 1.0, Par::Seq);
            // While they are in the cache.
            let column = |d: usize| out.as_ref().col(d).try_as_col_major().map(ColRef::as_slice);
            (0..columns).map(|d| extremes(column(d).unwrap_or_default())).collect::<Vec<_>>()
        });
    of_chunks.reduce(none, |a, b| a.into_iter().zip(b).map(|(a, b)| wider(a, b)).collect())
}

/// The least range that holds both.
fn wider(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Sum of each direction's components of each channel: what a shift of the channel means does to a
/// projection.
pub(crate) fn channel_sums_of_directions(
    directions: &ArrayView2<'_, f32>,
) -> Vec<[f64; DESCRIPTOR_CHANNELS]> {
    let area = DESCRIPTOR_LENGTH / DESCRIPTOR_CHANNELS;
    let sum = |column: ArrayView1<'_, f32>, c: usize| {
        column.iter().skip(c * area).take(area).map(|&v| f64::from(v)).sum()
    };
    directions.columns().into_iter().map(|column| std::array::from_fn(|c| sum(column, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise as noise;
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    /// The definition, in f64.
    fn slow_distances(real: &[f32], fake: &[f32], directions: &Array2<f32>) -> Vec<f64> {
        let projected = |set: &[f32], d: usize| {
            let mut p: Vec<f64> = set
                .chunks(DESCRIPTOR_LENGTH)
                .map(|x| {
                    (0..DESCRIPTOR_LENGTH).map(|k| f64::from(x[k]) * f64::from(directions[[k, d]])).sum()
                })
                .collect();
            p.sort_by(f64::total_cmp);
            p
        };
        (0..directions.ncols())
            .map(|d| {
                let (a, b) = (projected(real, d), projected(fake, d));
                a.iter().zip(&b).map(|(x, y)| (x - y).abs()).sum::<f64>() / a.len() as f64
            })
            .collect()
    }

    #[test]
    fn blocks_of_directions_agree_with_the_definition() {
        let directions = draw_directions(3, 64, 0, 45);
        for n in [1, 7, 1500, 2 * PROJECTION_CHUNK + 3] {
            let (real, fake) = (noise(1, n * DESCRIPTOR_LENGTH), noise(2, n * DESCRIPTOR_LENGTH));
            let actual = projected_distances(&real, &fake, &directions.view()).unwrap();
            let expected = slow_distances(&real, &fake, &directions);
            assert_close("distances", &actual, &expected, Tolerance::new(1e-5, 1e-6));
        }
    }

    #[test]
    fn directions_have_unit_length_and_repeats_differ() {
        let directions = draw_directions(0, 128, 0, 64);
        for column in directions.columns() {
            let norm: f64 = column.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert!((norm - 1.0).abs() < 1e-6);
        }
        assert_ne!(directions, draw_directions(0, 128, 1, 64));
        assert_ne!(directions, draw_directions(0, 64, 0, 64));
    }

    #[test]
    fn equal_descriptors_have_distance_zero_and_the_distance_is_symmetric() {
        let directions = draw_directions(0, 16, 0, 8);
        let (a, b) = (noise(1, 200 * DESCRIPTOR_LENGTH), noise(2, 200 * DESCRIPTOR_LENGTH));
        let same = projected_distances(&a, &a, &directions.view()).unwrap();
        assert!(same.iter().all(|&d| d == 0.0));
        let there = projected_distances(&a, &b, &directions.view()).unwrap();
        assert_eq!(there, projected_distances(&b, &a, &directions.view()).unwrap());
    }

    #[test]
    fn a_shift_along_one_axis_is_found_along_each_direction() {
        let directions = draw_directions(0, 16, 0, 8);
        let a = noise(1, 500 * DESCRIPTOR_LENGTH);
        let mut b = a.clone();
        b.iter_mut().step_by(DESCRIPTOR_LENGTH).for_each(|v| *v += 2.0);
        let actual = projected_distances(&a, &b, &directions.view()).unwrap();
        let expected: Vec<f64> = directions.row(0).iter().map(|&d| 2.0 * f64::from(d).abs()).collect();
        assert_close("shift", &actual, &expected, Tolerance::new(1e-4, 1e-6));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_distance_grows_with_the_shift(step in 0.1_f32..3.0) {
            let directions = draw_directions(0, 16, 0, 4);
            let a = noise(1, 100 * DESCRIPTOR_LENGTH);
            let shifted = |s: f32| a.iter().map(|v| v + s).collect::<Vec<f32>>();
            let mean = |b: &[f32]| projected_distances(&a, b, &directions.view()).unwrap().iter().sum::<f64>();
            prop_assert!(mean(&shifted(step)) < mean(&shifted(2.0 * step)));
        }
    }
}
