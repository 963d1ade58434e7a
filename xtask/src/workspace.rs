//! Where the workspace lies, and how its cargo is called.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The checked out workspace.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace this xtask was built in.
    pub(crate) fn locate() -> Result<Self> {
        // Cargo sets the variable when it runs us; without cargo the place at compile time holds.
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().context("xtask lies in no workspace")?.to_owned();
        Ok(Self { root })
    }

    /// The folder of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `setup` puts the native libraries.
    pub(crate) fn deps_dir(&self) -> PathBuf {
        self.root.join(".deps")
    }

    /// Where cargo puts release binaries.
    pub(crate) fn release_binaries(&self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        crate::demo::release_folder(&self.root, target.as_deref())
    }

    /// Where cargo puts binaries of the profile `dev`.
    pub(crate) fn debug_binaries(&self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        self.root.join(target).join("debug")
    }

    /// Cargo, to be run in the root, as if the user had typed it there.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root);
        // What `cargo run` adds for xtask itself must not reach other packages' build scripts, or
        // they would be compiled again each time the user changes between cargo and cargo xtask.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        if env::var_os("LIBTORCH").is_some_and(|value| Path::new(&value) == self.default_libtorch()) {
            command.env_remove("LIBTORCH");
        }
        command
    }

    /// The value `.cargo/config.toml` gives `LIBTORCH` when the user gives none.
    pub(crate) fn default_libtorch(&self) -> PathBuf {
        self.deps_dir().join("libtorch")
    }
}

/// The cargo that runs this xtask, or the one on the path.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
