//! Reading: a finished dataset, checked against its manifest and memory-mapped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pg_image::Resolution;
use safetensors::{Dtype, SafeTensors};

use crate::format::{
    IMAGES_TENSOR, LABELS_TENSOR, MAX_HEADER_BYTES, image_bytes, index_path, labels_path, shard_path,
};
use crate::manifest::{IndexLine, Manifest};
use crate::mapped_file::MappedFile;
use crate::{FileEntry, ShardError};

/// A finished dataset. Cloning is cheap; clones share the maps.
#[derive(Debug, Clone)]
pub struct Dataset {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    manifest: Manifest,
    resolutions: Vec<Resolution>,
    /// One per resolution, ascending.
    levels: Vec<Level>,
    /// Where there are labels: one per shard with images.
    labels: Vec<MappedShard>,
}

/// One resolution of a dataset: images u8 `[C,R,R]`, values 0..=255. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Level {
    inner: Arc<LevelInner>,
}

#[derive(Debug)]
struct LevelInner {
    resolution: Resolution,
    channels: usize,
    len: usize,
    shards: Vec<MappedShard>,
}

#[derive(Debug)]
struct MappedShard {
    /// Index in the dataset of the shard's first image.
    first: usize,
    file: MappedFile,
    /// Bytes before the first image or label row.
    data_start: usize,
}

