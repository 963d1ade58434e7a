//! Room for a dataset: how much it takes, and whether it is there.

use std::fs;
use std::path::Path;

use pg_shard::format::{BUILD_FILE, HEADER_BYTES, LABELS_FOLDER, image_bytes, level_folder};
use pg_shard::{BuildPlan, Codec, EncodedImage, Storage};

use crate::{BuildError, Host};

/// Images encoded to estimate the size of compressed ones.
const SAMPLE: usize = 4;

/// Bytes allowed per line of the index, which is written besides.
const INDEX_LINE: u64 = 512;

/// How many bytes a dataset takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuildSize {
    /// Of an image at all levels, with its labels; of compressed ones an estimate.
    image: u64,
    items: u64,
    headers: u64,
    estimated: bool,
}

impl BuildSize {
    /// The size of `plan`; `encode` makes an item, `None` for one that fails, and is only called where
    /// images are compressed.
    pub(crate) fn of(
        plan: &BuildPlan,
        storage: &Storage,
        label_columns: usize,
        encode: impl Fn(usize) -> Option<EncodedImage>,
    ) -> Self {
        let raw: u64 = storage.levels.iter().map(|&r| image_bytes(plan.channels, r) as u64).sum();
        let files_per_shard = storage.levels.len() + usize::from(label_columns > 0);
        let estimated = storage.codec != Codec::Raw;
        let mut image = raw;
        if estimated {
            let taken = plan.items.min(SAMPLE);
            let sizes: Vec<u64> = (0..taken)
                .filter_map(|i| encode(i * plan.items / taken))
                .map(|encoded| encoded.bytes())
                .collect();
            if !sizes.is_empty() {
                image = sizes.iter().sum::<u64>() / sizes.len() as u64;
            }
        }
        Self {
            image: image + 4 * label_columns as u64,
            items: plan.items as u64,
            headers: (files_per_shard * plan.shards() * HEADER_BYTES) as u64,
            estimated,
        }
    }

    fn bytes(&self) -> u64 {
        self.headers + self.items * self.image
    }

    /// Bytes of what is left when `done` items are there.
    pub(crate) fn after(&self, done: usize) -> u64 {
        self.items.saturating_sub(done as u64) * (self.image + INDEX_LINE)
    }

    /// Says how much will be written and refuses when there is too little room. Looks only, writes
    /// nothing.
    pub(crate) fn check(&self, host: &impl Host, output: &Path, storage: &Storage) -> Result<(), BuildError> {
        let there = bytes_there(output, storage);
        let free = free_bytes(output);
        let levels: Vec<String> = storage.levels.iter().map(ToString::to_string).collect();
        host.note(format!(
            "{} image{} at {} px take {}{}{}",
            self.items,
            if self.items == 1 { "" } else { "s" },
            levels.join(", "),
            if self.estimated { "about " } else { "" },
            byte_size(self.bytes()),
            free.map_or_else(String::new, |free| format!(", {} are free", byte_size(free))),
        ));
        let needed = (self.bytes() + self.items * INDEX_LINE).saturating_sub(there);
        match free.filter(|&free| free < needed) {
            Some(free) => Err(BuildError::TooLittleRoom { needed, free }),
            None => Ok(()),
        }
    }
}

/// Bytes of the shards that an earlier run of the build finished.
fn bytes_there(output: &Path, storage: &Storage) -> u64 {
    if !output.join(BUILD_FILE).is_file() {
        return 0;
    }
    let folders = storage.levels.iter().map(|&r| level_folder(r)).chain([LABELS_FOLDER.to_owned()]);
    folders
        .filter_map(|name| fs::read_dir(output.join(name)).ok())
        .flat_map(Iterator::flatten)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "safetensors"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Bytes that this user may still write to the file system of `path`, which need not exist yet.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find(|part| part.exists())?;
    let status = rustix::fs::statvfs(existing).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

/// `1.5 GiB`.
#[must_use]
pub fn byte_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::byte_size;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_fits() {
        assert_eq!(
            [0, 1023, 1536, 5 << 20, 3 << 40].map(byte_size),
            ["0 bytes", "1023 bytes", "1.5 KiB", "5.0 MiB", "3072.0 GiB"]
        );
    }
}
