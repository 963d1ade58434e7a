//! Open MPI from the system's packages, and libclang, which reads its headers.

use std::path::PathBuf;
use std::process::Command;

use super::apt::SystemLibrary;
use crate::process;

/// For the cargo feature `mpi`.
pub(super) const OPEN_MPI: SystemLibrary = SystemLibrary {
    title: "Open MPI",
    packages: &["libopenmpi-dev", "openmpi-bin", "libclang-dev"],
    is_installed,
};

/// Whether programs can be built with MPI, and started.
pub(crate) fn is_installed() -> bool {
    let works = |program: &str| matches!(process::silent(Command::new(program).arg("--version")), Ok(Ok(_)));
    works("mpicc") && works("mpirun") && has_libclang()
}

/// Where Debian and others put it, unless the user says so.
fn has_libclang() -> bool {
    let llvm = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let of_llvm =
        llvm.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("llvm-")));
    let mut folders: Vec<PathBuf> = of_llvm.map(|path| path.join("lib")).collect();
    folders.extend(["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"].map(PathBuf::from));
    let is_libclang = |folder: &PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.file_name()).any(|n| {
            let name = n.to_string_lossy();
            name.starts_with("libclang.so") || name.starts_with("libclang-")
        })
    };
    std::env::var_os("LIBCLANG_PATH").is_some() || folders.iter().any(is_libclang)
}
