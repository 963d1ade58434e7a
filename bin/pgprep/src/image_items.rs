//! From an item of a source to pixels, with the checksum of what was read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use pg_image::Raster;
use pg_image::files::{DecodeLimits, decode_bytes};
use pg_shard::{FailedItem, reason};
use pg_sources::{Content, Item, Source};

/// A decoded photo and the BLAKE3 of its file, or of its pixels `[H,W,C]` where the source stores those.
pub(crate) struct Photo {
    pub(crate) raster: Raster,
    pub(crate) blake3: String,
}

/// What to load images by: limits, and where to say that it is not the image's fault that one cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) limits: DecodeLimits,
    trouble: SourceTrouble,
}

/// The first failure of the source itself. Loaders set it, and their session ends the command by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceTrouble(Arc<OnceLock<String>>);

impl SourceTrouble {
    /// What it is, if there is any.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Loader {
    pub(crate) fn new(limits: DecodeLimits, trouble: SourceTrouble) -> Self {
        Self { limits, trouble }
    }

    /// Reads item `index`; the error says why it failed, on one line.
    pub(crate) fn read(&self, source: &Source, index: usize) -> Result<Content, String> {
        source.read(index, &self.limits).map_err(|error| {
            let text = reason(&error);
            if error.is_of_the_source() {
                // Others may find the same at once; one is enough.
                let _ = self.trouble.0.set(text.clone());
            }
            text
        })
    }
}

/// Reads and decodes item `index`; the error says why it failed, on one line.
pub(crate) fn load(source: &Source, index: usize, loader: &Loader) -> Result<Photo, String> {
    let bytes = match loader.read(source, index)? {
        Content::Encoded(bytes) => bytes,
        Content::Pixels(raster) => {
            let (pixels, limit) = (raster.width() as u64 * raster.height() as u64, loader.limits.max_pixels);
            if pixels > limit {
                return Err(format!("the picture has {pixels} pixels, the limit is {limit} (--max-pixels)"));
            }
            let blake3 = blake3::hash(raster.data()).to_hex().to_string();
            return Ok(Photo { raster, blake3 });
        }
    };
    let name = source.items().get(index).map_or("", |item| item.name.as_str());
    let raster = decode_bytes(&bytes, name, &loader.limits).map_err(|e| match reason(&e) {
        text if text.contains("pixel limit") => format!("{text} (--max-pixels)"),
        text => text,
    })?;
    Ok(Photo { raster, blake3: blake3::hash(&bytes).to_hex().to_string() })
}

/// When item `index` of the source at `path` was last written to, as far as that is known.
pub(crate) fn modified(source: &Source, index: usize, path: &Path) -> Option<SystemTime> {
    let file = source.file(index).or_else(|| path.is_file().then_some(path))?;
    file.metadata().and_then(|found| found.modified()).ok()
}

/// Lengths that items had when they failed.
pub(crate) fn lengths(failed: &[FailedItem]) -> HashMap<&str, u64> {
    failed.iter().filter_map(|item| Some((item.path.as_str(), item.bytes?))).collect()
}

/// BLAKE3 over lines of names, lengths and whatever else decides an item's result. Items in `before` count with the length that
/// they had there.
pub(crate) fn list_blake3<'a>(
    items: impl IntoIterator<Item = (&'a Item, String)>,
    before: &HashMap<&str, u64>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    for (item, extra) in items {
        let bytes = before.get(item.name.as_str()).unwrap_or(&item.bytes);
        hasher.update(format!("{}\0{bytes}\0{extra}\n", item.name).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
