//! The bytes of a statistics file: a safetensors file of tables and, per kind of record, records.

use std::collections::HashMap;

use blake3::{Hash, Hasher};
use pg_metrics::SwdLayout;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use crate::StatsProtocol;
use crate::records::{RecordKind, kinds};

/// `__metadata__.format`
pub(crate) const FORMAT: &str = "pgstats";
/// `__metadata__.version`; another number means that the bytes mean something else.
pub(crate) const VERSION: &str = "3";
/// The version before: without [`HEADER_DIGEST`].
const VERSION_2: &str = "2";
/// BLAKE3 of the header's text, in which zeros stand for it.
const HEADER_DIGEST: &str = "header_blake3";
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest header read; a header has some kilobytes.
pub(crate) const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes of a BLAKE3 digest.
pub(crate) const DIGEST_BYTES: usize = 32;

const KEYS: &str = "images.key";
const PIXELS: &str = "images.pixels_blake3";
const RECORDS: &str = "records.blake3";
const MEAN: &str = "network.mean";
const COVARIANCE: &str = "network.covariance";

/// What is told of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageRow {
    /// What its patch positions are drawn by.
    pub(crate) key: u64,
    /// BLAKE3 of its pixels, u8 `[3,H,W]`.
    pub(crate) pixels: Hash,
}

/// The tables of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) images: Vec<ImageRow>,
    /// Digest of each record, `[images][kinds of records]`.
    pub(crate) records: Vec<Hash>,
}

impl Tables {
    pub(crate) fn empty(image_count: usize, kinds: usize) -> Self {
        let none = Hash::from_bytes([0; DIGEST_BYTES]);
        Self {
            images: vec![ImageRow { key: 0, pixels: none }; image_count],
            records: vec![none; image_count * kinds],
        }
    }

    /// What identifies a file: its protocol, its images and all its records, or `moments` in their place.
    pub(crate) fn content(&self, protocol: &StatsProtocol, moments: &[u8]) -> Hash {
        let mut hasher = Hasher::new();
        hasher.update(json!(protocol).to_string().as_bytes());
        hasher.update(&self.to_bytes());
        hasher.update(moments);
        hasher.finalize()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let keys = self.images.iter().flat_map(|row| row.key.to_le_bytes());
        let pixels = self.images.iter().flat_map(|row| *row.pixels.as_bytes());
        keys.chain(pixels).chain(self.records.iter().flat_map(|hash| *hash.as_bytes())).collect()
    }

    /// Bytes of the tables of `image_count` images.
    pub(crate) fn bytes(image_count: usize, kinds: usize) -> usize {
        image_count * (size_of::<u64>() + (1 + kinds) * DIGEST_BYTES)
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
    kinds: Vec<RecordKind>,
    /// Bytes behind the records.
    moments: usize,
}

impl Places {
    pub(crate) fn new(
        protocol: &StatsProtocol,
        kinds: Vec<RecordKind>,
        images: usize,
        header: usize,
    ) -> Self {
        let moments =
            moment_tensors(protocol).iter().filter_map(|(_, shape)| tensor_bytes(Dtype::F64, shape)).sum();
        Self { data: header as u64, image_count: images, kinds, moments }
    }

    pub(crate) fn kinds(&self) -> &[RecordKind] {
        &self.kinds
    }

    pub(crate) fn record_bytes(&self, kind: usize) -> usize {
        self.kinds.get(kind).and_then(RecordKind::bytes).unwrap_or_default()
    }

    pub(crate) fn record(&self, kind: usize, index: usize) -> u64 {
        let before: usize = (0..kind).map(|kind| self.record_bytes(kind)).sum();
        let tables = Tables::bytes(self.image_count, self.kinds.len());
        self.data + (tables + before * self.image_count + self.record_bytes(kind) * index) as u64
    }

    /// Where mean and covariance are, and their bytes.
    pub(crate) fn moments(&self) -> (u64, usize) {
        (self.record(self.kinds.len(), 0), self.moments)
    }

    /// Bytes of the whole file.
    pub(crate) fn end(&self) -> u64 {
        let (at, bytes) = self.moments();
        at + bytes as u64
    }
}

/// The header of a file, its length included, for any content: that has always the same length.
pub(crate) fn header(
    protocol: &StatsProtocol,
    kinds: &[RecordKind],
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
        HEADER_DIGEST: NO_DIGEST,
    });
    header.insert("__metadata__".to_owned(), metadata);
    let mut start = 0;
    for (name, dtype, shape) in tensors(protocol, kinds, image_count) {
        let bytes = tensor_bytes(dtype, &shape).unwrap_or_default();
        let offsets = [start, start + bytes];
        header.insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
        start += bytes;
    }
    let mut text = Value::Object(header).to_string();
    // Tensors start at a multiple of 8 bytes.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let digest = blake3::hash(text.as_bytes()).to_hex();
    text = text.replacen(&of_digest(NO_DIGEST), &of_digest(digest.as_str()), 1);
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes
}

