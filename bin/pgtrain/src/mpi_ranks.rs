//! MPI's processes as the ranks of a run.

mod tensor_addends;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pg_cli::{ExitStatus, Interrupt, Interrupted, StderrNotes};
use pg_mpi::MpiError;
use pg_training::{Ranks, RanksError, RunFolder, TrainingError};
use tch::{Device, Tensor};

use tensor_addends::TensorAddends;

/// A sum that takes longer has lost a rank. Other waits have no end: rank 0 may be scoring.
const LONGEST_SUM: Duration = Duration::from_mins(30);
/// Time for the others to answer after a signal, before the user is told. Launchers kill a second after they ask.
const PATIENCE: Duration = Duration::from_millis(300);
/// As long an aborted process waits to be ended by MPI.
const ABORT: Duration = Duration::from_secs(10);
/// The least rank may be the one that died: the next one speaks as well.
const SPEAKERS: usize = 2;

pub(crate) type World = pg_mpi::World<TensorAddends>;
type SharedWorld = Arc<Mutex<World>>;

pub(crate) fn locked(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn for_ever(_: Duration) -> bool {
    true
}

/// See [`Ranks`].
#[derive(Debug)]
pub(crate) struct MpiRanks {
    world: SharedWorld,
    rank: usize,
    count: usize,
    watch: Watch,
}

/// Looks for signals while others are waited for.
#[derive(Debug)]
struct Watch {
    speaks: bool,
    run: PathBuf,
    interrupt: Interrupt,
    signal_seen: Option<Instant>,
    told: bool,
    notes: StderrNotes,
}

impl Watch {
    fn look(&mut self) {
        if self.told || !self.interrupt.requested() {
            return;
        }
        if self.signal_seen.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            return;
        }
        self.told = true;
        if self.speaks {
            let snapshot = RunFolder::newest_snapshot(&self.run).ok().flatten();
            let snapshot = snapshot.map_or("not there yet".to_owned(), |s| s.folder().display().to_string());
            self.notes.warning(format_args!(
                "asked to stop, but not all ranks answer: if one of them died, the last snapshot is {snapshot}; go on with \
                 `pgtrain resume {}` under mpirun",
                self.run.display()
            ));
        }
    }
}

impl MpiRanks {
    pub(crate) fn new(world: &SharedWorld, run: &Path, interrupt: &Interrupt, notes: StderrNotes) -> Self {
        let (rank, count) = {
            let world = locked(world);
            (world.rank(), world.count())
        };
        let watch = Watch {
            speaks: rank < SPEAKERS,
            run: run.to_owned(),
            interrupt: interrupt.clone(),
            signal_seen: None,
            told: false,
            notes,
        };
        Self { world: Arc::clone(world), rank, count, watch }
    }
}

fn lost(_: MpiError) -> RanksError {
    RanksError::Lost
}

impl Ranks for MpiRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn start_sum(&mut self, numbers: Tensor) -> Result<(), RanksError> {
        let mut world = locked(&self.world);
        let own = match numbers.device() {
            Device::Cpu => numbers,
            Device::Cuda(gpu) if world.reaches_cuda_memory() => {
                // MPI knows nothing of the work that still computes them.
                tch::Cuda::synchronize(gpu as i64);
                numbers
            }
            _ => numbers.f_to_device(Device::Cpu)?,
        };
        world.start_sum(TensorAddends::new(own)?).map_err(lost)
    }

    fn finish_sum(&mut self) -> Result<Tensor, RanksError> {
        let watch = &mut self.watch;
        let mut goes_on = |waited: Duration| {
            watch.look();
            waited < LONGEST_SUM
        };
        locked(&self.world).finish_sum(&mut goes_on).map(TensorAddends::into_sum).map_err(lost)
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        let watch = &mut self.watch;
        let mut goes_on = |_: Duration| {
            watch.look();
            true
        };
        locked(&self.world).gather(bytes, &mut goes_on).map_err(lost)
    }
}

/// The place of this process among those of its machine that see the same GPUs: schedulers may give each its own.
pub(crate) fn place_among_same_gpus(world: &SharedWorld) -> anyhow::Result<usize> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let (places, own) = places_of_all(world, &visible)?;
    Ok(places[..own].iter().filter(|place| **place == places[own]).count())
}

/// The machine of each process with what it says of itself, and which of them this one is.
fn places_of_all(world: &SharedWorld, what: &str) -> anyhow::Result<(Vec<Vec<u8>>, usize)> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut world = locked(world);
    let places = world.gather(format!("{host} {what}").as_bytes(), &mut for_ever)?;
    Ok((places, world.rank()))
}

/// The cores that this process may use, divided by the processes of the machine that may use the same.
pub(crate) fn part_of_cores(world: &SharedWorld, cores: usize, notes: StderrNotes) -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap_or_default();
    let (places, own) = places_of_all(world, allowed)?;
    let sharing = places.iter().filter(|place| **place == places[own]).count();
    let there = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let there = there.lines().filter(|line| line.starts_with("processor")).count();
    let local = locked(world).local_count();
    if cores * local < there && locked(world).rank() == 0 {
        notes.note(format_args!(
            "each rank is bound to {cores} of {there} cores: mpirun --bind-to none, or --map-by slot:PE=N, gives it more"
        ));
    }
    Ok((cores / sharing).max(1))
}

/// The highest signal that came to any process.
pub(crate) fn signal_of_any(world: &SharedWorld, own: Option<i32>) -> anyhow::Result<Option<i32>> {
    let all = locked(world).gather(&own.unwrap_or(0).to_le_bytes(), &mut for_ever)?;
    let signals = all.iter().filter_map(|bytes| bytes.as_slice().try_into().ok().map(i32::from_le_bytes));
    Ok(signals.max().filter(|&signal| signal != 0))
}

/// See [`crate::launch::Launch::agree`].
pub(crate) fn agree<T>(
    world: &SharedWorld,
    result: anyhow::Result<T>,
) -> anyhow::Result<Result<T, ExitStatus>> {
    let own = result.as_ref().err().map(|error| vec![pg_cli::status_of(error).code()]);
    let all = locked(world).gather(&own.unwrap_or_default(), &mut for_ever)?;
    let Some(first) = all.iter().position(|status| !status.is_empty()) else { return result.map(Ok) };
    if let Err(error) = &result
        && first == locked(world).rank()
    {
        pg_cli::report(error);
    }
    Ok(Err(if all[first] == [1] { ExitStatus::SomeFailed } else { ExitStatus::CouldNotRun }))
}

/// See [`crate::launch::Launch::end`].
pub(crate) fn end_with(world: &SharedWorld, error: &anyhow::Error) -> ExitStatus {
    let status = pg_cli::status_of(error);
    let rank = locked(world).rank();
    if is_shared(error) {
        if rank == 0 {
            pg_cli::report(error);
        }
        return status;
    }
    pg_cli::report(&anyhow::anyhow!("rank {rank}: {error:#}"));
    locked(world).abort_handle().abort(i32::from(status.code()));
    std::thread::sleep(ABORT);
    std::process::exit(i32::from(status.code()))
}

/// Whether all ranks have this error.
fn is_shared(error: &anyhow::Error) -> bool {
    let training = error.downcast_ref::<TrainingError>();
    let agreed = |error: &TrainingError| {
        matches!(
            error,
            TrainingError::RanksDiffer { .. }
                | TrainingError::Settings(_)
                | TrainingError::Ranks(RanksError::OtherRank { .. })
        )
    };
    // Losses are means over ranks: all of them diverge.
    error.is::<Interrupted>() || error.is::<pg_cli::WorkFailed>() || training.is_some_and(agreed)
}
