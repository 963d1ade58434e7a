//! Datasets of one shard around bytes that are to be its file.

use pg_image::Resolution;
use pg_shard::format::{MANIFEST_FILE, index_path, labels_path, shard_path};
use pg_shard::{Codec, Dataset};
use serde_json::{Value, json};

use crate::Folder;

/// Images of the shard.
pub const IMAGES: usize = 3;
/// Values per pixel.
pub const CHANNELS: usize = 3;
/// Label columns, where there are labels.
pub const COLUMNS: usize = 2;

/// Which of a dataset's files the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Raw images.
    Raw,
    /// Compressed images.
    Compressed,
    /// Label rows.
    Labels,
}

impl Part {
    /// By the first byte of an input, so that the fuzzer can choose.
    #[must_use]
    pub fn of(byte: u8) -> Self {
        [Self::Raw, Self::Compressed, Self::Labels][usize::from(byte % 3)]
    }

    /// The one level.
    #[must_use]
    pub fn resolution(self) -> Resolution {
        let side = if self == Self::Compressed { 32 } else { 4 };
        Resolution::new(side).expect("a power of two")
    }
}

/// The manifest of a dataset of one level; `files` are paths and lengths, sorted.
#[must_use]
pub fn manifest(part: Part, files: &[(String, usize)]) -> Value {
    let codec = if part == Part::Compressed { Codec::MedZstd } else { Codec::Raw };
    let files: Vec<Value> = files
        .iter()
        .map(|(path, bytes)| json!({"path": path, "bytes": bytes, "blake3": "0".repeat(64)}))
        .collect();
    let mut manifest = json!({
        "format": "pgkit-dataset",
        "format_version": if part == Part::Compressed { 2 } else { 1 },
        "images": IMAGES,
        "channels": CHANNELS,
        "resolutions": [part.resolution().pixels()],
        "label_names": null,
        "downscale_filter": "box-2x2-f32-unrounded-chain",
        "items_per_shard": IMAGES,
        "failed": 0,
        "plan_blake3": "0".repeat(64),
        "shards": [{"shard": 0, "images": IMAGES}],
        "files": files,
        "provenance": {},
    });
    if part == Part::Compressed {
        manifest["codec"] = json!(codec.name());
    }
    if part == Part::Labels {
        manifest["label_names"] = json!(["a", "b"]);
    }
    manifest
}

/// Opens the dataset whose one shard's file is `bytes` and reads every image and label row.
pub fn read_shard(folder: &Folder, part: Part, bytes: &[u8]) {
    let level = shard_path(part.resolution(), 0);
    let mut files = vec![(index_path(0), 0)];
    if part == Part::Labels {
        let images = pg_shard::format::shard_header(IMAGES, CHANNELS, part.resolution());
        let padded = [images, vec![7; IMAGES * CHANNELS * 16]].concat();
        folder.write(&level, &padded);
        folder.write(&labels_path(0), bytes);
        files.extend([(labels_path(0), bytes.len()), (level, padded.len())]);
    } else {
        folder.write(&level, bytes);
        files.push((level, bytes.len()));
    }
    folder.write(&index_path(0), b"");
    folder.write(MANIFEST_FILE, manifest(part, &files).to_string().as_bytes());
    let dataset = match Dataset::open(folder.path()) {
        Ok(dataset) => dataset,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains("dataset.json"), "the manifest is sound: {text}");
            return;
        }
    };
    let level = dataset.level(part.resolution()).expect("the level is there");
    for index in 0..IMAGES {
        match level.image(index) {
            Ok(image) => assert_eq!(image.len(), CHANNELS * part.resolution().pixels().pow(2)),
            Err(error) => assert!(part == Part::Compressed, "raw images need no decoding: {error}"),
        }
        if part == Part::Labels {
            assert_eq!(dataset.label(index).map(|row| row.len()), Some(COLUMNS));
        }
    }
    assert!(level.image(IMAGES).is_err() && dataset.label(IMAGES).is_none());
}
