//! Loads libtorch's CUDA half into a program that was linked against its CPU half.

use anyhow::Context as _;

/// Loads `libtorch_cuda.so` from where the dynamic linker looks: beside libtorch_cpu (rpath) or in
/// `LD_LIBRARY_PATH`. It registers its kernels with libtorch while loading.
#[allow(unsafe_code)] // dlopen is the only way to use CUDA from the binary that also runs without it
pub(crate) fn load() -> anyhow::Result<()> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library's initialisers only register kernels with the libtorch_cpu already loaded,
    // which is of the same release (both come from one libtorch); it is never unloaded.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }.context(
        "cannot load libtorch_cuda.so: run `cargo xtask setup --cuda`, or point LD_LIBRARY_PATH at the \
         lib folder of a libtorch 2.11.0 with CUDA",
    )?;
    std::mem::forget(library);
    Ok(())
}
