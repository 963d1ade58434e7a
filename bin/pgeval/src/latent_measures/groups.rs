//! Samples that are drawn together.

use std::ops::Range;

use pg_metrics::IMAGES_OF_ONE_NOISE;
use rayon::prelude::*;

/// The samples from 0 to `samples`, in groups that have one noise each; threads take one group at a time.
pub(crate) fn groups_of_one_noise(samples: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    (0..samples.div_ceil(IMAGES_OF_ONE_NOISE)).into_par_iter().with_max_len(1).map(move |group| {
        let first = group * IMAGES_OF_ONE_NOISE;
        first..(first + IMAGES_OF_ONE_NOISE).min(samples)
    })
}
