//! How matrix operations are cut into parallel parts.

use std::num::NonZero;

use faer::Par;

/// Of products and Cholesky's method, which round alike in any number of parts: all threads.
pub(crate) fn all_threads() -> Par {
    Par::rayon(0)
}

/// Of the reduction to tridiagonal form, which adds up what its parts found and would round differently for another
/// number of them: two, whatever runs them. It is bound by memory, so more would gain little.
pub(crate) const FIXED_PARTS: Par = Par::Rayon(match NonZero::new(2) {
    Some(parts) => parts,
    None => NonZero::<usize>::MIN,
});
