//! ProGAN's TFRecord datasets (also StyleGAN's and StyleGAN2's): one file per level, `NAME-rNN.tfrecords` with NN =
//! log2 of the side, and labels in `NAME-rxx.labels`, a `.npy` matrix of f32.

mod example;
mod export;
pub(crate) mod framing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[cfg(test)]
use pg_image::Resolution;
use pg_image::files::{DecodeLimits, FilesError, read_bytes};
use pg_image::{Planar, Raster};

pub use export::TfRecordFile;
use export::labels_file_name;
use framing::{Frame, frames, read};

use crate::errors::io_error;
use crate::labels::numbered;
use crate::positioned_file::PositionedFile;
use crate::{Collection, Content, Item, Labels, Opened, SourceError, npy};

const EXTENSION: &str = ".tfrecords";
const MAX_LABEL_BYTES: u64 = 4 << 30;

#[derive(Debug)]
struct Level {
    file: PositionedFile,
    frames: Vec<Frame>,
    labels: Option<PathBuf>,
}

/// NAME and NN of `NAME-rNN.tfrecords`.
pub(crate) fn name_and_level(file_name: &str) -> Option<(&str, u32)> {
    let (name, level) = file_name.strip_suffix(EXTENSION)?.rsplit_once("-r")?;
    (level.len() == 2).then(|| level.parse().ok()).flatten().map(|level| (name, level))
}

/// True for a folder with a level file in it.
pub(crate) fn is_in(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|e| name_and_level(&e.file_name().to_string_lossy()).is_some()))
    })
}

/// Opens the finest level in a folder, or one file.
pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
    let path = if path.is_dir() { finest_level(path)? } else { path.to_owned() };
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = PositionedFile::open(&path)?;
    let frames = frames(&file)?;
    let items = frames
        .iter()
        .enumerate()
        .map(|(i, frame)| Item { name: format!("{file_name}/{i:06}"), bytes: frame.length })
        .collect();
    let labels = name_and_level(&file_name)
        .map(|(name, _)| path.with_file_name(labels_file_name(name)))
        .filter(|labels| labels.is_file());
    Ok(Opened::new(items, Level { file, frames, labels }))
}

fn finest_level(folder: &Path) -> Result<PathBuf, SourceError> {
    let mut names = BTreeSet::new();
    let mut finest: Option<(u32, PathBuf)> = None;
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((name, level)) = name_and_level(&file_name) else { continue };
        names.insert(name.to_owned());
        if finest.as_ref().is_none_or(|(best, _)| level > *best) {
            finest = Some((level, path));
        }
    }
    if names.len() > 1 {
        let names: Vec<String> = names.into_iter().collect();
        return Err(SourceError::Unsupported {
            path: folder.to_owned(),
            detail: format!("it holds several datasets ({}): name one file of them", names.join(", ")),
        });
    }
    finest.map(|(_, path)| path).ok_or_else(|| SourceError::NoImages {
        path: folder.to_owned(),
        expected: "files called NAME-rNN.tfrecords",
    })
}

impl Collection for Level {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        let frame = *self.frames.get(index).ok_or(SourceError::NoItem { index, items: self.frames.len() })?;
        if frame.length > limits.max_bytes {
            return Err(FilesError::TooManyBytes {
                path: self.file.path().to_owned(),
                bytes: frame.length,
                max_bytes: limits.max_bytes,
            }
            .into());
        }
        let message = read(&self.file, frame)?;
        let picture = example::parse(&message).map_err(|f| f.in_file(self.file.path(), frame.offset))?;
        let (height, width) = (picture.height, picture.width);
        let data = message.get(picture.data).unwrap_or_default().to_vec();
        let raster = Planar::from_data(picture.channels, height, width, data)
            .and_then(|planar| Raster::from_planar(&planar));
        // The sizes were compared when the message was parsed.
        raster
            .map(Content::Pixels)
            .ok_or_else(|| self.file.damaged(frame.offset, "a picture", format!("{width}x{height} pixels")))
    }

    fn labels(&self, items: &[Item]) -> Result<Option<Labels>, SourceError> {
        let Some(path) = &self.labels else { return Ok(None) };
        let limits = DecodeLimits { max_bytes: MAX_LABEL_BYTES, ..DecodeLimits::default() };
        let matrix = npy::parse(&read_bytes(path, &limits)?).map_err(|fault| fault.in_file(path, 0))?;
        let wrong = |detail: String| SourceError::Labels { path: path.clone(), detail };
        if matrix.rows != items.len() {
            return Err(wrong(format!(
                "{} rows, expected one for each of {} images",
                matrix.rows,
                items.len()
            )));
        }
        if matrix.columns == 0 {
            return Ok(None);
        }
        let columns = matrix.columns;
        Labels::from_vectors(numbered(columns.min(crate::MAX_LABELS + 1)), matrix.values)
            .map(Some)
            .ok_or_else(|| {
                wrong(format!("{columns} columns of finite numbers, expected at most {}", crate::MAX_LABELS))
            })
    }
}

#[cfg(test)]
mod tests;
