//! The only door to MPI: sums and messages between the processes of one launch.
//!
//! Without the cargo feature `mpi` the crate is empty, so that everything else builds on a machine without MPI.

#[cfg(feature = "mpi")]
mod addends;
#[cfg(feature = "mpi")]
mod polite_wait;
#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use addends::{Addends, Addresses};
#[cfg(feature = "mpi")]
pub use world::{AbortHandle, MpiError, World};
