//! The bytes of a statistics file: a safetensors file of tables and, per kept level, records.

use std::collections::HashMap;

use blake3::{Hash, Hasher};
use pg_metrics::{DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, KeptLevel, LevelForm, SwdLayout};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use crate::StatsProtocol;

/// `__metadata__.format`
pub(crate) const FORMAT: &str = "pgstats";
/// `__metadata__.version`; another number means that the bytes mean something else.
pub(crate) const VERSION: &str = "1";
/// The longest header read; a header has some kilobytes.
pub(crate) const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes of a BLAKE3 digest.
pub(crate) const DIGEST_BYTES: usize = 32;

const KEYS: &str = "images.key";
const PIXELS: &str = "images.pixels_blake3";
const RECORDS: &str = "records.blake3";

/// What is told of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageRow {
    /// What its patch positions are drawn by.
    pub(crate) key: u64,
    /// BLAKE3 of its pixels, u8 `[3,R,R]`.
    pub(crate) pixels: Hash,
}

/// The tables of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) images: Vec<ImageRow>,
    /// Digest of each record, `[images][kept levels]`.
    pub(crate) records: Vec<Hash>,
}

impl Tables {
    pub(crate) fn empty(image_count: usize, kept: usize) -> Self {
        let none = Hash::from_bytes([0; DIGEST_BYTES]);
        Self {
            images: vec![ImageRow { key: 0, pixels: none }; image_count],
            records: vec![none; image_count * kept],
        }
    }

    /// What identifies a file: its protocol, its images and all its records.
    pub(crate) fn content(&self, protocol: &StatsProtocol) -> Hash {
        let mut hasher = Hasher::new();
        hasher.update(json!(protocol).to_string().as_bytes());
        hasher.update(&self.to_bytes());
        hasher.finalize()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let keys = self.images.iter().flat_map(|row| row.key.to_le_bytes());
        let pixels = self.images.iter().flat_map(|row| *row.pixels.as_bytes());
        keys.chain(pixels).chain(self.records.iter().flat_map(|hash| *hash.as_bytes())).collect()
    }

    /// Bytes of the tables of `image_count` images.
    pub(crate) fn bytes(image_count: usize, kept: usize) -> usize {
        image_count * (size_of::<u64>() + (1 + kept) * DIGEST_BYTES)
    }

    /// From [`Self::bytes`] bytes.
    pub(crate) fn from_bytes(bytes: &[u8], image_count: usize) -> Self {
        let (keys, digests) = bytes.split_at(image_count * size_of::<u64>());
        let mut digests = digests.as_chunks::<DIGEST_BYTES>().0.iter().map(|&hash| Hash::from_bytes(hash));
        let keys = keys.as_chunks::<8>().0.iter().map(|&key| u64::from_le_bytes(key));
        let images = keys.zip(&mut digests).map(|(key, pixels)| ImageRow { key, pixels }).collect();
        Self { images, records: digests.collect() }
    }
}

/// Where things are in a file.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// First byte after the header.
    pub(crate) data: u64,
    pub(crate) image_count: usize,
    patches_per_image: usize,
    kept: Vec<KeptLevel>,
}

impl Places {
    pub(crate) fn new(layout: &SwdLayout, image_count: usize, header_bytes: usize) -> Self {
        Self {
            data: header_bytes as u64,
            image_count,
            patches_per_image: layout.patches_per_image(),
            kept: layout.kept().to_vec(),
        }
    }

    pub(crate) fn kept(&self) -> &[KeptLevel] {
        &self.kept
    }

    pub(crate) fn record_bytes(&self, level: usize) -> usize {
        self.kept.get(level).map_or(0, |level| level.bytes(self.patches_per_image))
    }

    pub(crate) fn record(&self, level: usize, index: usize) -> u64 {
        let before: usize = (0..level).map(|level| self.record_bytes(level)).sum();
        let tables = Tables::bytes(self.image_count, self.kept.len());
        self.data + (tables + before * self.image_count + self.record_bytes(level) * index) as u64
    }

    /// Bytes of the whole file.
    pub(crate) fn end(&self) -> u64 {
        self.record(self.kept.len(), 0)
    }
}

