//! Processes that die at a chosen step of their work on files.

#![allow(clippy::expect_used, reason = "for tests, which fail by panicking")]

use std::process::Command;

use tempfile::TempDir;

const SOURCE: &str = include_str!("kill_at_step.c");

/// A shared library that kills the process that loads it just before a chosen step: a rename, a removal, a new folder,
/// a synced file, or something appended.
#[derive(Debug)]
pub struct KillPoints {
    folder: TempDir,
}

impl KillPoints {
    /// Compiles the library.
    ///
    /// # Panics
    /// Without a C compiler called `cc`.
    #[must_use]
    pub fn compile() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("kill_at_step.c");
        std::fs::write(&source, SOURCE).expect("the source is written");
        let library = folder.path().join("kill_at_step.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let status = compiler.arg(&library).arg(&source).status().expect("`cc` runs");
        assert!(status.success(), "cc: {status}");
        Self { folder }
    }

    /// Lets `command` die just before its `step`-th step, counted from 1, if it makes so many.
    pub fn kill_before<'a>(&self, command: &'a mut Command, step: u64) -> &'a mut Command {
        let mut libraries = self.folder.path().join("kill_at_step.so").into_os_string();
        // What is there already makes the process take the paths of another processor: it must not take those of this one.
        if let Some(others) = std::env::var_os("LD_PRELOAD") {
            libraries.push(":");
            libraries.push(others);
        }
        command.env("LD_PRELOAD", libraries).env("KILL_BEFORE_STEP", step.to_string())
    }
}
