//! Reading: a finished dataset, checked against its manifest and memory-mapped.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pg_image::Resolution;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::codec::{compressed_bound, decompress};
use crate::format::{
    DATA_TENSOR, IMAGES_TENSOR, LABELS_TENSOR, MAX_HEADER_BYTES, OFFSETS_TENSOR, image_bytes, labels_path,
    shard_path,
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
    /// Those opened, ascending: one per resolution unless a part was opened.
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
    compressed: bool,
    shards: Vec<MappedShard>,
}

/// A shard's file whose header is as expected.
#[derive(Debug)]
pub(crate) struct MappedShard {
    /// Index in the dataset of the shard's first image.
    first: usize,
    path: PathBuf,
    file: MappedFile,
    /// Bytes before the first image or label row.
    data_start: usize,
    /// Bytes before the offsets of compressed images; 0 where they are raw.
    offsets_start: usize,
}

/// Where the parts of a shard's file begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Places {
    data: usize,
    offsets: usize,
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

    /// As [`open`](Self::open), of a folder that holds the manifest and, of the other files, only those of
    /// [`Manifest::files_of_levels`]. With no level only what the manifest tells can be asked for; a level
    /// that is not among `levels` is as if it did not exist.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_part(path: &Path, levels: &[Resolution]) -> Result<Self, ShardError> {
        let manifest = Manifest::read(path)?;
        for file in manifest.files_of_levels(levels) {
            check_length(path, file)?;
        }
        let resolutions = manifest.levels();
        let opened = resolutions.iter().filter(|r| levels.contains(r));
        let opened = opened.map(|&r| Level::open(path, &manifest, r)).collect::<Result<Vec<_>, _>>()?;
        let labels = if levels.is_empty() { Vec::new() } else { open_labels(path, &manifest)? };
        let inner = Inner { folder: path.to_owned(), manifest, resolutions, levels: opened, labels };
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
        self.level_of_side(r.into())
    }

    /// The level whose images have `side` pixels in a row.
    ///
    /// # Errors
    /// [`ShardError::NoLevel`].
    pub fn level_of_side(&self, side: u32) -> Result<Level, ShardError> {
        let inner = &self.inner;
        let found = inner.levels.iter().find(|level| u32::from(level.resolution()) == side);
        found.cloned().ok_or_else(|| ShardError::NoLevel {
            path: inner.folder.clone(),
            resolution: side as usize,
            available: inner.resolutions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
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
        self.inner.manifest.index_of_shard(&self.inner.folder, position)
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
        let (channels, compressed) = (manifest.channels, manifest.codec.compresses(resolution));
        let shards = map_shards(
            folder,
            manifest,
            |shard| shard_path(resolution, shard),
            |bytes, images| image_places(bytes, images, channels, resolution, compressed),
        )?;
        let len = manifest.shards.iter().map(|shard| shard.images).sum();
        Ok(Self { inner: Arc::new(LevelInner { resolution, channels, len, compressed, shards }) })
    }

    /// The level as far as one shard holds it, whatever the others are like.
    pub(crate) fn open_shard(
        folder: &Path,
        manifest: &Manifest,
        resolution: Resolution,
        shard: usize,
    ) -> Result<Self, ShardError> {
        let mut only = manifest.clone();
        only.shards.retain(|entry| entry.shard == shard);
        Self::open(folder, &only, resolution)
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

    /// Image `index`, u8 `[C,R,R]`: straight from the map, or decoded where it is stored compressed.
    ///
    /// # Errors
    /// [`ShardError::NoImage`] beyond the last; [`ShardError::DamagedImage`] for one that does not decode.
    pub fn image(&self, index: usize) -> Result<Cow<'_, [u8]>, ShardError> {
        let inner = &self.inner;
        let resolution = inner.resolution.pixels();
        let none = || ShardError::NoImage { index, resolution, images: inner.len };
        let after = inner.shards.partition_point(|s| s.first <= index);
        let shard = after.checked_sub(1).and_then(|i| inner.shards.get(i)).filter(|_| index < inner.len);
        let shard = shard.ok_or_else(none)?;
        let position = index - shard.first;
        if !inner.compressed {
            let bytes = image_bytes(inner.channels, inner.resolution);
            let start = shard.data_start + position * bytes;
            return shard.file.bytes().get(start..start + bytes).map(Cow::Borrowed).ok_or_else(none);
        }
        let damaged = |detail: String| ShardError::DamagedImage { path: shard.path.clone(), index, detail };
        let bytes = shard.compressed_image(position).ok_or_else(|| damaged("its offsets".to_owned()))?;
        decompress(bytes, inner.channels, inner.resolution).map(Cow::Owned).map_err(damaged)
    }
}

impl MappedShard {
    fn compressed_image(&self, position: usize) -> Option<&[u8]> {
        let bytes = self.file.bytes();
        let offset = |i: usize| offset_at(bytes, self.offsets_start, i);
        let range: Range<usize> = self.data_start.checked_add(offset(position)?)?
            ..self.data_start.checked_add(offset(position + 1)?)?;
        bytes.get(range)
    }
}

fn offset_at(bytes: &[u8], start: usize, i: usize) -> Option<usize> {
    let at = bytes.get(start + 8 * i..)?.first_chunk::<8>()?;
    usize::try_from(u64::from_le_bytes(*at)).ok()
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
    check: impl Fn(&[u8], usize) -> Result<Places, String>,
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
        let places = check(file.bytes(), shard.images)
            .map_err(|detail| ShardError::Header { path: path.clone(), detail })?;
        shards.push(MappedShard {
            first,
            path,
            file,
            data_start: places.data,
            offsets_start: places.offsets,
        });
        first += shard.images;
    }
    Ok(shards)
}

