//! Names, limits and header bytes of the format, one to one with `docs/shard-format.md`.

use pg_image::Resolution;

/// The value of `format` in the manifest.
pub const FORMAT_NAME: &str = "pgkit-dataset";
/// How the values of `format` begin, in all files of this tool that have one.
pub const FORMAT_FAMILY: &str = "pgkit-";
/// The value of `format_version` in the manifest of a dataset of raw images.
pub const FORMAT_VERSION: u32 = 1;
/// The value of `format_version` in the manifest of a dataset whose images are compressed: the newest
/// that this crate reads.
pub const FORMAT_VERSION_COMPRESSED: u32 = 2;
/// The manifest's file name: a folder with this file is a finished dataset.
pub const MANIFEST_FILE: &str = "dataset.json";
/// The checksums of [`MANIFEST_FILE`] and [`FAILED_FILE`], as `b3sum` writes and checks them.
pub const SEAL_FILE: &str = "dataset.blake3";
/// The file that marks a finished part of a dataset and says what it holds.
pub const PART_FILE: &str = "part.json";
/// The value of `format` in [`PART_FILE`].
pub const PART_FORMAT_NAME: &str = "pgkit-part";
/// The value of `format_version` in [`PART_FILE`].
pub const PART_FORMAT_VERSION: u32 = 1;
/// The folder in which a repair rebuilds shards; gone when it is done.
pub const REPAIR_FOLDER: &str = ".pgkit-repair";
/// The file that marks a build in progress and says what it builds.
pub const BUILD_FILE: &str = "pgkit-build.json";
/// In [`BUILD_FOLDER`]: the names of all files that an unfinished folder of files will have, a JSON list.
pub const NAMES_FILE: &str = "pgkit-build/names.json";
/// The folder of a build's per-shard records; gone when the build is complete.
pub const BUILD_FOLDER: &str = "pgkit-build";
/// The file whose lock keeps two builds of one dataset apart.
pub const LOCK_FILE: &str = "pgkit-build.lock";
/// The file of items that were left out, one JSON object per line; absent when there are none.
pub const FAILED_FILE: &str = "failed.jsonl";
/// How coarser levels are made, see [`pg_image::level_of_detail`].
pub const DOWNSCALE_FILTER: &str = "box-2x2-f32-unrounded-chain";
/// The name of the one tensor of a level's shard.
pub const IMAGES_TENSOR: &str = "images";
/// The name of the tensor of compressed images, one after the other.
pub const DATA_TENSOR: &str = "data";
/// The name of the tensor of the places of compressed images in [`DATA_TENSOR`].
pub const OFFSETS_TENSOR: &str = "offsets";
/// Levels below this side stay raw in compressed datasets: their files are small as they are.
pub const COMPRESSED_FROM_PX: usize = 32;
/// The name of the one tensor of a label shard.
pub const LABELS_TENSOR: &str = "labels";
/// The folder of the index files.
pub const INDEX_FOLDER: &str = "index";
/// The folder of label shards.
pub const LABELS_FOLDER: &str = "labels";

/// Most bytes of a manifest.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;
/// Most images of a dataset.
pub const MAX_IMAGES: u64 = u32::MAX as u64;
/// Most shards of a dataset (five digits).
pub const MAX_SHARDS: usize = 100_000;
/// Most label columns.
pub const MAX_LABELS: usize = 65_536;
/// Bytes of a shard file before its data, as this crate writes it: 8 for the length, 248 for the JSON
/// padded with spaces. Readers take any length up to [`MAX_HEADER_BYTES`].
pub const HEADER_BYTES: usize = 256;
/// Most bytes of a shard file's JSON header that the reader takes.
pub const MAX_HEADER_BYTES: u64 = 1 << 20;

/// `r0064`.
#[must_use]
pub fn level_folder(resolution: Resolution) -> String {
    format!("r{:04}", resolution.pixels())
}

/// `r0064/shard-00003.safetensors`.
#[must_use]
pub fn shard_path(resolution: Resolution, shard: usize) -> String {
    format!("{}/shard-{shard:05}.safetensors", level_folder(resolution))
}

/// `index/shard-00003.jsonl`.
#[must_use]
pub fn index_path(shard: usize) -> String {
    format!("{INDEX_FOLDER}/shard-{shard:05}.jsonl")
}

