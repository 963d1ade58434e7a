//! Distances between feature vectors, block by block, and those of the nearest neighbours in parts of a set.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use crate::MetricsError;
use crate::feature_rows::{FeatureRows, ROW_CHUNK, read_f64};
use crate::parallelism::all_threads;

/// Called after each block of distances; an error ends the computation.
pub(crate) type Tick<'a> = dyn FnMut() -> Result<(), MetricsError> + 'a;

/// Some consecutive vectors of a set.
pub(crate) struct Block {
    /// Index of the first.
    pub(crate) first: usize,
    values: Vec<f64>,
    squares: Vec<f64>,
    width: usize,
}

impl Block {
    fn read(rows: &dyn FeatureRows, first: usize) -> Result<Self, MetricsError> {
        let indices: Vec<usize> = (first..(first + ROW_CHUNK).min(rows.count())).collect();
        let (values, width) = (read_f64(rows, &indices)?, rows.width());
        let squares = values.chunks_exact(width).map(|vector| vector.iter().map(|v| v * v).sum()).collect();
        Ok(Self { first, values, squares, width })
    }

    pub(crate) fn len(&self) -> usize {
        self.squares.len()
    }

    /// Squared distances, `[self, other]`, f64; of equal vectors 0 up to rounding, on either side of it.
    fn squared_distances(&self, other: &Self) -> Vec<f64> {
        let (rows, columns) = (self.len(), other.len());
        let mut distances = vec![0.0; rows * columns];
        matmul(
            MatMut::from_row_major_slice_mut(&mut distances, rows, columns),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.values, rows, self.width),
            MatRef::from_row_major_slice(&other.values, columns, self.width).transpose(),
            -2.0,
            all_threads(),
        );
        distances.par_chunks_mut(columns).zip(&self.squares).for_each(|(row, square)| {
            for (distance, other) in row.iter_mut().zip(&other.squares) {
                *distance += square + other;
            }
        });
        distances
    }
}

/// The blocks of pairs of vectors of `a` and `b`, with their squared distances, row by row.
pub(crate) fn for_each_block(
    a: &dyn FeatureRows,
    b: &dyn FeatureRows,
    tick: &mut Tick<'_>,
    mut see: impl FnMut(&Block, &Block, &[f64]),
) -> Result<(), MetricsError> {
    for first in (0..a.count()).step_by(ROW_CHUNK) {
        let rows = Block::read(a, first)?;
        for first in (0..b.count()).step_by(ROW_CHUNK) {
            let columns = Block::read(b, first)?;
            see(&rows, &columns, &rows.squared_distances(&columns));
            tick()?;
        }
    }
    Ok(())
}

/// Squared distances of every vector of a set from its k nearest neighbours in each of several runs of the set.
pub(crate) struct Neighbours {
    k: usize,
    /// Index after the last vector of each run.
    ends: Vec<usize>,
    /// `[vectors, runs, k]`, rising; infinite where a run has fewer.
    nearest: Vec<f64>,
}

impl Neighbours {
    /// Cost: 2 n^2 width floating-point operations; memory 8 n runs k bytes, and three blocks.
    pub(crate) fn find(
        set: &dyn FeatureRows,
        k: usize,
        ends: Vec<usize>,
        tick: &mut Tick<'_>,
    ) -> Result<Self, MetricsError> {
        let per_vector = ends.len() * k;
        let mut nearest = vec![f64::INFINITY; set.count() * per_vector];
        for_each_block(set, set, tick, |rows, columns, distances| {
            let nearest = &mut nearest[rows.first * per_vector..][..rows.len() * per_vector];
            nearest.par_chunks_mut(per_vector).zip(distances.par_chunks(columns.len())).enumerate().for_each(
                |(i, (nearest, distances))| {
                    let mut run = 0;
                    for (j, &distance) in distances.iter().enumerate() {
                        let index = columns.first + j;
                        while ends[run] <= index {
                            run += 1;
                        }
                        if index != rows.first + i {
                            keep_smallest(&mut nearest[run * k..][..k], distance);
                        }
                    }
                },
            );
        })?;
        Ok(Self { k, ends, nearest })
    }

    /// The run that vector `index` is in.
    pub(crate) fn run_of(&self, index: usize) -> usize {
        self.ends.partition_point(|&end| end <= index)
    }

    /// The squared distance of vector `index` from its k-th nearest neighbour among the runs in `mask`.
    pub(crate) fn radius(&self, index: usize, mask: u32) -> f64 {
        let mut smallest = vec![f64::INFINITY; self.k];
        let of_vector = &self.nearest[index * self.ends.len() * self.k..][..self.ends.len() * self.k];
        for (run, distances) in of_vector.chunks_exact(self.k).enumerate() {
            if mask >> run & 1 == 1 {
                for &distance in distances {
                    keep_smallest(&mut smallest, distance);
                }
            }
        }
        smallest.last().copied().unwrap_or(f64::INFINITY)
    }
}

/// Puts `distance` among the rising `smallest` if it is smaller than the last of them.
fn keep_smallest(smallest: &mut [f64], distance: f64) {
    let Some(last) = smallest.last_mut().filter(|last| distance < **last) else { return };
    *last = distance;
    let mut i = smallest.len() - 1;
    while i > 0 && smallest[i - 1] > smallest[i] {
        smallest.swap(i - 1, i);
        i -= 1;
    }
}
