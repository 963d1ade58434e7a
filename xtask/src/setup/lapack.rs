//! OpenBLAS from the system's packages.

use std::path::Path;

use super::apt::SystemLibrary;

/// For the cargo feature `lapack`.
pub(super) const OPENBLAS: SystemLibrary =
    SystemLibrary { title: "OpenBLAS", packages: &["libopenblas-dev"], is_installed };

/// What a linker looks for, where distributions put it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/libopenblas.so",
    "/usr/lib/aarch64-linux-gnu/libopenblas.so",
    "/usr/lib64/libopenblas.so",
    "/usr/lib/libopenblas.so",
];

/// Whether programs can be linked with OpenBLAS.
pub(crate) fn is_installed() -> bool {
    LIBRARIES.iter().any(|library| Path::new(library).exists())
}
