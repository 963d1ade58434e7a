//! `cargo xtask check`: everything that can be known without running the tests, cheapest first.

mod crate_rules;
mod rust_tokens;
mod source_rules;
mod tracked_files;

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::process::{self, Verdict};
use crate::setup;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,
    /// Leave out all that needs libtorch, and so setup
    #[arg(long)]
    without_torch: bool,
}

/// How a step ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    /// Not run, and why.
    Skipped(String),
    /// What is wrong, for the user to read.
    Failed(String),
}

impl Outcome {
    /// Passed when there is nothing to complain about.
    fn of_complaints(complaints: &[String]) -> Self {
        if complaints.is_empty() { Self::Passed } else { Self::Failed(complaints.join("\n")) }
    }

    /// Passed when the command succeeded.
    fn of_command(command: &mut Command) -> Result<Self> {
        Ok(match process::captured(command)? {
            Ok(_) => Self::Passed,
            Err(said) => Self::Failed(said),
        })
    }
}

type Step = (&'static str, fn(&Workspace) -> Result<Outcome>);

const WITHOUT_TORCH: &[Step] = &[
    ("format", format),
    ("tracked files", tracked_files::check),
    ("crate dependencies", crate_rules::check),
    ("library sources", source_rules::check),
    ("licences, bans, sources", deny),
    ("security advisories", advisories),
];

/// In place of that of the whole workspace.
const CLIPPY_WITHOUT_TORCH: &[Step] = &[("clippy, default members", clippy_default)];

const WITH_TORCH: &[Step] = &[
    ("clippy, whole workspace", clippy_all),
    ("clippy, several processes", clippy_mpi),
    ("documentation", documentation),
];

/// Runs `cargo xtask check`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let mut runner = Runner { workspace, keep_going: arguments.keep_going, failed: Vec::new() };
    let mut goes_on = runner.run_all(WITHOUT_TORCH)?;
    if goes_on && arguments.without_torch {
        goes_on = runner.run_all(CLIPPY_WITHOUT_TORCH)?;
    } else if goes_on {
        setup::ensure(workspace)?;
        goes_on = runner.run_all(WITH_TORCH)?;
    }
    if runner.failed.is_empty() {
        println!("check: all held");
        return Ok(Verdict::Good);
    }
    let rest = if goes_on { "" } else { " (later steps were not run: --keep-going runs them)" };
    println!("check: failed in {}{rest}", runner.failed.join(", "));
    Ok(Verdict::Bad)
}

struct Runner<'w> {
    workspace: &'w Workspace,
    keep_going: bool,
    failed: Vec<&'static str>,
}

impl Runner<'_> {
    /// Runs the steps; false when it stopped early.
    fn run_all(&mut self, steps: &[Step]) -> Result<bool> {
        for (name, step) in steps {
            let start = Instant::now();
            let outcome = step(self.workspace)?;
            let seconds = start.elapsed().as_secs_f64();
            match outcome {
                Outcome::Passed => println!("ok       {name} ({seconds:.1} s)"),
                Outcome::Skipped(reason) => println!("skipped  {name}: {reason}"),
                Outcome::Failed(text) => {
                    println!("FAILED   {name} ({seconds:.1} s)");
                    for line in text.lines() {
                        println!("  {line}");
                    }
                    self.failed.push(name);
                    if !self.keep_going {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

fn format(workspace: &Workspace) -> Result<Outcome> {
    Outcome::of_command(workspace.cargo().args(["fmt", "--all", "--check", "--", "--color", "never"]))
}

fn clippy_default(workspace: &Workspace) -> Result<Outcome> {
    Outcome::of_command(workspace.cargo().args([
        "clippy",
        "--quiet",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn clippy_all(workspace: &Workspace) -> Result<Outcome> {
    Outcome::of_command(workspace.cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--features",
        "pgprep/cloud,pgeval/cloud",
        "--",
        "-D",
        "warnings",
    ]))
}

fn clippy_mpi(workspace: &Workspace) -> Result<Outcome> {
    if !setup::mpi::is_installed() {
        return Ok(Outcome::Skipped("no Open MPI (cargo xtask setup --mpi)".to_owned()));
    }
    let mut command = workspace.cargo();
    command.args([
        "clippy",
        "--quiet",
        "--all-targets",
        "-p",
        "pg-mpi",
        "-p",
        "pgtrain",
        "-p",
        "tests-pgtrain",
    ]);
    let features = "pg-mpi/mpi,pgtrain/mpi,tests-pgtrain/mpi,tests-pgtrain/slurm";
    Outcome::of_command(command.args(["--features", features, "--", "-D", "warnings"]))
}

fn documentation(workspace: &Workspace) -> Result<Outcome> {
    Outcome::of_command(
        workspace
            .cargo()
            .args(["doc", "--quiet", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn deny(workspace: &Workspace) -> Result<Outcome> {
    if !process::cargo_has("deny") {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed (cargo install --locked cargo-deny)".to_owned(),
        ));
    }
    Outcome::of_command(workspace.cargo().args([
        "deny",
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn advisories(workspace: &Workspace) -> Result<Outcome> {
    if !process::cargo_has("deny") {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    let fetched = process::silent(workspace.cargo().args(["deny", "--log-level", "error", "fetch", "db"]))?;
    if let Err(said) = fetched {
        // git says the cause in its own last words; cargo-deny's line before is long.
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let cause = lines.iter().rev().find(|line| line.starts_with("fatal:")).or(lines.first());
        let cause = cause.copied().unwrap_or("no reason given");
        return Ok(Outcome::Skipped(format!("the advisory database cannot be had ({cause})")));
    }
    let mut command = workspace.cargo();
    command.args(["deny", "--log-level", "error", "check", "advisories"]);
    Outcome::of_command(&mut command)
}
