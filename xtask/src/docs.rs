//! `cargo xtask docs`: the API documentation and the guide.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process::{self, Verdict};
use crate::setup;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out the crates that need libtorch, and so setup
    #[arg(long)]
    without_torch: bool,
}

/// Runs `cargo xtask docs`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let mut command = workspace.cargo();
    command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    if !arguments.without_torch {
        setup::ensure(workspace)?;
        command.arg("--workspace");
    }
    if !process::succeeds(&mut command)? {
        return Ok(Verdict::Bad);
    }
    if !mdbook_is_there() {
        println!(
            "guide: skipped, mdbook is not installed (cargo install --locked mdbook); its pages are docs/guide/src"
        );
        return Ok(Verdict::Good);
    }
    let built =
        process::succeeds(Command::new("mdbook").arg("build").arg(workspace.root().join("docs/guide")))?;
    if built {
        println!("guide: {}", workspace.root().join("target/guide/index.html").display());
    }
    Ok(Verdict::from(built))
}

fn mdbook_is_there() -> bool {
    Command::new("mdbook")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
