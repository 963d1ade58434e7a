//! From an item of a source to pixels, with the checksum of what was read.

use pg_image::Raster;
use pg_image::files::{DecodeLimits, decode_bytes};
use pg_shard::reason;
use pg_sources::{Content, Item, Source};

/// A decoded photo and the BLAKE3 of its file, or of its pixels `[H,W,C]` where the source stores those.
pub(crate) struct Photo {
    pub(crate) raster: Raster,
    pub(crate) blake3: String,
}

/// Reads and decodes item `index`; the error says why it failed, on one line.
pub(crate) fn load(source: &Source, index: usize, limits: &DecodeLimits) -> Result<Photo, String> {
    let bytes = match source.read(index, limits).map_err(|e| reason(&e))? {
        Content::Encoded(bytes) => bytes,
        Content::Pixels(raster) => {
            let pixels = raster.width() as u64 * raster.height() as u64;
            if pixels > limits.max_pixels {
                return Err(format!(
                    "the picture has {pixels} pixels, the limit is {} (--max-pixels)",
                    limits.max_pixels
                ));
            }
            let blake3 = blake3::hash(raster.data()).to_hex().to_string();
            return Ok(Photo { raster, blake3 });
        }
    };
    let name = source.items().get(index).map_or("", |item| item.name.as_str());
    let raster = decode_bytes(&bytes, name, limits).map_err(|e| match reason(&e) {
        text if text.contains("pixel limit") => format!("{text} (--max-pixels)"),
        text => text,
    })?;
    Ok(Photo { raster, blake3: blake3::hash(&bytes).to_hex().to_string() })
}

/// BLAKE3 over lines of names, lengths and whatever else decides an item's result.
pub(crate) fn list_blake3<'a>(items: impl IntoIterator<Item = (&'a Item, String)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (item, extra) in items {
        hasher.update(format!("{}\0{}\0{extra}\n", item.name, item.bytes).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
