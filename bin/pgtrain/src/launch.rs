//! Whether this process is alone or one of several of an MPI launch, and how several end together.

use std::path::Path;
#[cfg(feature = "mpi")]
use std::sync::{Arc, Mutex};

use anyhow::bail;
use pg_cli::{CommonArgs, ExitStatus, Interrupt, StderrNotes};
use pg_training::{Ranks, SingleRank};

#[cfg(feature = "mpi")]
use crate::mpi_ranks::{self, MpiRanks, World};

/// Number of processes that a launcher started, by what it says in the environment.
///
/// Only what a launcher of MPI sets counts: in a batch job Slurm's own variables are there for single programs too.
fn launched(variable: impl Fn(&str) -> Option<String>) -> usize {
    let number = |name| variable(name).and_then(|text| text.parse::<usize>().ok());
    let under_pmix = variable("PMIX_RANK").and_then(|_| number("SLURM_STEP_NUM_TASKS"));
    number("OMPI_COMM_WORLD_SIZE").or_else(|| number("PMI_SIZE")).or(under_pmix).unwrap_or(1)
}

fn launched_here() -> usize {
    launched(|name| std::env::var(name).ok())
}

/// For commands that one process does.
pub(crate) fn refuse_several() -> anyhow::Result<()> {
    let count = launched_here();
    if count > 1 {
        bail!(
            "started as {count} processes: only `pgtrain run` and `pgtrain resume` work in several; start it without mpirun"
        );
    }
    Ok(())
}

/// This process among those of the run.
#[derive(Debug)]
pub(crate) struct Launch {
    #[cfg(feature = "mpi")]
    world: Option<Arc<Mutex<World>>>,
}

#[cfg_attr(
    not(feature = "mpi"),
    expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "with MPI they fail, and ask the world")
)]
impl Launch {
    /// Starts MPI where a launcher started several processes.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let count = launched_here();
        #[cfg(feature = "mpi")]
        {
            if count == 1 {
                return Ok(Self { world: None });
            }
            let world = World::start()?;
            if world.count() != count {
                bail!(
                    "the launcher started {count} processes, but MPI knows {}: expected the launcher of the MPI that \
                     pgtrain was built with (`mpirun` of Open MPI, or `srun --mpi=pmix`)",
                    world.count()
                );
            }
            Ok(Self { world: Some(Arc::new(Mutex::new(world))) })
        }
        #[cfg(not(feature = "mpi"))]
        {
            if count > 1 {
                bail!(
                    "started as {count} processes, but this pgtrain was built without MPI: build it with \
                     `cargo build --release -p pgtrain --features mpi`, or start it without mpirun"
                );
            }
            Ok(Self {})
        }
    }

    /// Whether this process speaks for all.
    pub(crate) fn is_first(&self) -> bool {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return mpi_ranks::locked(world).rank() == 0;
        }
        true
    }

    /// The GPU that is this process's, of those it sees.
    pub(crate) fn gpu(&self) -> anyhow::Result<usize> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return mpi_ranks::place_among_same_gpus(world);
        }
        Ok(0)
    }

    /// Number of processes on this machine, this one among them.
    pub(crate) fn ranks_here(&self) -> usize {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return mpi_ranks::locked(world).local_count();
        }
        1
    }

    /// Threads for this process: those asked for, or its part of the cores.
    pub(crate) fn threads(&self, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<usize> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            let is_flag = |argument: String| argument == "--threads" || argument.starts_with("--threads=");
            if !std::env::args().any(is_flag) {
                return mpi_ranks::part_of_cores(world, common.threads, notes);
            }
        }
        let _ = (self, notes);
        Ok(common.threads)
    }

    /// The ranks of the run in `run`, as its loop sees them.
    pub(crate) fn ranks(&self, run: &Path, interrupt: &Interrupt, notes: StderrNotes) -> Box<dyn Ranks> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return Box::new(MpiRanks::new(world, run, interrupt, notes));
        }
        let _ = (self, run, interrupt, notes);
        Box::new(SingleRank::default())
    }

    /// The signal that stopped the run, whichever process it came to.
    pub(crate) fn signal(&self, interrupt: &Interrupt) -> anyhow::Result<Option<i32>> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return mpi_ranks::signal_of_any(world, interrupt.signal());
        }
        Ok(interrupt.signal())
    }

    /// `result`, unless a process failed: then the first that did says why, and all end with its exit status, which is
    /// the inner error. All processes call it at the same point.
    pub(crate) fn agree<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<Result<T, ExitStatus>> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return mpi_ranks::agree(world, result);
        }
        result.map(Ok)
    }

    /// The exit status of `result`. An error that all processes have is told by the first one; one that is this
    /// process's own ends the others, who would wait for it.
    pub(crate) fn end(self, result: anyhow::Result<ExitStatus>) -> anyhow::Result<ExitStatus> {
        #[cfg(feature = "mpi")]
        if let (Some(world), Err(error)) = (&self.world, &result) {
            return Ok(mpi_ranks::end_with(world, error));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_launcher_of_mpi_sets_counts() {
        let of = |set: &[(&str, &str)]| {
            launched(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "2")]), 2);
        assert_eq!(of(&[("PMI_SIZE", "4"), ("PMI_RANK", "0")]), 4);
        assert_eq!(of(&[("PMIX_RANK", "0"), ("SLURM_STEP_NUM_TASKS", "8")]), 8);
        assert_eq!(of(&[("SLURM_NTASKS", "8"), ("SLURM_STEP_NUM_TASKS", "8")]), 1);
        assert_eq!(of(&[]), 1);
    }
}
