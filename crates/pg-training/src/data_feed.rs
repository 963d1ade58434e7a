//! Minibatches of reals, read ahead on threads of their own.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use multiversion::multiversion;
use pg_networks::{RowShare, images_from_bytes};
use pg_schedule::{Round, Rounds};
use pg_shard::{Dataset, Level, ShardError, epoch_order};
use tch::{Device, Kind, Tensor};

use crate::TrainingError;
use crate::random_streams::{Stream, uniform_numbers};

/// Threads that read, minibatch k in thread `k mod READERS`.
const READERS: usize = 2;
/// Minibatches that wait ready for the trainer, of each thread.
const READ_AHEAD: usize = 2;

/// Some reals at the level in force.
#[derive(Debug)]
pub struct Minibatch {
    /// Real images shown before this minibatch.
    pub images_shown: u64,
    /// `[N,C,R,R]`, mirrored where drawn so: u8 0..=255, or f32 in [-1, 1].
    pub images: Tensor,
    /// f32 `[N,L]`, where the dataset has labels.
    pub labels: Option<Tensor>,
}

/// The reals of a run from any round on, in order.
///
/// Image k of the run is image `k mod len` of an exact permutation of the dataset for epoch
/// `k / len`: every image once per epoch, whatever the minibatches, and a pure function of the seed.
/// Pixels are copied once, out of the mapped shard; their conversion to f32 is the pass that makes the
/// tensor.
#[derive(Debug)]
pub struct DataFeed {
    readers: Vec<Reader>,
    next: usize,
}

/// One reading thread.
#[derive(Debug)]
struct Reader {
    minibatches: Option<Receiver<Result<MinibatchBytes, ShardError>>>,
    /// Where used memory goes back to, so that fresh pages are not cleared for every minibatch.
    used: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

/// A minibatch that libtorch has not seen. A tensor made on a reading thread would start a second
/// pool of OpenMP threads there, and with more of them than cores none spins between kernels any more:
/// training of small networks slows down by a fifth.
#[derive(Debug)]
pub struct MinibatchBytes {
    /// Real images shown before this minibatch.
    pub images_shown: u64,
    /// `[N,C,R,R]`.
    pub shape: [i64; 4],
    /// 0..=255, mirrored where drawn so.
    pub bytes: Vec<u8>,
    /// `[N,L]`, where the dataset has labels.
    pub labels: Option<Vec<f32>>,
}

impl DataFeed {
    /// Starts to read for `rounds`; `resolutions_px` holds every resolution they visit. `share` says which images of a
    /// minibatch of so many are read.
    ///
    /// # Errors
    /// A resolution that the dataset lacks.
    pub fn start(
        dataset: &Dataset,
        rounds: &Rounds,
        resolutions_px: &[u32],
        seed: u64,
        mirror: bool,
        share: impl Fn(u32) -> RowShare + Clone + Send + 'static,
    ) -> Result<Self, TrainingError> {
        let mut levels = Vec::new();
        for &side in resolutions_px {
            levels.push(dataset.level_of_side(side)?);
        }
        let readers = (0..READERS)
            .map(|first| {
                let (sender, minibatches) = sync_channel(READ_AHEAD);
                let (used, back) = channel();
                let work = Work {
                    levels: levels.clone(),
                    labelled: dataset.label_names().is_some().then(|| dataset.clone()),
                    order: EpochOrder { seed, len: dataset.len() as u64, epoch: None, order: Vec::new() },
                    mirror,
                    share: Box::new(share.clone()),
                    back,
                };
                let rounds = rounds.clone();
                let thread = std::thread::spawn(move || work.run(rounds, first, &sender));
                Reader { minibatches: Some(minibatches), used: Some(used), thread: Some(thread) }
            })
            .collect();
        Ok(Self { readers, next: 0 })
    }

    /// The next minibatch for a trainer on `device`, as soon as it is there: f32 on the CPU, bytes for
    /// other devices.
    ///
    /// # Errors
    /// [`TrainingError::FeedStopped`] after the last round, or when the reading thread ended; an image of
    /// the dataset that is damaged.
    pub fn next_minibatch(&mut self, device: Device) -> Result<Minibatch, TrainingError> {
        let pixels = self.next_bytes()?;
        let images = if device == Device::Cpu {
            images_from_bytes(&pixels.bytes, pixels.shape)?
        } else {
            Tensor::f_from_data_size(&pixels.bytes, &pixels.shape, Kind::Uint8)?
        };
        let labels = match &pixels.labels {
            Some(labels) => Some(Tensor::f_from_slice(labels)?.f_view([pixels.shape[0], -1])?),
            None => None,
        };
        let images_shown = pixels.images_shown;
        self.recycle(pixels);
        Ok(Minibatch { images_shown, images, labels })
    }

