//! Side lengths of a progressively grown network's levels.

use std::fmt;

use thiserror::Error;

/// The side of a square image in pixels: a power of two from 4 to 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolution(u32);

/// A side length that no level can have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("resolution {0} is not a power of two from 4 to 4096")]
pub struct ResolutionError(pub u64);

impl Resolution {
    /// The coarsest level, where growing starts.
    pub const MIN: Self = Self(4);
    /// The finest level that the format allows.
    pub const MAX: Self = Self(4096);

    /// A side of `pixels`.
    ///
    /// # Errors
    /// [`ResolutionError`] unless `pixels` is a power of two from 4 to 4096.
    pub fn new(pixels: u64) -> Result<Self, ResolutionError> {
        match u32::try_from(pixels) {
            Ok(p) if p.is_power_of_two() && (4..=4096).contains(&p) => Ok(Self(p)),
            _ => Err(ResolutionError(pixels)),
        }
    }

    /// The side in pixels.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.0 as usize
    }

    /// log2 of the side: 2 for 4 px, 10 for 1024 px.
    #[must_use]
    pub fn log2(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// The next coarser level, or `None` below 4 px.
    #[must_use]
    pub fn halved(self) -> Option<Self> {
        (self.0 > 4).then_some(Self(self.0 / 2))
    }

    /// This level and every coarser one down to `lowest`, finest first.
    pub fn down_to(self, lowest: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |r| r.halved()).take_while(move |&r| r >= lowest)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Resolution> for u32 {
    fn from(r: Resolution) -> Self {
        r.0
    }
}
