//! A sandbox beside an S3 server, and the tools run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pg_testkit::sandbox::{Finished, Sandbox};
use tempfile::TempDir;

use crate::{ACCESS_KEY, S3Server, SECRET_KEY};

/// A server with the bucket `data`, and a folder for what is on disk.
#[derive(Debug)]
pub struct Store {
    /// What is on disk; `scratch/` is the tools' scratch folder.
    pub sandbox: Sandbox,
    /// The server.
    pub server: S3Server,
    _root: TempDir,
}

impl Store {
    /// A server with an empty bucket, and an empty folder.
    #[must_use]
    pub fn new() -> Self {
        let root = TempDir::new().expect("a temporary folder");
        let server = S3Server::start(root.path(), 0, Duration::ZERO);
        server.make_bucket("data");
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("scratch")).expect("a scratch folder");
        Self { sandbox, server, _root: root }
    }

    /// The same with `count` synthetic portraits in `in/`, on disk and in the bucket.
    #[must_use]
    pub fn with_portraits(count: u32) -> Self {
        let store = Self::new();
        let _ = store.run("pgprep", &format!("synth -o in --count {count} --seed 5 -q")).with_status(0);
        store.upload("in");
        store
    }

    /// Where the objects of the bucket lie.
    #[must_use]
    pub fn bucket(&self) -> PathBuf {
        self.server.root().join("data")
    }

    /// Copies a file or folder of the sandbox into the bucket.
    pub fn upload(&self, name: &str) {
        copy(&self.sandbox.path(name), &self.bucket().join(name));
    }

    /// The objects below `name`, with their bytes, sorted: to be compared with a folder's files.
    #[must_use]
    pub fn objects(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let folder = self.bucket().join(name);
        let mut found = Vec::new();
        collect(&folder, &folder, &mut found);
        found.sort();
        found
    }

    /// A command of the tool `binary` with the credentials of the server.
    #[must_use]
    pub fn command(&self, binary: &str, arguments: &str) -> Command {
        let mut command = self.sandbox.command(binary);
        command
            .args(arguments.split_whitespace())
            .env("AWS_ENDPOINT", self.server.endpoint())
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("PGKIT_RETRIES", "2")
            .env("TMPDIR", self.sandbox.path("scratch"));
        command
    }

    /// Runs the tool `binary` with arguments that hold no spaces.
    #[must_use]
    pub fn run(&self, binary: &str, arguments: &str) -> Finished {
        Finished::of(
            self.command(binary, arguments).output().expect("the tool starts"),
            self.sandbox.folder(),
        )
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder of the bucket");
        for entry in fs::read_dir(from).expect("a folder of the sandbox").flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("a file of the bucket");
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push((name, fs::read(&path).expect("a file of the bucket")));
        }
    }
}