/// The header of a file, its length included, for any content: that has always the same length.
pub(crate) fn header(
    protocol: &StatsProtocol,
    layout: &SwdLayout,
    image_count: usize,
    content: &Hash,
    provenance: &Value,
) -> Vec<u8> {
    let mut header = Map::new();
    let metadata = json!({
        "format": FORMAT,
        "version": VERSION,
        "protocol": json!(protocol).to_string(),
        "content": content.to_hex().as_str(),
        "provenance": provenance.to_string(),
    });
    header.insert("__metadata__".to_owned(), metadata);
    let mut start = 0;
    for (name, dtype, shape) in tensors(layout, image_count) {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let offsets = [start, start + bytes];
        header.insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
        start += bytes;
    }
    let mut text = Value::Object(header).to_string();
    // Tensors start at a multiple of 8 bytes.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes
}

/// Names, types and shapes, in the order of the file.
fn tensors(layout: &SwdLayout, n: usize) -> Vec<(String, Dtype, Vec<usize>)> {
    let mut tensors = vec![
        (KEYS.to_owned(), Dtype::U64, vec![n]),
        (PIXELS.to_owned(), Dtype::U8, vec![n, DIGEST_BYTES]),
        (RECORDS.to_owned(), Dtype::U8, vec![n, layout.kept().len(), DIGEST_BYTES]),
    ];
    tensors.extend(layout.kept().iter().map(|&KeptLevel { px, form }| {
        let (name, dtype, shape) = match form {
            LevelForm::Patches => {
                ("patches", Dtype::F32, vec![n, layout.patches_per_image(), DESCRIPTOR_LENGTH])
            }
            LevelForm::Gaussian => ("gaussian", Dtype::F32, vec![n, DESCRIPTOR_CHANNELS, px, px]),
            LevelForm::Pixels => ("pixels", Dtype::U8, vec![n, DESCRIPTOR_CHANNELS, px, px]),
        };
        (format!("swd.{px}.{name}"), dtype, shape)
    }));
    tensors
}

/// What a header says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) protocol: StatsProtocol,
    pub(crate) layout: SwdLayout,
    pub(crate) image_count: usize,
    pub(crate) content: Hash,
    pub(crate) provenance: Value,
}

/// Reads a header, its length included; the reason why it is none of this format otherwise.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<Header, String> {
    // Not by `SafeTensors::read_metadata`, which wants the tensors too.
    let text = bytes.get(size_of::<u64>()..).unwrap_or_default();
    let found: Metadata = serde_json::from_slice(text)
        .map_err(|error| format!("its header is no safetensors header: {error}"))?;
    let none = HashMap::new();
    let metadata = found.metadata().as_ref().unwrap_or(&none);
    let text = |name: &str| metadata.get(name).ok_or_else(|| format!("its header has no `{name}`"));
    let (format, version) = (text("format")?, text("version")?);
    if (format.as_str(), version.as_str()) != (FORMAT, VERSION) {
        return Err(format!(
            "its header says {format:?} version {version:?}, expected {FORMAT:?} version {VERSION:?}"
        ));
    }
    let protocol: StatsProtocol = serde_json::from_str(text("protocol")?)
        .map_err(|error| format!("`protocol` in its header: {error}"))?;
    let layout = protocol.layout().map_err(|error| format!("`protocol` in its header: {error}"))?;
    if layout.compared_px() != protocol.levels {
        return Err(format!("`protocol` in its header: levels {:?} are in disorder", protocol.levels));
    }
    let content = Hash::from_hex(text("content")?)
        .map_err(|error| format!("`content` in its header is no BLAKE3 digest: {error}"))?;
    let provenance = serde_json::from_str(text("provenance")?)
        .map_err(|error| format!("`provenance` in its header: {error}"))?;
    let tensor = |name: &str| found.info(name).ok_or_else(|| format!("it has no tensor `{name}`"));
    let image_count = tensor(KEYS)?.shape.first().copied().unwrap_or_default();
    let mut start = 0;
    for (name, dtype, shape) in tensors(&layout, image_count) {
        let info = tensor(&name)?;
        let values = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        let end = values.and_then(|n| n.checked_mul(dtype.bitsize() / 8)).and_then(|n| n.checked_add(start));
        if (info.dtype, &info.shape, Some(info.data_offsets)) != (dtype, &shape, end.map(|end| (start, end)))
        {
            return Err(format!(
                "its tensor `{name}` is {:?} {:?} at {:?}, expected {dtype:?} {shape:?} from {start} on",
                info.dtype, info.shape, info.data_offsets
            ));
        }
        start = info.data_offsets.1;
    }
    Ok(Header { protocol, layout, image_count, content, provenance })
}
