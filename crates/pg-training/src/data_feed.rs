//! Minibatches of reals, read ahead on a thread of its own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use pg_schedule::Rounds;
use pg_shard::{Dataset, Level, ShardError, epoch_order};
use tch::{Kind, Tensor};

use crate::TrainingError;
use crate::random_streams::{Stream, uniform_numbers};

/// Minibatches that wait ready for the trainer.
const READ_AHEAD: usize = 4;

/// Some reals at the level in force.
#[derive(Debug)]
pub struct Minibatch {
    /// Real images shown before this minibatch.
    pub images_shown: u64,
    /// u8 `[N,C,R,R]`, 0..=255, mirrored where drawn so.
    pub images: Tensor,
    /// f32 `[N,L]`, where the dataset has labels.
    pub labels: Option<Tensor>,
}

/// The reals of a run from any round on, in order.
///
/// Image k of the run is image `k mod len` of an exact permutation of the dataset for epoch
/// `k / len`: every image once per epoch, whatever the minibatches, and a pure function of the seed.
#[derive(Debug)]
pub struct DataFeed {
    minibatches: Option<Receiver<Result<Pixels, ShardError>>>,
    thread: Option<JoinHandle<()>>,
}

impl DataFeed {
    /// Starts to read for `rounds`; `levels` holds every resolution they visit.
    ///
    /// # Errors
    /// A resolution that the dataset lacks.
    pub fn start(
        dataset: &Dataset,
        rounds: Rounds,
        resolutions_px: &[u32],
        seed: u64,
        mirror: bool,
    ) -> Result<Self, TrainingError> {
        let mut levels = Vec::new();
        for &side in resolutions_px {
            levels.push(dataset.level_of_side(side)?);
        }
        let labelled = dataset.label_names().is_some().then(|| dataset.clone());
        let (sender, receiver) = sync_channel(READ_AHEAD);
        let mut order = EpochOrder { seed, len: dataset.len() as u64, epoch: None, order: Vec::new() };
        let thread = std::thread::spawn(move || {
            for round in rounds {
                let side = round.level.resolution_px as usize;
                let Some(level) = levels.iter().find(|l| l.resolution().pixels() == side) else { return };
                for repeat in 0..round.repeats {
                    let shown = round.images_shown + u64::from(repeat * round.minibatch);
                    let pixels = read(level, labelled.as_ref(), &mut order, shown, round.minibatch, mirror);
                    let damaged = pixels.is_err();
                    // The trainer went away: nothing left to do.
                    if sender.send(pixels).is_err() || damaged {
                        return;
                    }
                }
            }
        });
        Ok(Self { minibatches: Some(receiver), thread: Some(thread) })
    }

    /// The next minibatch, as soon as it is there.
    ///
    /// # Errors
    /// [`TrainingError::FeedStopped`] after the last round, or when the reading thread ended; an image of
    /// the dataset that is damaged.
    pub fn next_minibatch(&self) -> Result<Minibatch, TrainingError> {
        let receiver = self.minibatches.as_ref().ok_or(TrainingError::FeedStopped)?;
        let pixels = receiver.recv().map_err(|_| TrainingError::FeedStopped)??;
        let images = Tensor::f_from_data_size(&pixels.bytes, &pixels.shape, Kind::Uint8)?;
        let labels = match &pixels.labels {
            Some(labels) => Some(Tensor::f_from_slice(labels)?.f_view([images.size()[0], -1])?),
            None => None,
        };
        Ok(Minibatch { images_shown: pixels.images_shown, images, labels })
    }
}

impl Drop for DataFeed {
    fn drop(&mut self) {
        // Hang up first, so that a thread waiting to send ends.
        self.minibatches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A minibatch that libtorch has not seen. A tensor made on the reading thread would start a second
/// pool of OpenMP threads there, and with more of them than cores none spins between kernels any more:
/// training of small networks slows down by a fifth.
struct Pixels {
    images_shown: u64,
    shape: [i64; 4],
    bytes: Vec<u8>,
    labels: Option<Vec<f32>>,
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

fn read(
    level: &Level,
    labelled: Option<&Dataset>,
    order: &mut EpochOrder,
    images_shown: u64,
    count: u32,
    mirror: bool,
) -> Result<Pixels, ShardError> {
    let side = level.resolution().pixels();
    let mut bytes = Vec::with_capacity(count as usize * level.channels() * side * side);
    let mut labels = labelled.map(|_| Vec::new());
    for position in images_shown..images_shown + u64::from(count) {
        let index = order.image(position);
        let image = level.image(index)?;
        if let (Some(labels), Some(dataset)) = (&mut labels, labelled) {
            labels.extend(dataset.label(index).unwrap_or_default());
        }
        if mirror && uniform_numbers(order.seed, Stream::Mirror, position, 1)[0] < 0.5 {
            for row in image.chunks_exact(side) {
                bytes.extend(row.iter().rev());
            }
        } else {
            bytes.extend_from_slice(&image);
        }
    }
    let shape = [i64::from(count), level.channels() as i64, side as i64, side as i64];
    Ok(Pixels { images_shown, shape, bytes, labels })
}
