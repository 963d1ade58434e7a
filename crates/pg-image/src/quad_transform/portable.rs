//! Machines without AVX2: the definition decides every sample.

use std::marker::PhantomData;

use super::Lattice;

/// Never made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rgb<'a>(PhantomData<&'a [u8]>);

impl<'a> Rgb<'a> {
    pub(super) fn new(_data: &'a [u8], _width: usize, _height: usize) -> Option<Self> {
        None
    }

    pub(super) fn sum_of_block(&self, _lattice: Lattice) -> Option<[u32; 3]> {
        None
    }

    pub(super) fn row_of_eight(&self, _lattice: Lattice) -> Option<[u8; 24]> {
        None
    }
}
