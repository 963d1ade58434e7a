//! The processes of one launch, as one of them sees them.
//!
//! All calls into MPI come from one thread, which does what it is asked for in order: so the thread that computes goes
//! on while numbers travel, and MPI needs no support for several threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mpi::datatype::PartitionMut;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use thiserror::Error;

use crate::addends::{Addends, MemoryReach, sum_over};
use crate::polite_wait::wait_for_all;

/// How often a wait asks its caller whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Why processes cannot work together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MpiError {
    /// MPI was started in this process before.
    #[error("MPI cannot be started: it runs in this process already")]
    AlreadyStarted,
    /// The thread that talks to MPI is gone, or nobody answers any more.
    #[error("the other ranks do not answer")]
    Lost,
}

/// What the thread that owns MPI is asked for.
enum Request<A> {
    Sum(A),
    Gather(Vec<u8>),
    /// To look whether the process is to be aborted.
    Look,
    Finish,
}

/// Who this process is.
#[derive(Debug, Clone, Copy)]
struct Place {
    rank: usize,
    count: usize,
    local_count: usize,
    reach: MemoryReach,
}

/// All processes of the launch, which sum numbers that lie in an `A`. Dropped, it waits for the others to do the same; see [`AbortHandle`] for ends that
/// the others do not share.
#[derive(Debug)]
pub struct World<A> {
    place: Place,
    requests: Sender<Request<A>>,
    sums: Receiver<A>,
    gathered: Receiver<Vec<Vec<u8>>>,
    abort: AbortHandle<A>,
    thread: Option<JoinHandle<()>>,
}

/// Ends all processes at once, from any thread.
#[derive(Debug)]
pub struct AbortHandle<A> {
    status: Arc<AtomicI32>,
    requests: Sender<Request<A>>,
}

impl<A> Clone for AbortHandle<A> {
    fn clone(&self) -> Self {
        Self { status: Arc::clone(&self.status), requests: self.requests.clone() }
    }
}

/// No abort asked for: exit statuses are 0 and more.
const NONE: i32 = -1;

impl<A> AbortHandle<A> {
    /// Ends all processes with exit status `status` as soon as MPI can, this one included.
    pub fn abort(&self, status: i32) {
        self.status.store(status, Ordering::SeqCst);
        // Wakes the thread where it has nothing to do; gone, it has nothing left to abort.
        let _ = self.requests.send(Request::Look);
    }

    fn asked_for(&self) -> Option<i32> {
        Some(self.status.load(Ordering::SeqCst)).filter(|&status| status != NONE)
    }
}

impl<A: Addends> World<A> {
    /// Starts MPI; to be called once in a process, by all processes of the launch.
    ///
    /// # Errors
    /// [`MpiError::AlreadyStarted`].
    pub fn start() -> Result<Self, MpiError> {
        let (requests, inbox) = channel();
        let (sum_sender, sums) = channel();
        let (gather_sender, gathered) = channel();
        let (place_sender, places) = channel();
        let abort = AbortHandle { status: Arc::new(AtomicI32::new(NONE)), requests: requests.clone() };
        let watched = abort.clone();
        let thread = std::thread::spawn(move || {
            let Some((universe, _)) = mpi::initialize_with_threading(mpi::Threading::Funneled) else {
                return;
            };
            let world = universe.world();
            let local = world.split_shared(0);
            let (rank, count, local_count) =
                (world.rank() as usize, world.size() as usize, local.size() as usize);
            drop(local);
            let reach = MemoryReach::of_library();
            if place_sender.send(Place { rank, count, local_count, reach }).is_err() {
                return;
            }
            serve(&world, &inbox, &sum_sender, &gather_sender, &watched);
        });
        let place = places.recv().map_err(|_| MpiError::AlreadyStarted)?;
        Ok(Self { place, requests, sums, gathered, abort, thread: Some(thread) })
    }

