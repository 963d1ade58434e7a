//! A folder of its own for each command-line test, and the tools' binaries to run in it.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// A temporary folder, removed when dropped, in which commands run.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit status, or 128 + signal for a killed process.
    pub status: i32,
    /// Everything on stdout, the sandbox's path written as `[FOLDER]`.
    pub stdout: String,
    /// Everything on stderr, the sandbox's path written as `[FOLDER]`.
    pub stderr: String,
}

impl Sandbox {
    /// A new, empty folder.
    ///
    /// # Panics
    /// When the system gives no temporary folder.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    /// The folder's path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path inside the folder.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file inside the folder, with the folders above it; returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("folders of the sandbox");
        }
        fs::write(&path, bytes).expect("a file of the sandbox");
        path
    }

    /// A command of the tool `binary` (`"pgprep"`), to be run in the folder: no colours, no backtrace,
    /// help wrapped at 100 columns, nothing on stdin.
    #[must_use]
    pub fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(built_binary(binary));
        command
            .current_dir(self.folder())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs `binary` with `arguments` in the folder and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, binary: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        let output = self.command(binary).args(arguments).output().expect("the tool starts");
        Finished::of(output, self.folder())
    }

    /// All files below `relative`, with their bytes, sorted by path: to compare two outputs.
    ///
    /// # Panics
    /// When a file cannot be read.
    #[must_use]
    pub fn contents(&self, relative: impl AsRef<Path>) -> Vec<(String, Vec<u8>)> {
        let root = self.path(relative);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the sandbox").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                    found.push((name, fs::read(&path).expect("a file of the sandbox")));
                }
            }
        }
        found.sort();
        found
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Finished {
    /// What a command left that ran in the sandbox at `folder`.
    #[must_use]
    pub fn of(output: Output, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&folder, "[FOLDER]");
        Self { status: code(output.status), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The same, after checking the exit status.
    ///
    /// # Panics
    /// When the status is another one, showing what the tool said.
    #[must_use = "or the output goes unseen"]
    #[track_caller]
    pub fn with_status(self, expected: i32) -> Self {
        assert_eq!(self.status, expected, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

#[cfg(unix)]
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(-1)
}

#[cfg(not(unix))]
fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// The path of a tool's binary, of the profile that the running test was built with.
///
/// Tests live in packages of their own, so Cargo does not build the binary for them: the first call in
/// a process runs `cargo build -p NAME` (quick when nothing changed), unless `PGKIT_BINARIES_BUILT` says
/// that the caller has built them all, as `cargo xtask test` does.
///
/// # Panics
/// When the test does not run from a Cargo target folder or the build fails.
#[must_use]
pub fn built_binary(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // target/<profile>/deps/<test>
    let test = env::current_exe().expect("the path of the running test");
    let profile_folder = test.ancestors().nth(2).expect("a test in target/<profile>/deps");
    let target = profile_folder.parent().expect("a target folder");
    let path = profile_folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.insert(name.to_owned()) && env::var_os("PGKIT_BINARIES_BUILT").is_none() {
        let profile = match profile_folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(other) => other,
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--package", name, "--profile", profile, "--target-dir"])
            .arg(target);
        // All tests run the same binary: some of them need object storage.
        if ["pgprep", "pgeval"].contains(&name) {
            build.args(["--features", "cloud"]);
        }
        let output = build.output().expect("cargo starts");
        assert!(
            output.status.success(),
            "cargo build -p {name} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    path
}
