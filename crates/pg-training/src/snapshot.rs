//! Snapshots: a folder of safetensors files and a state, written whole or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use pg_networks::Parameters;
use pg_schedule::TrainingSettings;
use pg_shard::{is_in_the_making, write_atomically};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::run_folder::parse_settings;
use crate::trainer::{Trainer, growth_state};
use crate::{RunFolder, TrainingError, snapshot_store};

const GENERATOR: &str = "generator.safetensors";
const GENERATOR_EMA: &str = "generator-ema.safetensors";
const DISCRIMINATOR: &str = "discriminator.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const SETTINGS: &str = "settings.toml";
/// As `b3sum` writes and checks it.
const CHECKSUMS: &str = "checksums.b3";
const WEIGHTS: [&str; 4] = [GENERATOR, GENERATOR_EMA, DISCRIMINATOR, OPTIMIZER];
/// Version 1 had neither settings nor checksums.
const FORMAT_VERSION: u32 = 2;
/// Longest file of text that is read.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Finest resolution, and most classes, that a snapshot may claim to have.
const MAX_RESOLUTION_PX: u32 = 1 << 14;
const MAX_LABELS: u32 = 1 << 16;
/// Most images shown, and steps made: as many as f64 counts.
const MAX_COUNT: u64 = 1 << 53;

/// Whether a snapshot has a file `name`.
pub(crate) fn is_own_file(name: &str) -> bool {
    [STATE, SETTINGS, CHECKSUMS].contains(&name) || WEIGHTS.contains(&name) || is_in_the_making(name)
}

/// Where a run stands, beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "the state of a snapshot")]
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

impl SnapshotState {
    pub(crate) const VERSION: u32 = FORMAT_VERSION;

    /// What is wrong with numbers that no run has.
    fn oddity(&self) -> Option<String> {
        let px = self.resolution;
        if !(1..=FORMAT_VERSION).contains(&self.format_version) {
            return Some(format!("format version {}", self.format_version));
        }
        if !px.is_power_of_two() || !(4..=MAX_RESOLUTION_PX).contains(&px) {
            return Some(format!("a resolution of {px} px"));
        }
        let counts = [self.images_shown, self.generator_steps, self.discriminator_steps];
        if let Some(count) =
            counts.into_iter().chain(self.last_round_images_shown).find(|&count| count > MAX_COUNT)
        {
            return Some(format!("{count} images or steps"));
        }
        if ![1, 3].contains(&self.image_channels) {
            return Some(format!("{} colour channels", self.image_channels));
        }
        (self.label_size > MAX_LABELS).then(|| format!("{} components of labels", self.label_size))
    }
}

/// A snapshot on disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    folder: PathBuf,
    state: SnapshotState,
    /// BLAKE3 of each file, hexadecimal, by name; none in version 1.
    checksums: BTreeMap<String, String>,
}

impl Snapshot {
    /// Opens a snapshot folder, wherever it lies.
    ///
    /// # Errors
    /// A missing or malformed `state.json`; [`TrainingError::Damaged`] where it is not as it was written.
    pub fn open(folder: &Path) -> Result<Self, TrainingError> {
        let path = folder.join(STATE);
        let text = read_text(&path)?;
        let malformed = |found: String| TrainingError::Malformed {
            path: path.clone(),
            expected: "the state of a snapshot of format version 1 or 2",
            found,
        };
        let checksums = match read_text(&folder.join(CHECKSUMS)) {
            Ok(list) => parse_checksums(&list).ok_or_else(|| damaged(&folder.join(CHECKSUMS)))?,
            Err(TrainingError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                BTreeMap::new()
            }
            Err(error) => return Err(error),
        };
        // Before it is understood: a damaged file is damaged, whatever it looks like.
        if !checksums.is_empty() {
            check_text(&checksums, &path, &text)?;
        }
        let state: SnapshotState = serde_json::from_slice(&text).map_err(|e| malformed(e.to_string()))?;
        if let Some(oddity) = state.oddity() {
            return Err(malformed(oddity));
        }
        if state.format_version > 1 && checksums.is_empty() {
            return Err(TrainingError::Incomplete { path: folder.join(CHECKSUMS) });
        }
        Ok(Self { folder: folder.to_owned(), state, checksums })
    }

