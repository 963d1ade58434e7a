//! Read-only memory maps of finished shard files.

use std::fs::File;
use std::io;
use std::path::Path;

/// A whole file as bytes, without reading it.
#[derive(Debug)]
pub(crate) struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// Invariant that makes the map sound: nothing in this program changes a shard file in place or
    /// shortens it. Files appear under their name complete, by rename, and are never written again.
    /// Another program that truncates one while it is mapped breaks the format's contract.
    #[allow(unsafe_code)]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: see the invariant above; the map is read-only and private to this struct.
        unsafe { memmap2::Mmap::map(&file) }.map(Self)
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
