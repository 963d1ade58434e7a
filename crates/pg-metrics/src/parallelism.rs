//! How matrix operations are cut into parallel parts.

use std::num::NonZero;

use faer::Par;

/// As many parts for any number of threads: the reduction to tridiagonal form adds up what its parts found, and
/// would round differently for another number of them.
pub(crate) const FIXED_PARTS: Par = Par::Rayon(match NonZero::new(4) {
    Some(parts) => parts,
    None => NonZero::<usize>::MIN,
});