    /// This snapshot, if it has all its files. Whether they are as they were written, [`Self::verify`] says.
    pub(crate) fn with_all_files(self) -> Result<Self, TrainingError> {
        let settings = (self.state.format_version > 1).then_some(SETTINGS);
        let missing = WEIGHTS.into_iter().chain(settings).find(|name| !self.folder.join(name).is_file());
        match missing {
            Some(name) => Err(TrainingError::Incomplete { path: self.folder.join(name) }),
            None => Ok(self),
        }
    }

    /// Reads all files and compares them with their checksums, if there are any.
    ///
    /// # Errors
    /// [`TrainingError::Damaged`] names the first that is not as it was written.
    pub fn verify(&self) -> Result<(), TrainingError> {
        [STATE, SETTINGS].into_iter().chain(WEIGHTS).try_for_each(|name| self.verify_file(name))
    }

    fn verify_file(&self, name: &str) -> Result<(), TrainingError> {
        if self.checksums.is_empty() {
            return Ok(());
        }
        let path = self.folder.join(name);
        let found = checksum(&path)?;
        if self.checksums.get(name) == Some(&found) { Ok(()) } else { Err(damaged(&path)) }
    }

    /// The settings that it was trained with; `None` in version 1.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or does not hold settings.
    pub fn settings(&self) -> Result<Option<TrainingSettings>, TrainingError> {
        if self.state.format_version == 1 {
            return Ok(None);
        }
        let path = self.folder.join(SETTINGS);
        let text = read_text(&path)?;
        check_text(&self.checksums, &path, &text)?;
        parse_settings(&path, &String::from_utf8_lossy(&text)).map(Some)
    }

    /// One that rank 0 has written, as the other ranks know it.
    pub(crate) fn written_by_first(folder: PathBuf, state: SnapshotState) -> Self {
        Self { folder, state, checksums: BTreeMap::new() }
    }

