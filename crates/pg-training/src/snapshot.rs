//! Snapshots: a folder of safetensors files and a state, written whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pg_networks::Parameters;
use pg_schedule::TrainingSettings;
use pg_shard::write_atomically;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::trainer::{Trainer, growth_state};
use crate::{RunFolder, TrainingError};

const GENERATOR: &str = "generator.safetensors";
const GENERATOR_EMA: &str = "generator-ema.safetensors";
const DISCRIMINATOR: &str = "discriminator.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const FORMAT_VERSION: u32 = 1;

/// Where a run stands, beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotState {
    /// Version of this file's format.
    pub format_version: u32,
    /// Real images shown.
    pub images_shown: u64,
    /// Real images shown before the last round; it fixes the level that the weights were last
    /// trained at. `None` before the first round.
    pub last_round_images_shown: Option<u64>,
    /// Full resolution of the networks, in pixels.
    pub resolution: u32,
    /// Colour channels.
    pub image_channels: u32,
    /// Components of the dataset's labels; 0 without labels.
    #[serde(default)]
    pub label_size: u32,
    /// Steps of the generator's optimiser since its reset.
    pub generator_steps: u64,
    /// Steps of the discriminator's optimiser since its reset.
    pub discriminator_steps: u64,
    /// Whether the snapshot stays when newer ones come.
    pub kept: bool,
    /// The dataset's fingerprint.
    pub dataset_fingerprint: String,
}

/// A snapshot on disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    folder: PathBuf,
    state: SnapshotState,
}

impl Snapshot {
    /// Opens a snapshot folder.
    ///
    /// # Errors
    /// A missing or malformed `state.json`.
    pub fn open(folder: &Path) -> Result<Self, TrainingError> {
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(TrainingError::io("read", &path))?;
        let malformed = |found: String| TrainingError::Malformed {
            path: path.clone(),
            expected: "the state of a snapshot of format version 1",
            found,
        };
        let state: SnapshotState = serde_json::from_slice(&text).map_err(|e| malformed(e.to_string()))?;
        if state.format_version != FORMAT_VERSION {
            return Err(malformed(format!("format version {}", state.format_version)));
        }
        Ok(Self { folder: folder.to_owned(), state })
    }

    /// One that rank 0 has written, as the other ranks know it.
    pub(crate) fn written_by_first(folder: PathBuf, state: SnapshotState) -> Self {
        Self { folder, state }
    }

    /// The folder's own name.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the run stood.
    #[must_use]
    pub fn state(&self) -> &SnapshotState {
        &self.state
    }

    /// Writes the trainer's state to `snapshots/KKKKKK` of `run` (K = thousands of images shown; `best`
    /// says after how many images the best one was taken, which stays): into a folder of another name first, every file synced, then renamed.
    pub(crate) fn write(
        run: &RunFolder,
        trainer: &Trainer,
        mut state: SnapshotState,
        best: Option<u64>,
    ) -> Result<Self, TrainingError> {
        let folder = run.snapshot_folder(state.images_shown, best);
        // One that takes a kept one's place is kept.
        state.kept |= folder.exists() && Self::open(&folder)?.state.kept;
        let partial = folder.with_extension("partial");
        let replaced = folder.with_extension("replaced");
        for leftover in [&partial, &replaced] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).map_err(TrainingError::io("remove", leftover))?;
            }
        }
        fs::create_dir_all(&partial).map_err(TrainingError::io("create", &partial))?;

        write_parameters(&partial.join(GENERATOR), trainer.generator.parameters())?;
        write_parameters(&partial.join(GENERATOR_EMA), trainer.average().parameters())?;
        write_parameters(&partial.join(DISCRIMINATOR), trainer.discriminator.parameters())?;
        write_tensors(&partial.join(OPTIMIZER), &trainer.optimizer_state())?;
        let path = partial.join(STATE);
        write_atomically(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, &state)?;
            std::io::Write::write_all(file, b"\n")
        })
        .map_err(TrainingError::io("write", &path))?;

        // A second snapshot within one kimg takes the first one's place.
        if folder.exists() {
            fs::rename(&folder, &replaced).map_err(TrainingError::io("rename", &folder))?;
        }
        fs::rename(&partial, &folder).map_err(TrainingError::io("rename", &partial))?;
        let parent = run.snapshots();
        File::open(&parent).and_then(|f| f.sync_all()).map_err(TrainingError::io("sync", &parent))?;
        if replaced.exists() {
            fs::remove_dir_all(&replaced).map_err(TrainingError::io("remove", &replaced))?;
        }
        Ok(Self { folder, state })
    }

    /// Puts weights and moments into a trainer built with the same settings.
    ///
    /// # Errors
    /// Missing files; weights or moments that do not fit.
    pub fn restore(&self, trainer: &mut Trainer) -> Result<(), TrainingError> {
        self.load_weights(GENERATOR, trainer.generator.parameters())?;
        self.load_weights(GENERATOR_EMA, trainer.average.generator().parameters())?;
        self.load_weights(DISCRIMINATOR, trainer.discriminator.parameters())?;
        let Some(last) = self.state.last_round_images_shown else { return Ok(()) };
        let level = trainer.settings.growth_plan(self.state.resolution).at(last);
        let growth = growth_state(level);
        let path = self.folder.join(OPTIMIZER);
        let moments = read_tensors(&path)?;
        let missing = |name: String| TrainingError::Malformed {
            path: path.clone(),
            expected: "the moments of every weight in training",
            found: format!("none that fits {name}"),
        };
        let steps = (self.state.generator_steps, self.state.discriminator_steps);
        trainer.restore_optimizers(growth, steps, &moments).map_err(missing)
    }

    /// The file of the averaged generator's weights.
    #[must_use]
    pub fn average_path(&self) -> PathBuf {
        self.folder.join(GENERATOR_EMA)
    }

    /// Puts the averaged generator's weights into `parameters`.
    ///
    /// # Errors
    /// A missing file; weights that do not fit.
    pub fn load_average(&self, parameters: &Parameters) -> Result<(), TrainingError> {
        self.load_weights(GENERATOR_EMA, parameters)
    }

    /// The level that the weights were last trained at.
    #[must_use]
    pub fn level(&self, settings: &TrainingSettings) -> pg_schedule::LevelOfDetail {
        settings.growth_plan(self.state.resolution).at(self.state.last_round_images_shown.unwrap_or(0))
    }

    fn load_weights(&self, file: &str, parameters: &Parameters) -> Result<(), TrainingError> {
        Ok(parameters.load(&read_tensors(&self.folder.join(file))?)?)
    }
}

fn write_parameters(path: &Path, parameters: &Parameters) -> Result<(), TrainingError> {
    let tensors: Vec<_> =
        parameters.iter().map(|(name, tensor)| (name.to_owned(), tensor.detach())).collect();
    write_tensors(path, &tensors)
}

fn write_tensors(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), TrainingError> {
    let on_cpu: Vec<(&str, Tensor)> =
        tensors.iter().map(|(name, t)| (name.as_str(), t.to_device(tch::Device::Cpu).contiguous())).collect();
    Tensor::write_safetensors(&on_cpu, path)?;
    File::open(path).and_then(|f| f.sync_all()).map_err(TrainingError::io("sync", path))
}

fn read_tensors(path: &Path) -> Result<Vec<(String, Tensor)>, TrainingError> {
    // The binding's own error names the file but not a missing one's cause.
    File::open(path).map_err(TrainingError::io("read", path))?;
    Ok(Tensor::read_safetensors(path)?)
}
