//! CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009), binary
//! version or Python version: the training images, RGB 32x32, and their (fine) classes.

pub(crate) mod archive;
mod pickle;

use std::path::{Path, PathBuf};

use pg_image::files::DecodeLimits;
use pg_image::{Planar, Raster};

use crate::errors::Fault;
use crate::labels::numbered;
use crate::{Collection, Content, Item, Labels, Opened, SourceError};
use archive::{Files, is_training_batch};
use pickle::{ArrayBytes, Pickle};

const SIDE: usize = 32;
/// Red, green and blue plane.
const PIXEL_BYTES: usize = 3 * SIDE * SIDE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cifar10,
    Cifar100,
}

impl Kind {
    fn classes(self) -> usize {
        if self == Self::Cifar10 { 10 } else { 100 }
    }

    /// Bytes before the pixels of a binary record: class, or coarse and fine class.
    fn label_bytes(self) -> usize {
        if self == Self::Cifar10 { 1 } else { 2 }
    }

    fn record_bytes(self) -> usize {
        self.label_bytes() + PIXEL_BYTES
    }
}

/// The images of one file.
#[derive(Debug)]
struct Batch {
    name: String,
    kind: Kind,
    bytes: Vec<u8>,
    /// Where the first image's pixels begin.
    start: usize,
    /// From one image's pixels to the next one's.
    stride: usize,
    classes: Vec<u32>,
}

#[derive(Debug)]
struct Cifar {
    batches: Vec<Batch>,
    /// Batch and place in it of every image.
    places: Vec<(usize, usize)>,
    labels: Labels,
}

/// True for a folder with CIFAR's training files, judged by names and first bytes.
pub(crate) fn is_in(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            is_training_batch(&name) && is_batch(&entry.path())
        })
    })
}

/// True for a file that begins like a pickle, or that is a whole number of binary records whose first
/// class is in range.
pub(crate) fn is_batch(path: &Path) -> bool {
    let Ok(file) = crate::positioned_file::PositionedFile::open(path) else { return false };
    let Ok(head) = file.read(0, 2.min(file.bytes()), "the first bytes") else { return false };
    let records = |kind: Kind| file.bytes() > 0 && file.bytes().is_multiple_of(kind.record_bytes() as u64);
    match head[..] {
        [0x80, 2..=5] => true,
        [class, _] if records(Kind::Cifar10) && class < 10 => true,
        [coarse, fine] => records(Kind::Cifar100) && coarse < 20 && fine < 100,
        _ => false,
    }
}

/// Opens a folder, a tar archive or one file; all images are held in memory.
pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
    let mut files = archive::read(path)?;
    let mut names: Vec<String> = files.keys().filter(|name| is_training_batch(name)).cloned().collect();
    if let Some(own) = path.file_name().map(|name| name.to_string_lossy().into_owned())
        && path.is_file()
        && files.contains_key(&own)
    {
        names = vec![own];
    }
    // data_batch_10 behind data_batch_9.
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    if names.is_empty() {
        return Err(SourceError::NoImages {
            path: path.to_owned(),
            expected: "data_batch_1 … data_batch_5 or train, with or without .bin",
        });
    }
    let mut batches: Vec<Batch> = Vec::with_capacity(names.len());
    for name in names {
        let bytes = files.remove(&name).unwrap_or_default();
        let at = if path.ends_with(&name) { path.to_owned() } else { path.join(&name) };
        let batch = read_batch(name, bytes).map_err(|fault| fault.in_file(&at, 0))?;
        if let Some(other) = batches.first().filter(|first| first.kind != batch.kind) {
            let detail =
                format!("{} and {} are not of one dataset: name one of them", other.name, batch.name);
            return Err(SourceError::Unsupported { path: path.to_owned(), detail });
        }
        batches.push(batch);
    }
    let kind = batches.first().map_or(Kind::Cifar10, |batch| batch.kind);
    let classes: Vec<u32> = batches.iter().flat_map(|batch| &batch.classes).copied().collect();
    let labels = Labels::from_classes(class_names(path, &files, kind)?, classes).ok_or_else(|| {
        let detail = "expected names of classes that are all different".to_owned();
        SourceError::Labels { path: path.to_owned(), detail }
    })?;
    let mut items = Vec::new();
    let mut places = Vec::new();
    for (b, batch) in batches.iter().enumerate() {
        for i in 0..batch.classes.len() {
            items.push(Item { name: format!("{}/{i:05}", batch.name), bytes: PIXEL_BYTES as u64 });
            places.push((b, i));
        }
    }
    Ok(Opened::new(items, Cifar { batches, places, labels }))
}

impl Collection for Cifar {
    fn read(&self, index: usize, _: &DecodeLimits) -> Result<Content, SourceError> {
        let place = self.places.get(index);
        let pixels = place.and_then(|&(b, i)| {
            let batch = self.batches.get(b)?;
            let start = batch.start + i * batch.stride;
            batch.bytes.get(start..start + PIXEL_BYTES)
        });
        pixels
            .and_then(|pixels| Planar::from_data(3, SIDE, SIDE, pixels.to_vec()))
            .and_then(|planar| Raster::from_planar(&planar))
            .map(Content::Pixels)
            .ok_or(SourceError::NoItem { index, items: self.places.len() })
    }

