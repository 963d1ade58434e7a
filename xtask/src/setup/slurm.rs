//! Slurm from the system's packages.

use std::path::Path;

use super::apt::SystemLibrary;

/// For the tests of parts under a scheduler.
pub(super) const SLURM: SystemLibrary = SystemLibrary {
    title: "Slurm",
    packages: &["slurmctld", "slurmd", "slurm-client", "munge"],
    is_installed,
};

/// Where Debian puts what a cluster of one machine needs.
const PROGRAMS: [&str; 4] =
    ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch", "/usr/sbin/munged"];

/// Whether a cluster can be started on this machine.
pub(crate) fn is_installed() -> bool {
    PROGRAMS.iter().all(|program| Path::new(program).exists())
}
