//! Python with the packages of a peer, in an environment of its own below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::silent;
use crate::workspace::Workspace;

/// What a peer runs on, in an environment of that name.
#[derive(Debug)]
pub(super) struct Environment {
    name: &'static str,
    packages: &'static [&'static str],
}

/// Arrays, filters, pictures.
pub(super) const NUMERIC: Environment =
    Environment { name: "venv", packages: &["numpy==2.4.6", "scipy==1.17.1", "pillow==13.0.0"] };

/// PyTorch as the package index has it; 5 GB on disk.
pub(super) const TORCH: Environment = Environment {
    name: "train-venv",
    packages: &["torch==2.11.0", "numpy==2.4.6", "pillow==13.0.0", "webdataset==1.0.2"],
};

/// Fails unless every `name==version` of its arguments is installed: tables name these versions.
const HAS_VERSIONS: &str = "import importlib.metadata as m, sys; \
    sys.exit(any(m.version(n) != v for n, v in (a.split('==') for a in sys.argv[1:])))";

/// An installed peer.
pub(super) struct Peer {
    python: PathBuf,
    script: PathBuf,
}

impl Peer {
    /// Makes the environment on first use; it needs python3 with venv and pip, and a package index.
    /// `script` is a file of benches/.
    pub(super) fn install(
        workspace: &Workspace,
        folder: &Path,
        script: &str,
        environment: &Environment,
    ) -> Result<Self> {
        let venv = folder.join(environment.name);
        let python = venv.join("bin/python");
        let script = workspace.root().join("benches").join(script);
        let has_packages = |python: &Path| -> Result<bool> {
            Ok(silent(Command::new(python).args(["-c", HAS_VERSIONS]).args(environment.packages))?.is_ok())
        };
        if !python.exists() || !has_packages(&python)? {
            println!("installing {} into {}", environment.packages.join(" "), venv.display());
            for command in [
                Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
                Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(environment.packages),
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

    /// What it runs on: of all packages, those whose names are given.
    pub(super) fn packages(names: &[&str]) -> String {
        let used = |package: &&str| names.iter().any(|name| package.starts_with(name));
        NUMERIC.packages.iter().copied().filter(used).collect::<Vec<_>>().join(", ").replace("==", " ")
    }
}