/// `labels/shard-00003.safetensors`.
#[must_use]
pub fn labels_path(shard: usize) -> String {
    format!("{LABELS_FOLDER}/shard-{shard:05}.safetensors")
}

/// `pgkit-build/shard-00003.json`.
#[must_use]
pub fn record_path(shard: usize) -> String {
    format!("{BUILD_FOLDER}/shard-{shard:05}.json")
}

/// Bytes of one image `[C,R,R]`.
#[must_use]
pub fn image_bytes(channels: usize, resolution: Resolution) -> usize {
    channels * resolution.pixels() * resolution.pixels()
}

/// The first [`HEADER_BYTES`] bytes of a shard file: u64 little-endian length of the JSON that follows,
/// the JSON (`dtype` U8, `shape` `[n,C,R,R]`, `data_offsets`), spaces.
#[must_use]
pub fn shard_header(images: usize, channels: usize, resolution: Resolution) -> Vec<u8> {
    let r = resolution.pixels();
    let data_bytes = images as u64 * image_bytes(channels, resolution) as u64;
    padded_header(&format!(
        r#"{{"{IMAGES_TENSOR}":{{"dtype":"U8","shape":[{images},{channels},{r},{r}],"data_offsets":[0,{data_bytes}]}}}}"#
    ))
}

/// The first [`HEADER_BYTES`] bytes of a shard of `images` compressed images in `data_bytes` bytes (a
/// multiple of 8, so that the offsets behind them are aligned), laid out as [`shard_header`].
#[must_use]
pub fn compressed_header(images: usize, data_bytes: u64) -> Vec<u8> {
    let (offsets, end) = (images + 1, data_bytes + 8 * (images as u64 + 1));
    padded_header(&format!(
        r#"{{"{DATA_TENSOR}":{{"dtype":"U8","shape":[{data_bytes}],"data_offsets":[0,{data_bytes}]}},"{OFFSETS_TENSOR}":{{"dtype":"U64","shape":[{offsets}],"data_offsets":[{data_bytes},{end}]}}}}"#
    ))
}

/// The first [`HEADER_BYTES`] bytes of a label shard of `[images,columns]` f32, laid out as
/// [`shard_header`].
#[must_use]
pub fn labels_header(images: usize, columns: usize) -> Vec<u8> {
    let data_bytes = images as u64 * columns as u64 * 4;
    padded_header(&format!(
        r#"{{"{LABELS_TENSOR}":{{"dtype":"F32","shape":[{images},{columns}],"data_offsets":[0,{data_bytes}]}}}}"#
    ))
}

fn padded_header(json: &str) -> Vec<u8> {
    let mut header = ((HEADER_BYTES - 8) as u64).to_le_bytes().to_vec();
    header.extend_from_slice(json.as_bytes());
    header.resize(HEADER_BYTES, b' ');
    header
}

/// Images per shard when the user does not choose: the largest power of two up to 1024 whose finest
/// level stays within 256 MiB. A shard is what an interrupted build loses at most.
#[must_use]
pub fn default_images_per_shard(channels: usize, resolution: Resolution) -> usize {
    let fitting = (256 << 20) / image_bytes(channels, resolution).max(1);
    let mut images = 1024;
    while images > fitting.max(1) {
        images /= 2;
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_header_fits_its_reserved_bytes() {
        let header = shard_header(u32::MAX as usize, 3, Resolution::MAX);
        assert_eq!(header.len(), HEADER_BYTES);
        assert_eq!(header[HEADER_BYTES - 1], b' ');
        assert_eq!(labels_header(u32::MAX as usize, MAX_LABELS).len(), HEADER_BYTES);
        let header = compressed_header(u32::MAX as usize, u64::from(u32::MAX) << 26);
        assert_eq!((header.len(), header[HEADER_BYTES - 1]), (HEADER_BYTES, b' '));
    }

    #[test]
    fn default_shards_stay_within_their_size() {
        let at = |r| default_images_per_shard(3, Resolution::new(r).unwrap());
        assert_eq!([at(64), at(128), at(256), at(512), at(1024)], [1024, 1024, 1024, 256, 64]);
        assert_eq!(at(4096), 4);
    }

    #[test]
    fn names_are_padded_so_that_they_sort() {
        assert_eq!(shard_path(Resolution::MIN, 3), "r0004/shard-00003.safetensors");
        assert_eq!(index_path(12345), "index/shard-12345.jsonl");
    }
}
