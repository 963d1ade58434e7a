//! Machines that are not x86-64: the definition decides every sample.

use std::marker::PhantomData;

use super::{Lattice, QuadSampler};

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

/// Never made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'a>(PhantomData<&'a [u8]>);

impl<'a> Blocks<'a> {
    pub(super) fn new(_data: &'a [u8], _size: [usize; 2], _coefficients: [[f64; 4]; 2]) -> Option<Self> {
        None
    }

    pub(super) fn averages(&self, _sampler: &QuadSampler, _y: usize, _out: &mut [u8]) {}
}
