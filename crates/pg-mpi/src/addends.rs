//! Sums of numbers where they lie, in the host's memory or a GPU's.
#![allow(unsafe_code, reason = "FFI to MPI, which takes addresses; each block states its invariant")]

use std::ffi::{c_int, c_void};

use mpi::ffi;
use mpi::traits::Communicator;

/// Most numbers that one call of MPI takes: it counts in 32 bits.
const LONGEST_CALL: usize = 1 << 30;

/// Where the numbers of one process lie, and where their sum goes.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// This process's `count` numbers.
    pub own: *const f32,
    /// Room for as many.
    pub sum: *mut f32,
    /// How many.
    pub count: usize,
}

/// Numbers to sum, with room for the sum.
///
/// # Safety
/// Both addresses are good for `count` f32, do not overlap, and lie in memory that MPI reaches: the host's, or CUDA's
/// where [`crate::World::reaches_cuda_memory`]. While `self` is lent out nothing else uses them, and work of a GPU on
/// them is complete.
pub unsafe trait Addends: Send + 'static {
    /// The same at every call.
    fn addresses(&mut self) -> Addresses;
}

/// Which memory MPI reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryReach {
    Host,
    HostAndCuda,
}

impl MemoryReach {
    /// What the library in use says of itself, after MPI was started.
    pub(crate) fn of_library() -> Self {
        // An extension that not every MPI has: looked up rather than linked.
        let process = libloading::os::unix::Library::this();
        // SAFETY: `int MPIX_Query_cuda_support(void)` in Open MPI and in MPICH.
        let query = unsafe { process.get::<extern "C" fn() -> c_int>(b"MPIX_Query_cuda_support\0") };
        let Ok(query) = query else { return Self::Host };
        if query() == 1 { Self::HostAndCuda } else { Self::Host }
    }
}

/// Sums `addends` over `world`; errors end all processes, as MPI does unless told otherwise.
pub(crate) fn sum_over(world: &impl Communicator, addends: &mut impl Addends) {
    let Addresses { own, sum, count } = addends.addresses();
    for start in (0..count).step_by(LONGEST_CALL) {
        let length = (count - start).min(LONGEST_CALL);
        // SAFETY: the trait's promise; datatype and operation are constants of MPI.
        unsafe {
            let (own, sum) = (own.add(start).cast::<c_void>(), sum.add(start).cast::<c_void>());
            ffi::MPI_Allreduce(own, sum, length as c_int, ffi::RSMPI_FLOAT, ffi::RSMPI_SUM, world.as_raw());
        }
    }
}
