//! Libraries out of the system's packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// What setup installs of the system.
pub(super) struct SystemLibrary {
    pub(super) title: &'static str,
    /// Debian's names.
    pub(super) packages: &'static [&'static str],
    pub(super) is_installed: fn() -> bool,
}

impl SystemLibrary {
    /// Installs it, unless it is there.
    pub(super) fn install(&self, dry_run: bool) -> Result<()> {
        let title = self.title;
        if (self.is_installed)() {
            println!("{title}: is there");
            return Ok(());
        }
        let packages = self.packages.join(" ");
        if dry_run {
            println!("dry run: apt-get install {packages}");
            return Ok(());
        }
        // A machine that was never updated knows no packages.
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            process::silent(command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
        };
        let install = [&["install", "--yes", "--no-install-recommends"], self.packages].concat();
        let mut done = apt(&install)?;
        if done.is_err() {
            let _ = apt(&["update"])?;
            done = apt(&install)?;
        }
        if let Err(said) = done {
            bail!(
                "could not install {title}; as root, `apt-get install {packages}` does it on Debian:\n{said}"
            );
        }
        println!("{title}: installed ({packages})");
        Ok(())
    }
}
