//! Training of progressively grown GANs: losses, optimiser, generator average, data feed, the loop,
//! snapshots and sampling. Everything random is drawn by counter from the seed, so the state of a run
//! is its weights, moments and the number of images shown, and resuming is exact.

mod adam;
mod adaptive_noise;
mod data_feed;
mod drawing;
mod error;
mod evaluation;
pub mod export;
mod finite_check;
mod generator_average;
mod gradient_sums;
mod image_range;
mod image_sheet;
mod latent_loop;
mod layer_noise;
pub mod losses;
mod optimizer;
mod random_streams;
mod rank_agreement;
mod ranks;
mod rmsprop;
mod run_folder;
mod sampler;
mod snapshot;
mod snapshot_store;
mod style_loop;
mod tensorboard;
#[cfg(test)]
mod tests_of_ranks;
#[cfg(test)]
mod tests_of_snapshots;
pub mod toy;
mod trainer;
mod training_run;
mod truncation;

pub use pg_networks::{keep_freed_memory, set_threads};

pub use adam::{Adam, AdamSettings};
pub use adaptive_noise::AdaptiveNoise;
pub use data_feed::{DataFeed, Minibatch, MinibatchBytes};
pub use error::TrainingError;
pub use evaluation::{
    BestSnapshot, Evaluated, EvaluationLine, LevelScore, MetricScore, ScoredMoment, Scores,
};
pub use generator_average::GeneratorAverage;
pub use image_range::{images_to_u8, reals_to_f32};
pub use image_sheet::ImageSheet;
pub use latent_loop::LatentLoop;
pub use optimizer::Optimizer;
pub use random_streams::{Stream, normal_numbers, normal_source, uniform_numbers};
pub use ranks::{Ranks, RanksError, SingleRank};
pub use rmsprop::{RmsProp, RmsPropSettings};
pub use run_folder::{RunFolder, RunRecord};
pub use sampler::{Sampler, StyledImage};
pub use snapshot::{Snapshot, SnapshotState};
pub use snapshot_store::{PassedOver, SnapshotStore};
pub use style_loop::StyleLoop;
pub use tensorboard::{EventPicture, EventWriter};
pub use trainer::{StepStatistics, StepValues, Trainer};
pub use training_run::{RunEnd, RunObserver, TickLine, TrainingRun, sheet_columns};
pub use truncation::Truncation;
