//! Results on stdout, notes and warnings on stderr: the only printing in the tools.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::shown;
use crate::terminal_text::{line_for_terminal, lines_for_terminal};

/// The results of a command, on stdout.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output;

impl Output {
    /// Prints one line of text.
    ///
    /// # Errors
    /// Write errors; a broken pipe ends the tool quietly.
    pub fn line(self, text: impl Display) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", lines_for_terminal(&text.to_string()))
    }

    /// Prints exactly one JSON object, indented, with a final newline.
    ///
    /// # Errors
    /// Write errors, or a value that JSON cannot hold.
    pub fn json(self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        io::stdout().lock().write_all(shown(&text).as_bytes())
    }
}

/// Notes and warnings on stderr, one line each. Errors in writing them are ignored: a closed stderr
/// must not fail the work.
#[derive(Debug, Clone, Copy)]
pub struct StderrNotes {
    quiet: bool,
}

impl StderrNotes {
    /// With `quiet`, notes are dropped and warnings stay.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Something the user may like to know.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", lines_for_terminal(&text.to_string()));
        }
    }

    /// Something that may be wrong; shown under `--quiet` too.
    pub fn warning(self, text: impl Display) {
        let _ = writeln!(io::stderr().lock(), "warning: {}", line_for_terminal(&text.to_string()));
    }
}