    fn labels(&self, _: &[Item]) -> Result<Option<Labels>, SourceError> {
        Ok(Some(self.labels.clone()))
    }
}

fn read_batch(name: String, bytes: Vec<u8>) -> Result<Batch, Fault> {
    if bytes.first() == Some(&0x80) { read_pickle(name, bytes) } else { read_binary(name, bytes) }
}

fn read_binary(name: String, bytes: Vec<u8>) -> Result<Batch, Fault> {
    let fits = |kind: Kind| bytes.len().is_multiple_of(kind.record_bytes());
    let kind = if name.starts_with("data_batch") || name.starts_with("test_batch") {
        Kind::Cifar10
    } else if name.starts_with("train") || name.starts_with("test") || !fits(Kind::Cifar10) {
        Kind::Cifar100
    } else {
        Kind::Cifar10
    };
    let record = kind.record_bytes();
    if !fits(kind) || bytes.is_empty() {
        let expected = format!("records of {record} bytes (CIFAR-{})", kind.classes());
        return Err(Fault::new(
            bytes.len() - bytes.len() % record,
            expected,
            format!("{} bytes", bytes.len() % record),
        ));
    }
    let mut classes = Vec::with_capacity(bytes.len() / record);
    for (i, chunk) in bytes.chunks_exact(record).enumerate() {
        // The fine class comes second.
        let at = kind.label_bytes() - 1;
        let class = chunk.get(at).copied().unwrap_or(u8::MAX);
        if usize::from(class) >= kind.classes() {
            let expected = format!("a class below {}", kind.classes());
            return Err(Fault::new(i * record + at, expected, class.to_string()));
        }
        classes.push(u32::from(class));
    }
    Ok(Batch { name, kind, start: kind.label_bytes(), stride: record, classes, bytes })
}

fn read_pickle(name: String, bytes: Vec<u8>) -> Result<Batch, Fault> {
    let pickle = Pickle::parse(&bytes)?;
    let wrong = |expected: &str, found: &str| Fault::new(0, expected, found);
    let (kind, labels) = match (pickle.get("labels"), pickle.get("fine_labels")) {
        (_, Some(fine)) => (Kind::Cifar100, fine),
        (Some(labels), None) => (Kind::Cifar10, labels),
        (None, None) => return Err(wrong("a dictionary with labels or fine_labels", "none")),
    };
    let classes: Option<Vec<u32>> = pickle
        .integers(labels)
        .and_then(|labels| labels.into_iter().map(|n| u32::try_from(n).ok()).collect());
    let classes = classes
        .filter(|classes| classes.iter().all(|&class| (class as usize) < kind.classes()))
        .ok_or_else(|| wrong(&format!("a list of classes below {}", kind.classes()), "other labels"))?;
    let data = pickle.get("data").ok_or_else(|| wrong("a dictionary with data", "none"))?;
    let (shape, data) = pickle.u8_array(data).map_err(|found| wrong("an array of u8, [n,3072]", &found))?;
    if shape != [classes.len(), PIXEL_BYTES] {
        let expected = format!("data of shape [{}, {PIXEL_BYTES}], a row per label", classes.len());
        return Err(wrong(&expected, &format!("{shape:?}")));
    }
    let (start, bytes) = match data {
        ArrayBytes::InFile(range) => (range.start, bytes),
        ArrayBytes::Decoded(decoded) => (0, decoded),
    };
    Ok(Batch { name, kind, bytes, start, stride: PIXEL_BYTES, classes })
}

/// The names in the files beside the images; numbers where there are none.
fn class_names(path: &Path, files: &Files, kind: Kind) -> Result<Vec<String>, SourceError> {
    let (text, pickled, key) = match kind {
        Kind::Cifar10 => ("batches.meta.txt", "batches.meta", "label_names"),
        Kind::Cifar100 => ("fine_label_names.txt", "meta", "fine_label_names"),
    };
    let at =
        |name: &str| -> PathBuf { if path.is_dir() { path.join(name) } else { path.with_file_name(name) } };
    let (names, file) = if let Some(bytes) = files.get(text) {
        let text_names = String::from_utf8_lossy(bytes);
        let lines = text_names.lines().map(str::trim).filter(|line| !line.is_empty());
        (lines.map(str::to_owned).collect(), at(text))
    } else if let Some(bytes) = files.get(pickled) {
        let pickle = Pickle::parse(bytes).map_err(|fault| fault.in_file(&at(pickled), 0))?;
        (pickle.get(key).and_then(|names| pickle.strings(names)).unwrap_or_default(), at(pickled))
    } else {
        return Ok(numbered(kind.classes()));
    };
    if names.len() != kind.classes() {
        let detail = format!("{} class names, expected {}", names.len(), kind.classes());
        return Err(SourceError::Labels { path: file, detail });
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
