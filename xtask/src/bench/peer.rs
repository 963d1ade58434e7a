//! Python with the packages of a peer, in an environment of its own below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::silent;
use crate::workspace::Workspace;

/// What the peer of pgprep runs on.
const PACKAGES: [&str; 3] = ["numpy==2.4.6", "scipy==1.17.1", "pillow==13.0.0"];

/// An installed peer.
pub(super) struct Peer {
    python: PathBuf,
    script: PathBuf,
}

impl Peer {
    /// Makes the environment on first use; it needs python3 with venv and pip, and a package index.
    pub(super) fn install(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let venv = folder.join("venv");
        let python = venv.join("bin/python");
        let script = workspace.root().join("benches/prep_peer.py");
        let has_packages = |python: &Path| -> Result<bool> {
            Ok(silent(Command::new(python).args(["-c", "import numpy, scipy, PIL"]))?.is_ok())
        };
        if !python.exists() || !has_packages(&python)? {
            println!("installing {} into {}", PACKAGES.join(" "), venv.display());
            for command in [
                Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
                Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES),
            ] {
                if let Err(said) = silent(command)? {
                    bail!("could not install the peer (--no-peer leaves it out):\n{said}");
                }
            }
        }
        Ok(Self { python, script })
    }

    /// The script with `arguments`.
    pub(super) fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.current_dir(folder).arg(&self.script).args(arguments);
        command
    }

    /// What it runs on.
    pub(super) fn packages() -> String {
        PACKAGES.join(", ").replace("==", " ")
    }
}
