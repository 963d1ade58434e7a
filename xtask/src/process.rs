//! Running child processes: streamed to the terminal, or captured and shown only when they fail.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// What a command of xtask ends with when it could run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exit status 0.
    Good,
    /// Exit status 1: it ran, and something did not hold.
    Bad,
}

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

/// Runs `command` with this process's own stdout and stderr; true when it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("could not start {}", spelled(command)))?;
    Ok(status.success())
}

/// Runs `command` quietly. On a terminal its stderr stays visible (cargo's progress bar); otherwise
/// both streams are kept. `Err(text)` holds what it printed when it failed.
pub(crate) fn captured(command: &mut Command) -> Result<Result<String, String>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(if std::io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::piped() });
    finish(command)
}

/// Runs `command` with both streams kept, on a terminal too. `Err(text)` holds what it printed.
pub(crate) fn silent(command: &mut Command) -> Result<Result<String, String>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

fn finish(command: &mut Command) -> Result<Result<String, String>> {
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("could not start {}", spelled(command)))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Ok(stdout));
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&stdout);
    Ok(Err(said))
}

/// Whether `cargo <subcommand> --version` works, so that the subcommand is installed.
pub(crate) fn cargo_has(subcommand: &str) -> bool {
    Command::new(crate::workspace::cargo_program())
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn spelled(command: &Command) -> String {
    let mut text = format!("`{}", command.get_program().to_string_lossy());
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text.push('`');
    text
}
