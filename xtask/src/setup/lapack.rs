//! OpenBLAS from the system's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

const PACKAGE: &str = "libopenblas-dev";

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

/// Installs it, unless it is there.
pub(super) fn install(dry_run: bool) -> Result<()> {
    if is_installed() {
        println!("OpenBLAS: is there");
        return Ok(());
    }
    if dry_run {
        println!("dry run: apt-get install {PACKAGE}");
        return Ok(());
    }
    // A machine that was never updated knows no packages.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        process::silent(command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    let install = ["install", "--yes", "--no-install-recommends", PACKAGE];
    let mut done = apt(&install)?;
    if done.is_err() {
        let _ = apt(&["update"])?;
        done = apt(&install)?;
    }
    if let Err(said) = done {
        bail!("could not install OpenBLAS; as root, `apt-get install {PACKAGE}` does it on Debian:\n{said}");
    }
    println!("OpenBLAS: installed ({PACKAGE})");
    Ok(())
}
