//! TensorBoard's event files, as far as a run needs them: scalars and pictures by step.
//!
//! A file is a sequence of TFRecords (tensorflow.org, "TFRecord and tf.train.Example"), each an `Event` message of
//! TensorFlow's `event.proto`. A run's step is the number of real images shown.

mod event;
mod event_files;
mod records;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use event::Content;

use crate::TrainingError;

/// A picture for [`EventWriter::picture`].
#[derive(Debug, Clone, Copy)]
pub struct EventPicture<'a> {
    /// Width in pixels.
    pub width_px: usize,
    /// Height in pixels.
    pub height_px: usize,
    /// 1 for grey, 3 for colours.
    pub channels: usize,
    /// The PNG file.
    pub png: &'a [u8],
}

/// Writes a run's events, from one start of the program on.
///
/// Each start makes a file of its own, with its first event. What earlier starts wrote past the step that this one
/// goes on from is cut off their files, so that every reader sees each step once; the new file also begins with the
/// mark by which TensorBoard drops such events from its memory.
#[derive(Debug)]
pub struct EventWriter {
    folder: PathBuf,
    last_step: u64,
    open: Option<(PathBuf, File)>,
}

impl EventWriter {
    /// For the run in `folder`, which goes on after `last_step`; writes nothing yet.
    #[must_use]
    pub fn new(folder: &Path, last_step: u64) -> Self {
        Self { folder: folder.to_owned(), last_step, open: None }
    }

    /// Adds scalars, by tag. `wall_time` in seconds since 1970.
    ///
    /// # Errors
    /// I/O errors.
    pub fn scalars(
        &mut self,
        step: u64,
        wall_time: f64,
        values: &[(&str, f64)],
    ) -> Result<(), TrainingError> {
        self.add(step, wall_time, &Content::Scalars(values))
    }

    /// Adds a picture under `tag`. `wall_time` in seconds since 1970.
    ///
    /// # Errors
    /// I/O errors.
    pub fn picture(
        &mut self,
        step: u64,
        wall_time: f64,
        tag: &str,
        picture: &EventPicture<'_>,
    ) -> Result<(), TrainingError> {
        self.add(step, wall_time, &Content::Picture(tag, *picture))
    }

    /// Whether an earlier run wrote something at `step` under a tag that begins with `tag`.
    ///
    /// # Errors
    /// I/O errors.
    pub fn holds(&self, step: u64, tag: &str) -> Result<bool, TrainingError> {
        event_files::hold(&self.folder, step, tag)
    }

    fn add(&mut self, step: u64, wall_time: f64, content: &Content<'_>) -> Result<(), TrainingError> {
        let mut bytes = Vec::new();
        if self.open.is_none() {
            self.open = Some(self.begin(wall_time, &mut bytes)?);
        }
        records::append(&mut bytes, &event::encode(wall_time, step, content));
        match &mut self.open {
            // In one piece: killed in between, at most the last record is torn.
            Some((path, file)) => file.write_all(&bytes).map_err(TrainingError::io("write", path)),
            None => Ok(()),
        }
    }

    /// A new file, whose first records go to `bytes`.
    fn begin(&self, wall_time: f64, bytes: &mut Vec<u8>) -> Result<(PathBuf, File), TrainingError> {
        let earlier = event_files::cut_after(&self.folder, self.last_step)?;
        // Readers take the files by name.
        let number = earlier.map_or(wall_time as u64, |newest| (newest + 1).max(wall_time as u64));
        let path = event_files::path(&self.folder, number);
        let file = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = file.map_err(TrainingError::io("create", &path))?;
        records::append(bytes, &event::encode(wall_time, 0, &Content::Version));
        if earlier.is_some() {
            records::append(bytes, &event::encode(wall_time, self.last_step + 1, &Content::Start));
        }
        Ok((path, file))
    }
}

#[cfg(test)]
mod tests;