/// The member of the header that holds `digest`.
fn of_digest(digest: &str) -> String {
    format!(r#""{HEADER_DIGEST}":"{digest}""#)
}

/// Whether the header `text` is as it was written, by the digest that it holds.
fn is_whole(text: &[u8], digest: &str) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let without = text.replacen(&of_digest(digest), &of_digest(NO_DIGEST), 1);
    blake3::hash(without.as_bytes()).to_hex().as_str() == digest
}

fn tensor_bytes(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    let values = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    values.and_then(|values| values.checked_mul(dtype.bitsize() / 8))
}

/// Names, types and shapes, in the order of the file.
fn tensors(protocol: &StatsProtocol, kinds: &[RecordKind], n: usize) -> Vec<(String, Dtype, Vec<usize>)> {
    let mut tensors = vec![
        (KEYS.to_owned(), Dtype::U64, vec![n]),
        (PIXELS.to_owned(), Dtype::U8, vec![n, DIGEST_BYTES]),
        (RECORDS.to_owned(), Dtype::U8, vec![n, kinds.len(), DIGEST_BYTES]),
    ];
    tensors.extend(kinds.iter().map(|kind| {
        let shape = std::iter::once(n).chain(kind.shape.iter().copied()).collect();
        (kind.name.clone(), kind.dtype, shape)
    }));
    let moments = moment_tensors(protocol);
    tensors.extend(moments.into_iter().map(|(name, shape)| (name.to_owned(), Dtype::F64, shape)));
    tensors
}

/// Of statistics that are nothing else.
fn moment_tensors(protocol: &StatsProtocol) -> Vec<(&'static str, Vec<usize>)> {
    let only = protocol.network.as_ref().filter(|network| network.moments_only);
    let of = |width: usize| [(MEAN, vec![width]), (COVARIANCE, vec![width, width])];
    only.into_iter().flat_map(|network| of(network.feature_width)).collect()
}

/// What a header says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) protocol: StatsProtocol,
    pub(crate) layout: Option<SwdLayout>,
    pub(crate) kinds: Vec<RecordKind>,
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
    if format != FORMAT || ![VERSION_2, VERSION].contains(&version.as_str()) {
        return Err(format!(
            "its header says {format:?} version {version:?}, expected {FORMAT:?} version {VERSION:?}"
        ));
    }
    let digest = metadata.get(HEADER_DIGEST);
    let is_sound = match digest {
        None => version == VERSION_2,
        Some(digest) => {
            version == VERSION && is_whole(bytes.get(size_of::<u64>()..).unwrap_or_default(), digest)
        }
    };
    if !is_sound {
        return Err(format!(
            "its header is not as it was written (`{HEADER_DIGEST}`): copy or make it again"
        ));
    }
    let protocol: StatsProtocol = serde_json::from_str(text("protocol")?)
        .map_err(|error| format!("`protocol` in its header: {error}"))?;
    let (layout, kinds) = kinds(&protocol).map_err(|error| format!("`protocol` in its header: {error}"))?;
    check_protocol(&protocol, layout.as_ref())?;
    let content = Hash::from_hex(text("content")?)
        .map_err(|error| format!("`content` in its header is no BLAKE3 digest: {error}"))?;
    let provenance = serde_json::from_str(text("provenance")?)
        .map_err(|error| format!("`provenance` in its header: {error}"))?;
    let tensor = |name: &str| found.info(name).ok_or_else(|| format!("it has no tensor `{name}`"));
    let image_count = tensor(KEYS)?.shape.first().copied().unwrap_or_default();
    let mut start = 0;
    for (name, dtype, shape) in tensors(&protocol, &kinds, image_count) {
        let info = tensor(&name)?;
        let end = tensor_bytes(dtype, &shape).and_then(|bytes| bytes.checked_add(start));
        if (info.dtype, &info.shape, Some(info.data_offsets)) != (dtype, &shape, end.map(|end| (start, end)))
        {
            return Err(format!(
                "its tensor `{name}` is {:?} {:?} at {:?}, expected {dtype:?} {shape:?} from {start} on",
                info.dtype, info.shape, info.data_offsets
            ));
        }
        start = info.data_offsets.1;
    }
    Ok(Header { protocol, layout, kinds, image_count, content, provenance })
}

fn check_protocol(protocol: &StatsProtocol, layout: Option<&SwdLayout>) -> Result<(), String> {
    if let (Some(swd), Some(layout)) = (&protocol.swd, layout)
        && layout.compared_px() != swd.levels
    {
        return Err(format!("`protocol` in its header: levels {:?} are in disorder", swd.levels));
    }
    match &protocol.network {
        None if protocol.swd.is_none() => {
            Err("`protocol` in its header: nothing is kept of the images".to_owned())
        }
        Some(network) if network.feature_width == 0 => {
            Err("`protocol` in its header: features of length 0".to_owned())
        }
        Some(network) if network.moments_only && protocol.swd.is_some() => {
            Err("`protocol` in its header: descriptors of images that are not known".to_owned())
        }
        _ => Ok(()),
    }
}
