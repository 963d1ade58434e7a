//! The libtorch that this program runs with: where it was found, and its CUDA half, which is loaded on demand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The library of the CPU half, as the dynamic linker found it; known on Linux.
pub(crate) fn library() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mapped = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
    mapped.into_iter().find(|path| path.ends_with("libtorch_cpu.so")).map(Path::to_owned)
}

/// One line about it, for `--version`.
pub(crate) fn describe() -> String {
    let Some(library) = library() else { return "libtorch: linked".to_owned() };
    let folder = library.parent().unwrap_or(Path::new("/"));
    let version = folder.parent().and_then(|root| fs::read_to_string(root.join("build-version")).ok());
    let version = version.map_or_else(String::new, |version| format!(" {}", version.trim()));
    let cuda = if folder.join("libtorch_cuda.so").is_file() { "with" } else { "without" };
    format!("libtorch{version} {cuda} CUDA: {}", library.display())
}

/// Loads `libtorch_cuda.so` from where the dynamic linker looks: beside libtorch_cpu (rpath) or in
/// `LD_LIBRARY_PATH`. It registers its kernels with libtorch while loading.
#[allow(unsafe_code)] // dlopen is the only way to use CUDA from the binary that also runs without it
pub(crate) fn load_cuda() -> anyhow::Result<()> {
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
