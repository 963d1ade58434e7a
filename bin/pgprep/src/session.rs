//! What every command gets: progress, notes, interruption, output.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use pg_cli::{CloudArgs, CommonArgs, Interrupt, Interrupted, Output, Progress, ProgressStyle, StderrNotes};
use pg_cloud::{Cloud, CloudError};
use pg_image::Resolution;
use pg_shard::{Codec, Manifest, Storage};
use serde_json::{Map, Value};

use crate::args::{CodecChoice, LimitArgs, StorageArgs};
use crate::image_items::{Loader, SourceTrouble};

/// The name and version that results record.
pub(crate) const TOOL: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
/// Failures shown one by one before only their number is.
const SHOWN_FAILURES: usize = 10;

/// The surroundings of a command.
pub(crate) struct Session {
    pub(crate) notes: StderrNotes,
    pub(crate) cloud: Cloud,
    pub(crate) common: CommonArgs,
    /// Files and folders that this command reads.
    inputs: Mutex<Vec<PathBuf>>,
    /// What the result says beside what the command itself puts there.
    also: Mutex<Map<String, Value>>,
    source_trouble: SourceTrouble,
    style: ProgressStyle,
    json: bool,
    interrupt: Interrupt,
    threads: usize,
}

impl Session {
    pub(crate) fn start(common: &CommonArgs, cloud: &CloudArgs, json: bool) -> anyhow::Result<Self> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(common.threads)
            .build_global()
            .with_context(|| format!("cannot start {} threads (--threads)", common.threads))?;
        let notes = StderrNotes::new(common.quiet);
        let interrupt = Interrupt::install().context("cannot watch for Ctrl-C")?;
        Ok(Self {
            notes,
            common: common.clone(),
            inputs: Mutex::default(),
            also: Mutex::default(),
            source_trouble: SourceTrouble::default(),
            cloud: cloud.connection(&interrupt, notes),
            style: common.progress_style(),
            json,
            interrupt,
            threads: common.threads,
        })
    }

    /// What loads images within `limits`.
    pub(crate) fn loader(&self, limits: &LimitArgs) -> Loader {
        Loader::new(limits.into(), self.source_trouble.clone())
    }

    /// Notes that the command reads `path`, if it is here.
    pub(crate) fn reads(&self, path: &Path) {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).extend(path.canonicalize());
    }

    /// Something that the command reads in the folder `path`, or the folder itself.
    pub(crate) fn input_in(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().ok()?;
        let inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        inputs.iter().find(|input| input.starts_with(&path)).cloned()
    }

    pub(crate) fn progress(&self, label: &str, unit: &'static str, total: usize) -> Progress {
        Progress::new(self.style, label, unit, total as u64)
    }

    /// Puts `value` under `key` of the result, behind what the command puts there.
    pub(crate) fn also(&self, key: &str, value: Value) {
        self.also.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
    }

    /// Prints the result: one JSON object with `--json`, else lines.
    pub(crate) fn result(&self, json: &Value, lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        if self.json {
            let mut json = json.clone();
            if let Some(object) = json.as_object_mut() {
                object.extend(self.also.lock().unwrap_or_else(PoisonError::into_inner).clone());
            }
            Output.json(&json)?;
        } else {
            for line in lines {
                Output.line(line)?;
            }
        }
        Ok(())
    }

    /// Warns about the `number`th failed item (from 1).
    pub(crate) fn failure(&self, progress: &Progress, number: usize, path: &str, reason: &str) {
        let text = match number {
            // Most reasons begin with the file.
            1..=SHOWN_FAILURES if reason.strip_prefix(path).is_some_and(|rest| rest.starts_with(' ')) => {
                reason.to_owned()
            }
            1..=SHOWN_FAILURES => format!("{path}: {reason}"),
            n if n == SHOWN_FAILURES + 1 => "more failures are only listed in failed.jsonl".to_owned(),
            _ => return,
        };
        if self.style == ProgressStyle::Bar {
            progress.note(&format!("warning: {text}"));
        } else {
            self.notes.warning(text);
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.requested()
    }

    pub(crate) fn check_interrupt(&self, advice: impl FnOnce() -> String) -> Result<(), Interrupted> {
        self.interrupt.check(advice)
    }

    /// Whether items fail for no fault of their own: a signal came, or the storage or the source failed.
    pub(crate) fn is_ending(&self) -> bool {
        self.interrupted() || self.cloud.is_in_trouble() || self.source_trouble.get().is_some()
    }

    /// The error of a build that was ended so, with what was `kept`; a failure comes first.
    pub(crate) fn check_ending(&self, kept: impl Fn() -> String) -> anyhow::Result<()> {
        match self.cloud.take_trouble() {
            Some(CloudError::Interrupted { .. }) | None => {
                self.check_interrupt(&kept)?;
                match self.source_trouble.get() {
                    Some(trouble) => {
                        Err(anyhow!("{trouble}").context(format!("the source failed: {}", kept())))
                    }
                    None => Ok(()),
                }
            }
            Some(error) => {
                Err(anyhow::Error::new(error).context(format!("the object storage failed: {}", kept())))
            }
        }
    }

    /// `result`, where a signal ended a transfer as the interruption that it is.
    pub(crate) fn with_interruption<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        let kept = || "what was finished is kept; run the same command again".to_owned();
        self.interrupt.of_transfer(result, kept)
    }

    /// Items worked on between two looks at the clock: enough for all threads, few in memory.
    pub(crate) fn batch_size(&self) -> usize {
        4 * self.threads
    }
}

impl From<&LimitArgs> for pg_image::files::DecodeLimits {
    fn from(limits: &LimitArgs) -> Self {
        Self { max_pixels: limits.max_pixels, max_bytes: limits.max_bytes }
    }
}

/// A resolution from the flag `flag`.
pub(crate) fn resolution(pixels: u32, flag: &str) -> anyhow::Result<Resolution> {
    Resolution::new(pixels.into()).with_context(|| format!("{flag} {pixels} cannot be used"))
}

/// The level that `--resolution` asks for, or the finest.
pub(crate) fn level_asked_for(
    manifest: &Manifest,
    pixels: Option<u32>,
    dataset: &Path,
) -> anyhow::Result<Resolution> {
    if let Some(pixels) = pixels {
        return resolution(pixels, "--resolution");
    }
    let finest = manifest.levels().last().copied();
    finest.with_context(|| format!("{} has no level", dataset.display()))
}

/// What to store of images of side `packed`.
pub(crate) fn storage(packed: Resolution, args: &StorageArgs) -> anyhow::Result<Storage> {
    let whole = Storage::whole(packed);
    let levels = match &args.levels {
        Some(choice) => choice.of(packed, Resolution::MIN)?,
        None => whole.levels,
    };
    let codec = match args.codec {
        CodecChoice::Raw => Codec::Raw,
        CodecChoice::MedZstd => Codec::MedZstd,
    };
    Ok(Storage { packed, levels, codec })
}

/// `1 image`, `2 images`.
pub(crate) fn count(n: u64, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// The context of an error about the output folder.
pub(crate) fn output_context(path: &Path) -> String {
    format!("cannot write to {} (-o)", path.display())
}