impl Dataset {
    /// Opens the dataset in folder `path`: reads `dataset.json`, checks the length of every file and
    /// the safetensors header of every shard against it, maps the shards. Reads no pixel and computes
    /// no checksum (see [`crate::check_file`]).
    ///
    /// # Errors
    /// Those of [`Manifest::read`]; [`ShardError::Missing`], [`ShardError::FileLength`],
    /// [`ShardError::Header`] where a file does not match the manifest; [`ShardError::Io`].
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        let manifest = Manifest::read(path)?;
        for file in &manifest.files {
            check_length(path, file)?;
        }
        let resolutions = manifest.levels();
        let levels =
            resolutions.iter().map(|&r| Level::open(path, &manifest, r)).collect::<Result<Vec<_>, _>>()?;
        let labels = open_labels(path, &manifest)?;
        let inner = Inner { folder: path.to_owned(), manifest, resolutions, levels, labels };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What `dataset.json` says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.manifest.images as usize
    }

    /// True when there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values per pixel: 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.inner.manifest.channels
    }

    /// The levels, ascending; never empty.
    #[must_use]
    pub fn resolutions(&self) -> &[Resolution] {
        &self.inner.resolutions
    }

    /// The level of side `r`.
    ///
    /// # Errors
    /// [`ShardError::NoLevel`].
    pub fn level(&self, r: Resolution) -> Result<Level, ShardError> {
        match self.inner.resolutions.binary_search(&r) {
            Ok(i) => Ok(self.inner.levels[i].clone()),
            Err(_) => Err(ShardError::NoLevel {
                path: self.inner.folder.clone(),
                resolution: r.pixels(),
                available: self
                    .inner
                    .resolutions
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// Names of the L label columns; `None` where the dataset has no labels.
    #[must_use]
    pub fn label_names(&self) -> Option<&[String]> {
        self.inner.manifest.label_names.as_deref()
    }

    /// The L label values of image `index`; `None` beyond the last and where there are no labels.
    #[must_use]
    pub fn label(&self, index: usize) -> Option<Vec<f32>> {
        let row_bytes = 4 * self.label_names()?.len();
        if index >= self.len() {
            return None;
        }
        let after = self.inner.labels.partition_point(|s| s.first <= index);
        let shard = self.inner.labels.get(after.checked_sub(1)?)?;
        let start = shard.data_start + (index - shard.first) * row_bytes;
        let row = shard.file.bytes().get(start..start + row_bytes)?;
        Some(row.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
    }

    /// Where the images of a shard come from, in their order; the file is read each time.
    ///
    /// # Errors
    /// [`ShardError::Io`]; [`ShardError::Malformed`] for a line that is no index line or a wrong number
    /// of lines.
    pub fn index_of_shard(&self, position: usize) -> Result<Vec<IndexLine>, ShardError> {
        let Some(shard) = self.inner.manifest.shards.get(position) else { return Ok(Vec::new()) };
        let path = self.inner.folder.join(index_path(shard.shard));
        let text = fs::read_to_string(&path).map_err(|source| ShardError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| {
                serde_json::from_str(line).map_err(|e| ShardError::Malformed {
                    path: path.clone(),
                    detail: format!("line {}: {e}", i + 1),
                })
            })
            .collect::<Result<Vec<IndexLine>, _>>()?;
        if lines.len() != shard.images {
            let detail = format!("{} lines, expected one for each of {} images", lines.len(), shard.images);
            return Err(ShardError::Malformed { path, detail });
        }
        Ok(lines)
    }

    /// Identifies the pixels: hexadecimal BLAKE3 over path, length and BLAKE3 of every level and label
    /// file in the manifest's order. The index (where images came from) does not count.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in self.inner.manifest.files.iter().filter(|f| !f.path.starts_with("index/")) {
            hasher.update(format!("{} {} {}\n", file.path, file.bytes, file.blake3).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl Level {
    fn open(folder: &Path, manifest: &Manifest, resolution: Resolution) -> Result<Self, ShardError> {
        let channels = manifest.channels;
        let r = resolution.pixels();
        let shards = map_shards(
            folder,
            manifest,
            |shard| shard_path(resolution, shard),
            |bytes, images| data_start(bytes, IMAGES_TENSOR, Dtype::U8, &[images, channels, r, r]),
        )?;
        let len = manifest.shards.iter().map(|shard| shard.images).sum();
        Ok(Self { inner: Arc::new(LevelInner { resolution, channels, len, shards }) })
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// True when there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// The side R.
    #[must_use]
    pub fn resolution(&self) -> Resolution {
        self.inner.resolution
    }

    /// Values per pixel C: 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.inner.channels
    }

    /// Image `index`, u8 `[C,R,R]`, straight from the map; `None` beyond the last.
    #[must_use]
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        if index >= self.inner.len {
            return None;
        }
        let after = self.inner.shards.partition_point(|s| s.first <= index);
        let shard = self.inner.shards.get(after.checked_sub(1)?)?;
        let bytes = image_bytes(self.inner.channels, self.inner.resolution);
        let start = shard.data_start + (index - shard.first) * bytes;
        shard.file.bytes().get(start..start + bytes)
    }
}

pub(crate) fn check_length(folder: &Path, file: &FileEntry) -> Result<(), ShardError> {
    let path = folder.join(&file.path);
    match fs::metadata(&path) {
        Ok(m) if m.is_file() && m.len() == file.bytes => Ok(()),
        Ok(m) => Err(ShardError::FileLength { path, expected: file.bytes, found: m.len() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(ShardError::Missing { path }),
        Err(source) => Err(ShardError::Io { action: "read", path, source }),
    }
}

fn open_labels(folder: &Path, manifest: &Manifest) -> Result<Vec<MappedShard>, ShardError> {
    let Some(names) = &manifest.label_names else { return Ok(Vec::new()) };
    map_shards(folder, manifest, labels_path, |bytes, images| {
        data_start(bytes, LABELS_TENSOR, Dtype::F32, &[images, names.len()])
    })
}

/// Maps one file of every shard that has images; `check` finds where its data begin.
fn map_shards(
    folder: &Path,
    manifest: &Manifest,
    path_of: impl Fn(usize) -> String,
    check: impl Fn(&[u8], usize) -> Result<usize, String>,
) -> Result<Vec<MappedShard>, ShardError> {
    let mut shards = Vec::with_capacity(manifest.shards.len());
    let mut first = 0_usize;
    for shard in manifest.shards.iter().filter(|s| s.images > 0) {
        let path = folder.join(path_of(shard.shard));
        let file = MappedFile::open(&path).map_err(|source| ShardError::Io {
            action: "map",
            path: path.clone(),
            source,
        })?;
        let data_start =
            check(file.bytes(), shard.images).map_err(|detail| ShardError::Header { path, detail })?;
        shards.push(MappedShard { first, file, data_start });
        first += shard.images;
    }
    Ok(shards)
}

/// Where the data of a shard begin, once its header says exactly one tensor of this name, type and
/// shape.
fn data_start(bytes: &[u8], name: &str, dtype: Dtype, shape: &[usize]) -> Result<usize, String> {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let Some(length) = length.filter(|&n| n <= MAX_HEADER_BYTES) else {
        return Err(format!("expected a header of at most {MAX_HEADER_BYTES} bytes, found {length:?}"));
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let names = tensors.names();
    if names != [name] {
        return Err(format!("expected the one tensor {name:?}, found {names:?}"));
    }
    let tensor = tensors.tensor(name).map_err(|e| e.to_string())?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let (found, found_shape) = (tensor.dtype(), tensor.shape());
        return Err(format!("expected {dtype:?} {shape:?}, found {found:?} {found_shape:?}"));
    }
    Ok(8 + length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::shard_header;

    fn shard(images: usize) -> Vec<u8> {
        let mut bytes = shard_header(images, 3, Resolution::MIN);
        bytes.resize(bytes.len() + images * 48, 7);
        bytes
    }

    fn images_start(bytes: &[u8], [n, c, r]: [usize; 3]) -> Result<usize, String> {
        data_start(bytes, IMAGES_TENSOR, Dtype::U8, &[n, c, r, r])
    }

    #[test]
    fn a_header_as_written_is_accepted() {
        assert_eq!(images_start(&shard(2), [2, 3, 4]), Ok(crate::format::HEADER_BYTES));
    }

    #[test]
    fn another_shape_than_the_manifests_is_refused() {
        let error = images_start(&shard(2), [3, 3, 4]).unwrap_err();
        assert_eq!(error, "expected U8 [3, 3, 4, 4], found U8 [2, 3, 4, 4]");
    }

    #[test]
    fn a_huge_header_length_is_refused_before_it_is_believed() {
        let mut bytes = shard(1);
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(images_start(&bytes, [1, 3, 4]).unwrap_err().contains("at most 1048576 bytes"));
    }

    #[test]
    fn another_tensor_name_is_refused() {
        let mut bytes = shard(1);
        let at = bytes.windows(6).position(|w| w == b"images").unwrap();
        bytes[at..at + 6].copy_from_slice(b"pixels");
        assert!(images_start(&bytes, [1, 3, 4]).unwrap_err().contains("pixels"));
    }

    #[test]
    fn any_cut_of_a_shard_is_refused() {
        let bytes = shard(1);
        for length in 0..bytes.len() {
            assert!(images_start(&bytes[..length], [1, 3, 4]).is_err(), "{length}");
        }
    }
}