    /// The snapshot's name, as of the folder `KKKKKK` or `KKKKKK-III`.
    #[must_use]
    pub fn name(&self) -> String {
        self.folder.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
    /// says after how many images the best one was taken, which stays): into a folder of another name first, every file
    /// synced, then renamed.
    pub(crate) fn write(
        run: &RunFolder,
        trainer: &Trainer,
        mut state: SnapshotState,
        best: Option<u64>,
    ) -> Result<Self, TrainingError> {
        let folder = run.snapshot_folder(state.images_shown, best);
        // One that takes a kept one's place is kept.
        state.kept |= Self::open(&folder).is_ok_and(|there| there.state.kept);
        let partial = snapshot_store::begin(&folder)?;
        write_parameters(&partial.join(GENERATOR), trainer.generator.parameters())?;
        write_parameters(&partial.join(GENERATOR_EMA), trainer.average().parameters())?;
        write_parameters(&partial.join(DISCRIMINATOR), trainer.discriminator.parameters())?;
        write_tensors(&partial.join(OPTIMIZER), &trainer.optimizer_state())?;
        write_text(&partial.join(SETTINGS), trainer.settings.to_toml().as_bytes())?;
        let mut text = serde_json::to_vec_pretty(&state)
            .map_err(|e| TrainingError::io("write", &partial.join(STATE))(e.into()))?;
        text.push(b'\n');
        write_text(&partial.join(STATE), &text)?;
        let mut checksums = BTreeMap::new();
        for name in WEIGHTS.into_iter().chain([SETTINGS, STATE]) {
            checksums.insert(name.to_owned(), checksum(&partial.join(name))?);
        }
        let lines: Vec<_> = checksums.iter().map(|(name, blake3)| format!("{blake3}  {name}\n")).collect();
        write_text(&partial.join(CHECKSUMS), lines.concat().as_bytes())?;
        snapshot_store::commit(&partial, &folder)?;
        Ok(Self { folder, state, checksums })
    }

    /// Puts weights and moments into a trainer built with the same settings.
    ///
    /// # Errors
    /// Missing or damaged files; weights or moments that do not fit.
    pub fn restore(&self, trainer: &mut Trainer) -> Result<(), TrainingError> {
        [STATE, SETTINGS].into_iter().try_for_each(|name| self.verify_file(name))?;
        self.load_weights(GENERATOR, trainer.generator.parameters())?;
        self.load_weights(GENERATOR_EMA, trainer.average.generator().parameters())?;
        self.load_weights(DISCRIMINATOR, trainer.discriminator.parameters())?;
        let Some(last) = self.state.last_round_images_shown else { return Ok(()) };
        let level = trainer.settings.growth_plan(self.state.resolution).at(last);
        let growth = growth_state(level);
        let path = self.folder.join(OPTIMIZER);
        self.verify_file(OPTIMIZER)?;
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
    /// A missing or damaged file; weights that do not fit.
    pub fn load_average(&self, parameters: &Parameters) -> Result<(), TrainingError> {
        self.load_weights(GENERATOR_EMA, parameters)
    }

    /// The level that the weights were last trained at.
    #[must_use]
    pub fn level(&self, settings: &TrainingSettings) -> pg_schedule::LevelOfDetail {
        settings.growth_plan(self.state.resolution).at(self.state.last_round_images_shown.unwrap_or(0))
    }

    fn load_weights(&self, file: &str, parameters: &Parameters) -> Result<(), TrainingError> {
        self.verify_file(file)?;
        Ok(parameters.load(&read_tensors(&self.folder.join(file))?)?)
    }
}

fn damaged(path: &Path) -> TrainingError {
    TrainingError::Damaged { path: path.to_owned() }
}

/// Lines of a checksum in hexadecimal, two spaces and a file's name.
fn parse_checksums(list: &[u8]) -> Option<BTreeMap<String, String>> {
    let list = std::str::from_utf8(list).ok()?.strip_suffix('\n')?;
    let pair = |line: &str| line.split_once("  ").map(|(blake3, name)| (name.to_owned(), blake3.to_owned()));
    list.split('\n').map(pair).collect()
}

fn check_text(checksums: &BTreeMap<String, String>, path: &Path, text: &[u8]) -> Result<(), TrainingError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let found = blake3::hash(text).to_hex();
    let is_same = checksums.get(&*name).is_some_and(|blake3| *blake3 == found.as_str());
    if is_same { Ok(()) } else { Err(damaged(path)) }
}

fn checksum(path: &Path) -> Result<String, TrainingError> {
    let mut hasher = blake3::Hasher::new();
    let file = open_file(path)?;
    hasher.update_reader(file).map_err(TrainingError::io("read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Opens a file, and nothing that would wait for somebody to write.
fn open_file(path: &Path) -> Result<File, TrainingError> {
    let found = std::fs::metadata(path).map_err(TrainingError::io("read", path))?;
    if !found.is_file() {
        return Err(TrainingError::Malformed {
            path: path.to_owned(),
            expected: "a file",
            found: "a folder, a pipe or a device".to_owned(),
        });
    }
    File::open(path).map_err(TrainingError::io("read", path))
}

fn read_text(path: &Path) -> Result<Vec<u8>, TrainingError> {
    let mut text = Vec::new();
    let file = open_file(path)?;
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut text).map_err(TrainingError::io("read", path))?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(TrainingError::Malformed {
            path: path.to_owned(),
            expected: "a text of at most 1 MiB",
            found: "more".to_owned(),
        });
    }
    Ok(text)
}

fn write_text(path: &Path, text: &[u8]) -> Result<(), TrainingError> {
    write_atomically(path, |file| file.write_all(text)).map_err(TrainingError::io("write", path))
}

fn write_parameters(path: &Path, parameters: &Parameters) -> Result<(), TrainingError> {
    let tensors: Vec<_> =
        parameters.iter().map(|(name, tensor)| (name.to_owned(), tensor.detach())).collect();
    write_tensors(path, &tensors)
}

fn write_tensors(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), TrainingError> {
    let on_cpu: Vec<(&str, Tensor)> =
        tensors.iter().map(|(name, t)| (name.as_str(), t.to_device(tch::Device::Cpu).contiguous())).collect();
    Tensor::write_safetensors(&on_cpu, path).map_err(|error| TrainingError::of_file("write", path, error))?;
    File::open(path).and_then(|f| f.sync_all()).map_err(TrainingError::io("sync", path))
}

fn read_tensors(path: &Path) -> Result<Vec<(String, Tensor)>, TrainingError> {
    // The binding's own error names the file but not a missing one's cause.
    File::open(path).map_err(TrainingError::io("read", path))?;
    Tensor::read_safetensors(path).map_err(|error| TrainingError::of_file("read", path, error))
}