    /// This process among all, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.place.rank
    }

    /// Number of processes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.place.count
    }

    /// Number of processes on its machine.
    #[must_use]
    pub fn local_count(&self) -> usize {
        self.place.local_count
    }

    /// Whether the MPI in use says that it reads and writes CUDA memory.
    #[must_use]
    pub fn reaches_cuda_memory(&self) -> bool {
        self.place.reach == MemoryReach::HostAndCuda
    }

    /// A way to end all processes from elsewhere.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle<A> {
        self.abort.clone()
    }

    /// Starts to sum `addends` over all processes, element by element, and returns at once. All processes start the
    /// same sums and gatherings, in the same order and of the same lengths.
    ///
    /// # Errors
    /// [`MpiError::Lost`].
    pub fn start_sum(&mut self, addends: A) -> Result<(), MpiError> {
        self.requests.send(Request::Sum(addends)).map_err(|_| MpiError::Lost)
    }

    /// The oldest sum that was started and not taken yet. `goes_on` is asked now and then, with the time waited.
    ///
    /// # Errors
    /// [`MpiError::Lost`], also when `goes_on` says no.
    pub fn finish_sum(&mut self, goes_on: &mut dyn FnMut(Duration) -> bool) -> Result<A, MpiError> {
        answer(&self.sums, goes_on)
    }

    /// What every process gives, of any length, in the order of their ranks. `goes_on` as for [`Self::finish_sum`].
    ///
    /// # Errors
    /// [`MpiError::Lost`], also when `goes_on` says no.
    pub fn gather(
        &mut self,
        bytes: &[u8],
        goes_on: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Vec<Vec<u8>>, MpiError> {
        self.requests.send(Request::Gather(bytes.to_vec())).map_err(|_| MpiError::Lost)?;
        answer(&self.gathered, goes_on)
    }
}

impl<A> Drop for World<A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The others would wait for ever.
            self.abort.abort(2);
        }
        let _ = self.requests.send(Request::Finish);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer<T>(answers: &Receiver<T>, goes_on: &mut dyn FnMut(Duration) -> bool) -> Result<T, MpiError> {
    let started = Instant::now();
    loop {
        match answers.recv_timeout(LOOK) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) if goes_on(started.elapsed()) => {}
            Err(_) => return Err(MpiError::Lost),
        }
    }
}

/// The life of the thread that owns MPI.
fn serve<A: Addends>(
    world: &SimpleCommunicator,
    inbox: &Receiver<Request<A>>,
    sums: &Sender<A>,
    gathered: &Sender<Vec<Vec<u8>>>,
    abort: &AbortHandle<A>,
) {
    for request in inbox {
        let must_end = || abort.asked_for().is_some();
        let goes_on = match request {
            Request::Finish => false,
            Request::Look => !must_end(),
            Request::Sum(mut addends) => {
                wait_for_all(world, must_end) && {
                    sum_over(world, &mut addends);
                    sums.send(addends).is_ok()
                }
            }
            Request::Gather(bytes) => {
                wait_for_all(world, must_end) && gathered.send(gather_all(world, &bytes)).is_ok()
            }
        };
        if !goes_on {
            break;
        }
    }
    if let Some(status) = abort.asked_for() {
        world.abort(status);
    }
}

fn gather_all(world: &SimpleCommunicator, bytes: &[u8]) -> Vec<Vec<u8>> {
    let count = world.size() as usize;
    let mut lengths = vec![0_i32; count];
    world.all_gather_into(&(bytes.len() as i32), &mut lengths[..]);
    let starts: Vec<i32> =
        lengths.iter().scan(0, |end, &length| Some(std::mem::replace(end, *end + length))).collect();
    let mut all = vec![0_u8; lengths.iter().map(|&length| length as usize).sum()];
    // An empty vector of bytes points to address 1, and so does MPI_IN_PLACE of Open MPI.
    let bytes = if bytes.is_empty() { &[0][..0] } else { bytes };
    if !all.is_empty() {
        let mut parts = PartitionMut::new(&mut all[..], &lengths[..], &starts[..]);
        world.all_gather_varcount_into(bytes, &mut parts);
    }
    let part = |(&start, &length): (&i32, &i32)| all[start as usize..(start + length) as usize].to_vec();
    starts.iter().zip(&lengths).map(part).collect()
}
