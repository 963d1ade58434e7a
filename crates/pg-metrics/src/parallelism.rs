//! How matrix operations are cut into parallel parts.

#[cfg(any(test, not(feature = "lapack")))]
use std::num::NonZero;

use faer::Par;

/// Of products and Cholesky's method, which round alike in any number of parts: all threads.
pub(crate) fn all_threads() -> Par {
    Par::rayon(0)
}

/// Of decompositions that may add up what their parts found, and would round differently for another number of them: two,
/// whatever runs them.
#[cfg(any(test, not(feature = "lapack")))]
pub(crate) const FIXED_PARTS: Par = Par::Rayon(match NonZero::new(2) {
    Some(parts) => parts,
    None => NonZero::<usize>::MIN,
});
