//! One exit status and one error report for all three tools.

use std::io;
use std::process::ExitCode;

use crate::Interrupted;
use crate::disk_room::{FullDisk, is_of_full_disk};
use crate::terminal_text::lines_for_terminal;

/// What a tool's process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: all done.
    Done,
    /// 1: it ran, but an input failed or a check did not hold.
    SomeFailed,
    /// 2: it could not run: bad flags, missing file, missing library.
    CouldNotRun,
    /// 128 + signal: interrupted by Ctrl-C (130), SIGTERM (143) or SIGHUP (129) after finishing what was in hand.
    Interrupted(i32),
}

impl ExitStatus {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::CouldNotRun => 2,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status.code())
    }
}

/// The error of a command that did run, and whose work failed: exit status 1 instead of 2.
#[derive(Debug)]
pub struct WorkFailed(pub String);

impl std::fmt::Display for WorkFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WorkFailed {}

/// Turns the result of a command into the exit code, reporting an error on stderr.
///
/// A closed pipe on stdout (`pgeval … | head`) counts as done; [`Interrupted`] gives 128 + signal,
/// [`WorkFailed`] 1; every other error is "could not run".
#[must_use]
pub fn run_to_exit(result: anyhow::Result<ExitStatus>) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(error) if is_broken_pipe(&error) => ExitStatus::Done.into(),
        Err(error) => {
            report(&error);
            status_of(&error).into()
        }
    }
}

/// The exit status that `error` stands for, as [`run_to_exit`] has it.
#[must_use]
pub fn status_of(error: &anyhow::Error) -> ExitStatus {
    match error.downcast_ref::<Interrupted>() {
        Some(interrupted) => ExitStatus::Interrupted(interrupted.signal),
        None if error.is::<WorkFailed>() => ExitStatus::SomeFailed,
        None => ExitStatus::CouldNotRun,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// Prints an error with its causes on stderr, for a process that does not end with [`run_to_exit`].
#[expect(clippy::print_stderr, reason = "the one place that reports an error")]
pub fn report(error: &anyhow::Error) {
    eprintln!("error: {}", lines_for_terminal(&error.to_string()));
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // thiserror's `transparent` and context chains may repeat a text: say each once.
        if !said.contains(&text) {
            eprintln!("  caused by: {}", lines_for_terminal(&text));
        }
        said = text;
    }
    if is_of_full_disk(error) && !error.is::<FullDisk>() {
        eprintln!("  no room is left there: free some, and run the command again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn codes_follow_the_contract() {
        assert_eq!(ExitStatus::Done.code(), 0);
        assert_eq!(ExitStatus::SomeFailed.code(), 1);
        assert_eq!(ExitStatus::CouldNotRun.code(), 2);
        assert_eq!(ExitStatus::Interrupted(2).code(), 130);
        assert_eq!(ExitStatus::Interrupted(15).code(), 143);
    }

    #[test]
    fn a_broken_pipe_anywhere_in_the_chain_is_recognised() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("write the result");
        assert!(is_broken_pipe(&error.unwrap_err()));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe in name only")));
    }
}
