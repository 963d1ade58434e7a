//! `cargo xtask test --processors`: the tests as they run on other processors.
//!
//! Which instructions a program uses is decided while it runs, in four places: libtorch's own kernels, its matrix
//! libraries (oneDNN and MKL), and everything written in Rust, faer's products among it. Each can be made to believe
//! that it runs on an older processor.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{captured, succeeds};
use crate::workspace::Workspace;

/// What hides instructions from Rust's standard library.
const SOURCE: &str = "xtask/src/processors/hide_features.c";
/// What it reads in the environment.
const HIDDEN: &str = "PGKIT_HIDDEN_FEATURES";

/// One way to run the tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dispatch {
    /// `ATEN_CPU_CAPABILITY`: the vectors of libtorch's kernels.
    libtorch: Vectors,
    /// The vectors of everything written in Rust.
    rust: Vectors,
    /// Who computes convolutions: `PGKIT_COMPUTE`, see pg-networks.
    convolutions: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Vectors {
    /// What every x86-64 has.
    Baseline,
    Avx2,
    Avx512,
}

/// Every kernel of libtorch and of ours with every width of vectors, and both ways to compute convolutions.
const DISPATCHES: [Dispatch; 6] = [
    Dispatch { libtorch: Vectors::Baseline, rust: Vectors::Baseline, convolutions: "tiles" },
    Dispatch { libtorch: Vectors::Baseline, rust: Vectors::Baseline, convolutions: "library" },
    Dispatch { libtorch: Vectors::Avx2, rust: Vectors::Avx2, convolutions: "tiles" },
    Dispatch { libtorch: Vectors::Avx2, rust: Vectors::Avx2, convolutions: "library" },
    Dispatch { libtorch: Vectors::Avx512, rust: Vectors::Avx512, convolutions: "tiles" },
    Dispatch { libtorch: Vectors::Avx512, rust: Vectors::Avx512, convolutions: "library" },
];

impl Vectors {
    fn of_libtorch(self) -> &'static str {
        match self {
            Self::Baseline => "default",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// What oneDNN and MKL may use.
    fn of_its_libraries(self) -> (&'static str, &'static str) {
        match self {
            Self::Baseline => ("SSE41", "SSE4_2"),
            Self::Avx2 => ("AVX2", "AVX2"),
            Self::Avx512 => ("DEFAULT", "AVX512"),
        }
    }

    fn hidden(self) -> &'static str {
        match self {
            Self::Baseline => "all",
            Self::Avx2 => "avx512",
            Self::Avx512 => "nothing",
        }
    }

    fn is_here(self) -> bool {
        match self {
            Self::Baseline => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
        }
    }
}

impl Dispatch {
    /// In words, for the log.
    pub(crate) fn described(&self) -> String {
        format!(
            "libtorch {}, Rust {}, convolutions by {}",
            self.libtorch.of_libtorch(),
            self.rust.of_libtorch(),
            self.convolutions
        )
    }

    fn is_here(&self) -> bool {
        self.libtorch.is_here() && self.rust.is_here()
    }

    /// Lets `command` and all that it starts run so.
    pub(crate) fn apply(&self, command: &mut Command, library: &Path) {
        let (onednn, mkl) = self.libtorch.of_its_libraries();
        command.env("ATEN_CPU_CAPABILITY", self.libtorch.of_libtorch());
        command.env("ONEDNN_MAX_CPU_ISA", onednn).env("MKL_ENABLE_INSTRUCTIONS", mkl);
        command.env("PGKIT_COMPUTE", self.convolutions);
        command.env(HIDDEN, self.rust.hidden()).env("LD_PRELOAD", library);
    }
}

/// Runs `suite` under every dispatch that this processor can do; what it cannot is said. Whether all held.
pub(crate) fn under_each(
    workspace: &Workspace,
    suite: impl Fn(&dyn Fn(&mut Command)) -> Result<bool>,
) -> Result<bool> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        bail!("--processors: expected x86-64 Linux, whose processors it stands for");
    }
    let library = built(workspace)?;
    for dispatch in DISPATCHES.iter().filter(|dispatch| dispatch.is_here()) {
        check_hiding(dispatch, &library)?;
    }
    let mut results = Vec::new();
    for dispatch in &DISPATCHES {
        let what = dispatch.described();
        if !dispatch.is_here() {
            results.push((what, "left out: this processor lacks the instructions"));
            continue;
        }
        println!("\n{what}");
        let holds = suite(&|command| dispatch.apply(command, &library))?;
        results.push((what, if holds { "holds" } else { "FAILED" }));
    }
    println!("\nthe tests on other processors:");
    for (what, result) in &results {
        println!("  {what}: {result}");
    }
    Ok(results.iter().all(|(_, result)| *result != "FAILED"))
}

/// The shared library, compiled.
fn built(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root().join("target/processors");
    std::fs::create_dir_all(&folder).context("cannot create `target/processors`")?;
    let library = folder.join("libhide_features.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"]).arg(&library);
    if !succeeds(compiler.arg(workspace.root().join(SOURCE)))? {
        bail!("cannot compile `{SOURCE}`: see above");
    }
    Ok(library)
}

/// Asks a process, xtask itself, what it believes: a new version of Rust may keep its features elsewhere.
fn check_hiding(dispatch: &Dispatch, library: &Path) -> Result<()> {
    // Not by its name: the build of the workspace before this has put another xtask in its place.
    let mut probe = Command::new("/proc/self/exe");
    dispatch.apply(probe.arg("features"), library);
    let said = match captured(&mut probe)? {
        Ok(said) => said,
        Err(said) => bail!("cannot ask for features: {said}"),
    };
    let expected = believed(dispatch.rust >= Vectors::Avx2, dispatch.rust >= Vectors::Avx512);
    if said.trim() != expected {
        bail!(
            "cannot hide features from Rust's standard library: expected `{expected}`, found `{}`; see {SOURCE}",
            said.trim()
        );
    }
    Ok(())
}

/// What this process believes of the processor.
pub(crate) fn features() -> String {
    believed(
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        is_x86_feature_detected!("avx512f") || is_x86_feature_detected!("avx512bw"),
    )
}

fn believed(avx2: bool, avx512: bool) -> String {
    format!("avx2 {avx2}, avx512 {avx512}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_meets_every_width_of_vectors() {
        for vectors in [Vectors::Baseline, Vectors::Avx2, Vectors::Avx512] {
            for convolutions in ["tiles", "library"] {
                let meets = |dispatch: &&Dispatch| {
                    (dispatch.libtorch, dispatch.rust) == (vectors, vectors)
                        && dispatch.convolutions == convolutions
                };
                assert_eq!(DISPATCHES.iter().filter(meets).count(), 1, "{vectors:?} {convolutions}");
            }
        }
    }

    #[test]
    fn a_process_without_hidden_features_believes_what_there_is() {
        assert_eq!(features(), believed(Vectors::Avx2.is_here(), Vectors::Avx512.is_here()));
    }
}
