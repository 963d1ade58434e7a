//! `cargo xtask test`: documentation examples, then all tests; the runner's own summary comes last.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{self, Verdict};
use crate::processors;
use crate::setup;
use crate::workspace::Workspace;

/// The tests run binaries that reach object storage; they are the same for all.
const CLOUD: &str = "pgprep/cloud,pgeval/cloud";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the tests once for each kind of x86-64 processor that this one can stand for: libtorch and our own code
    /// without vectors, with AVX2, with AVX-512; convolutions in tiles and by libtorch
    #[arg(long)]
    processors: bool,

    /// Passed on to the test runner: a filter, `-p <crate>`, …; only what they name is run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    passed_on: Vec<OsString>,
}

/// Runs `cargo xtask test`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let native = setup::ensure(workspace)?;
    let cargo = |start: &[&str]| {
        let mut command = workspace.cargo();
        command.args(start);
        native.apply(&mut command);
        command
    };
    let everything = arguments.passed_on.is_empty();

    let with_mpi = everything && setup::mpi::is_installed();
    if with_mpi {
        if !build_with_mpi(workspace, &cargo)? {
            return Ok(Verdict::Bad);
        }
    } else if everything {
        println!("training on several processes is not tested: no Open MPI (cargo xtask setup --mpi)");
    }
    // The tests of the tools run the binaries, which cargo does not build for another package's tests.
    // Built here once; with arguments (another profile?) each test sees to its own.
    let build = ["build", "--workspace", "--bins", "--features", CLOUD];
    if everything && !process::succeeds(&mut cargo(&build))? {
        return Ok(Verdict::Bad);
    }
    // Both are tried whatever the first says, and this one first: the summary of the tests is the end.
    // With the features of the build before, or the libraries were built again.
    let examples = ["test", "--quiet", "--doc", "--workspace", "--features", CLOUD];
    let examples_hold = !everything || process::succeeds(&mut cargo(&examples))?;
    let variants_hold = !everything || variants_hold(&cargo)?;
    let with_slurm = everything && setup::slurm::is_installed();
    if everything && !with_slurm {
        println!("parts under Slurm are not tested: no Slurm (cargo xtask setup --slurm)");
    }
    let mut features = vec![CLOUD];
    features.extend(with_slurm.then_some("tests-pgprep/slurm"));
    features.extend(with_mpi.then_some("tests-pgtrain/mpi"));
    features.extend((with_mpi && with_slurm).then_some("tests-pgtrain/slurm"));
    let features = features.join(",");
    let mut command = if process::cargo_has("nextest") {
        let mut command = cargo(&["nextest", "run"]);
        if !names_packages(&arguments.passed_on) {
            command.args(["--workspace", "--features", &features]);
        }
        command.args(["--run-ignored", "all", "--no-tests", "fail"]).args(&arguments.passed_on);
        command
    } else {
        // Below cargo's own runner a filter comes before `--`, and no test found is no failure.
        let mut command = cargo(&["test", "--tests"]);
        if !names_packages(&arguments.passed_on) {
            command.args(["--workspace", "--features", &features]);
        }
        command.args(&arguments.passed_on);
        if !arguments.passed_on.iter().any(|argument| argument == "--") {
            command.arg("--");
        }
        command.arg("--include-ignored");
        command
    };
    if everything {
        command.env("PGKIT_BINARIES_BUILT", "1");
    }
    let tests_hold = if arguments.processors {
        let suite = command;
        let run = |apply: &dyn Fn(&mut Command)| {
            let mut command = same_as(&suite);
            apply(&mut command);
            process::succeeds(&mut command)
        };
        processors::under_each(workspace, run)?
    } else {
        process::succeeds(&mut command)?
    };
    if !examples_hold {
        // After the summary, or it would be lost in a long log.
        eprintln!("error: examples in the documentation failed (see above)");
    }
    if !variants_hold {
        eprintln!("error: the tests without object storage or with LAPACK failed (see above)");
    }
    Ok(Verdict::from(examples_hold && variants_hold && tests_hold))
}

/// What other features change: URLs in a build without object storage, and eigenvalues by LAPACK. Both in one build, as
/// every choice of features builds most of what is shared again.
fn variants_hold(cargo: &impl Fn(&[&str]) -> Command) -> Result<bool> {
    let mut arguments =
        vec!["test", "--quiet", "--lib", "--bins", "-p", "pg-cloud", "-p", "pgprep", "-p", "pgeval"];
    let with_lapack = setup::lapack::is_installed();
    if with_lapack {
        arguments.extend(["-p", "pg-metrics", "--features", "pg-metrics/lapack"]);
    }
    println!(
        "URLs in a build without object storage{}",
        if with_lapack { ", eigenvalues by LAPACK" } else { "" }
    );
    arguments.extend(["--", "url", "trace_of_root"]);
    process::succeeds(&mut cargo(&arguments))
}

/// Builds pgtrain with MPI and puts it beside the one without, as `pgtrain-mpi`.
fn build_with_mpi(workspace: &Workspace, cargo: &impl Fn(&[&str]) -> Command) -> Result<bool> {
    // Of the whole workspace, as the next build: chosen alone, packages have other features, and all is built twice.
    let features = format!("{CLOUD},pgtrain/mpi");
    if !process::succeeds(&mut cargo(&["build", "--workspace", "--bins", "--features", &features]))? {
        return Ok(false);
    }
    let folder = workspace.debug_binaries();
    let (built, kept) = (folder.join("pgtrain"), folder.join("pgtrain-mpi"));
    std::fs::copy(&built, &kept)
        .with_context(|| format!("could not copy {} to {}", built.display(), kept.display()))?;
    Ok(true)
}

/// The same command again.
fn same_as(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

/// Whether the user chose packages, so that `--workspace` must not widen the choice.
fn names_packages(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        text == "--package" || text.starts_with("--package=") || text.starts_with("-p")
    })
}

#[cfg(test)]
mod tests {
    use super::names_packages;

    #[test]
    fn a_choice_of_packages_is_noticed() {
        assert!(names_packages(&["-p".into(), "pg-align".into()]));
        assert!(names_packages(&["-ppg-align".into()]));
        assert!(names_packages(&["--package=pg-align".into()]));
        assert!(!names_packages(&["quad".into(), "--no-capture".into()]));
    }
}