    /// The next minibatch as the readers leave it.
    ///
    /// # Errors
    /// As [`Self::next_minibatch`].
    pub fn next_bytes(&mut self) -> Result<MinibatchBytes, TrainingError> {
        let reader = &self.readers[self.next];
        self.next = (self.next + 1) % READERS;
        let receiver = reader.minibatches.as_ref().ok_or(TrainingError::FeedStopped)?;
        Ok(receiver.recv().map_err(|_| TrainingError::FeedStopped)??)
    }

    /// Gives the memory of the minibatch just taken back to its reader, for one of the next.
    pub fn recycle(&self, minibatch: MinibatchBytes) {
        let last = (self.next + READERS - 1) % READERS;
        if let Some(used) = &self.readers[last].used {
            // A reader at its end takes no more.
            let _ = used.send(minibatch.bytes);
        }
    }
}

impl Drop for DataFeed {
    fn drop(&mut self) {
        // Hang up first, so that threads waiting to send end.
        for reader in &mut self.readers {
            (reader.minibatches, reader.used) = (None, None);
        }
        for reader in &mut self.readers {
            if let Some(thread) = reader.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// What a reading thread has.
struct Work {
    levels: Vec<Level>,
    labelled: Option<Dataset>,
    order: EpochOrder,
    mirror: bool,
    share: Box<dyn Fn(u32) -> RowShare + Send>,
    back: Receiver<Vec<u8>>,
}

impl Work {
    /// Reads minibatches `first`, `first + READERS`, … of all.
    fn run(mut self, rounds: Rounds, first: usize, sender: &SyncSender<Result<MinibatchBytes, ShardError>>) {
        let minibatches =
            rounds.flat_map(|round| (0..round.repeats).map(move |repeat| (round.clone(), repeat)));
        for (round, repeat) in minibatches.skip(first).step_by(READERS) {
            let Some(pixels) = self.read(&round, repeat) else { return };
            let damaged = pixels.is_err();
            // The trainer went away: nothing left to do.
            if sender.send(pixels).is_err() || damaged {
                return;
            }
        }
    }

    /// `None` where the round is at a level that was not asked for.
    fn read(&mut self, round: &Round, repeat: u32) -> Option<Result<MinibatchBytes, ShardError>> {
        let side = round.level.resolution_px as usize;
        let level = self.levels.iter().find(|l| l.resolution().pixels() == side)?.clone();
        let images_shown = round.images_shown + u64::from(repeat * round.minibatch);
        let share = (self.share)(round.minibatch);
        let count = round.minibatch as usize / share.ranks();
        let positions: Vec<u64> = (0..count).map(|row| images_shown + share.whole_row(row) as u64).collect();
        Some(self.read_images(&level, images_shown, &positions))
    }

    fn read_images(
        &mut self,
        level: &Level,
        images_shown: u64,
        positions: &[u64],
    ) -> Result<MinibatchBytes, ShardError> {
        let side = level.resolution().pixels();
        let image_len = level.channels() * side * side;
        let mut bytes = self.back.try_recv().unwrap_or_default();
        // Used memory of the same level is overwritten as it is.
        bytes.resize(positions.len() * image_len, 0);
        let mut labels = self.labelled.as_ref().map(|_| Vec::new());
        for (&position, target) in positions.iter().zip(bytes.chunks_exact_mut(image_len)) {
            let index = self.order.image(position);
            let image = level.image(index)?;
            if let (Some(labels), Some(dataset)) = (&mut labels, &self.labelled) {
                labels.extend(dataset.label(index).unwrap_or_default());
            }
            let mirrored =
                self.mirror && uniform_numbers(self.order.seed, Stream::Mirror, position, 1)[0] < 0.5;
            if mirrored {
                copy_mirrored(&image, side, target);
            } else {
                target.copy_from_slice(&image);
            }
        }
        let shape = [positions.len() as i64, level.channels() as i64, side as i64, side as i64];
        Ok(MinibatchBytes { images_shown, shape, bytes, labels })
    }
}

/// The permutation of the epoch last asked for.
struct EpochOrder {
    seed: u64,
    len: u64,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl EpochOrder {
    fn image(&mut self, position: u64) -> usize {
        let epoch = position / self.len;
        if self.epoch != Some(epoch) {
            self.order = epoch_order(self.seed, epoch, self.len as usize);
            self.epoch = Some(epoch);
        }
        self.order[(position % self.len) as usize] as usize
    }
}

/// Rows of `side` pixels, each turned round.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512vbmi", "x86_64+avx2"))]
fn copy_mirrored(image: &[u8], side: usize, target: &mut [u8]) {
    for (row, target) in image.chunks_exact(side).zip(target.chunks_exact_mut(side)) {
        for (target, pixel) in target.iter_mut().zip(row.iter().rev()) {
            *target = *pixel;
        }
    }
}