/// Where the images of a level's file are, once its header and offsets are as expected.
fn image_places(
    bytes: &[u8],
    images: usize,
    channels: usize,
    resolution: Resolution,
    compressed: bool,
) -> Result<Places, String> {
    let r = resolution.pixels();
    if !compressed {
        return data_start(bytes, IMAGES_TENSOR, Dtype::U8, &[images, channels, r, r]);
    }
    let tensors = tensors(bytes)?;
    let mut names = tensors.names();
    names.sort_unstable();
    if names != [DATA_TENSOR, OFFSETS_TENSOR] {
        return Err(format!("expected the tensors {DATA_TENSOR:?} and {OFFSETS_TENSOR:?}, found {names:?}"));
    }
    let (data, offsets) = (
        tensors.tensor(DATA_TENSOR).map_err(|e| e.to_string())?,
        tensors.tensor(OFFSETS_TENSOR).map_err(|e| e.to_string())?,
    );
    let total = data.data().len();
    expect(&data, Dtype::U8, &[total])?;
    expect(&offsets, Dtype::U64, &[images + 1])?;
    // Both lie in `bytes`, in this order or the other.
    let place = |part: &[u8]| part.as_ptr().addr() - bytes.as_ptr().addr();
    let places = Places { data: place(data.data()), offsets: place(offsets.data()) };
    let bound = compressed_bound(image_bytes(channels, resolution));
    let mut end = 0;
    for i in 0..=images {
        let offset = offset_at(bytes, places.offsets, i).filter(|&o| (end..=total).contains(&o));
        match offset {
            Some(offset) if offset - end <= bound && (i > 0 || offset == 0) => end = offset,
            _ => return Err(format!("offset {i} lies outside of what it may be")),
        }
    }
    if total - end >= 8 {
        return Err(format!("the last image ends at {end} of {total} bytes"));
    }
    Ok(places)
}

/// Where the data of a shard begin, once its header says exactly one tensor of this name, type and
/// shape.
fn data_start(bytes: &[u8], name: &str, dtype: Dtype, shape: &[usize]) -> Result<Places, String> {
    let tensors = tensors(bytes)?;
    let names = tensors.names();
    if names != [name] {
        return Err(format!("expected the one tensor {name:?}, found {names:?}"));
    }
    let tensor = tensors.tensor(name).map_err(|e| e.to_string())?;
    expect(&tensor, dtype, shape)?;
    Ok(Places { data: bytes.len() - tensor.data().len(), offsets: 0 })
}

fn tensors(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    if length.is_none_or(|n| n > MAX_HEADER_BYTES) {
        return Err(format!("expected a header of at most {MAX_HEADER_BYTES} bytes, found {length:?}"));
    }
    SafeTensors::deserialize(bytes).map_err(|e| e.to_string())
}

fn expect(tensor: &TensorView<'_>, dtype: Dtype, shape: &[usize]) -> Result<(), String> {
    let (found, found_shape) = (tensor.dtype(), tensor.shape());
    if found == dtype && found_shape == shape {
        return Ok(());
    }
    Err(format!("expected {dtype:?} {shape:?}, found {found:?} {found_shape:?}"))
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
        data_start(bytes, IMAGES_TENSOR, Dtype::U8, &[n, c, r, r]).map(|places| places.data)
    }

    /// A shard of compressed 32 px images with these offsets over `data` bytes.
    fn compressed(offsets: &[u64], data: usize) -> Result<Places, String> {
        let mut bytes = crate::format::compressed_header(offsets.len() - 1, data as u64);
        bytes.resize(bytes.len() + data, 7);
        bytes.extend(offsets.iter().flat_map(|o| o.to_le_bytes()));
        image_places(&bytes, 2, 3, Resolution::new(32).unwrap(), true)
    }

    #[test]
    fn offsets_of_compressed_images_are_checked_before_they_are_believed() {
        assert_eq!(compressed(&[0, 10, 19], 24), Ok(Places { data: 256, offsets: 280 }));
        for (offsets, data, expected) in [
            (&[0, 10, 11][..], 24, "the last image ends at 11 of 24 bytes"),
            (&[1, 10, 19], 24, "offset 0 lies outside"),
            (&[0, 20, 19], 24, "offset 2 lies outside"),
            (&[0, 10, 25], 24, "offset 2 lies outside"),
            (&[0, u64::MAX, 19], 24, "offset 1 lies outside"),
            (&[0, 5000, 9998], 10_000, "offset 1 lies outside"),
            (&[0, 10, 15, 19], 24, "expected U64 [3], found U64 [4]"),
        ] {
            let error = compressed(offsets, data).unwrap_err();
            assert!(error.contains(expected), "{offsets:?}: {error}");
        }
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
