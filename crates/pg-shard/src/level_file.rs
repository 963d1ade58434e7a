//! The file of one level of one shard being written: under a temporary name until it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use pg_image::Resolution;

use crate::files_on_disk::length_and_blake3;
use crate::format::{HEADER_BYTES, compressed_header, shard_header};
use crate::{FileEntry, ShardError};

/// What is written at once. For pieces of megabytes ext4 looks for pages as large, which took three times as
/// long as the copying (Linux 6, 3 MiB against 256 KiB).
const PIECE_BYTES: usize = 1 << 18;

/// A level's file. Dropped before [`finish`](Self::finish) has renamed it, it is removed.
#[derive(Debug)]
pub(crate) struct LevelFile {
    resolution: Resolution,
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    data_bytes: u64,
    images: usize,
    contents: Contents,
    renamed: bool,
}

#[derive(Debug)]
enum Contents {
    Raw {
        channels: usize,
        /// The file so far, as if it were to hold this number of images: when it does, as without
        /// failures, it need not be read again.
        hasher: Box<blake3::Hasher>,
        hashed_for: usize,
    },
    /// Where each image ends in the data.
    Compressed { ends: Vec<u64> },
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl LevelFile {
    pub(crate) fn of_raw(
        path: PathBuf,
        resolution: Resolution,
        channels: usize,
        expected_images: usize,
    ) -> Result<Self, ShardError> {
        let mut hasher = Box::new(blake3::Hasher::new());
        hasher.update(&shard_header(expected_images, channels, resolution));
        Self::create(path, resolution, Contents::Raw { channels, hasher, hashed_for: expected_images })
    }

    pub(crate) fn of_compressed(path: PathBuf, resolution: Resolution) -> Result<Self, ShardError> {
        Self::create(path, resolution, Contents::Compressed { ends: Vec::new() })
    }

    fn create(path: PathBuf, resolution: Resolution, contents: Contents) -> Result<Self, ShardError> {
        let mut temporary = path.clone().into_os_string();
        temporary.push(".partial");
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary).map_err(failure("write", &temporary))?;
        let mut level = Self {
            resolution,
            path,
            temporary,
            file: BufWriter::with_capacity(PIECE_BYTES, file),
            data_bytes: 0,
            images: 0,
            contents,
            renamed: false,
        };
        level.write(&[0; HEADER_BYTES])?;
        Ok(level)
    }

    pub(crate) fn resolution(&self) -> Resolution {
        self.resolution
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        self.file.write_all(bytes).map_err(failure("write", &self.temporary))
    }

    /// Appends an image as it is to be stored.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.write(piece)?;
            if let Contents::Raw { hasher, .. } = &mut self.contents {
                hasher.update(piece);
            }
        }
        self.data_bytes += bytes.len() as u64;
        self.images += 1;
        if let Contents::Compressed { ends } = &mut self.contents {
            ends.push(self.data_bytes);
        }
        Ok(())
    }

    /// Header, sync, rename; `name` is the path below the dataset.
    pub(crate) fn finish(mut self, name: String) -> Result<FileEntry, ShardError> {
        let header = match &self.contents {
            Contents::Raw { channels, .. } => shard_header(self.images, *channels, self.resolution),
            Contents::Compressed { ends } => {
                let padding = self.data_bytes.next_multiple_of(8) - self.data_bytes;
                let mut tail = vec![0; padding as usize];
                tail.extend_from_slice(&0_u64.to_le_bytes());
                tail.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
                self.file.write_all(&tail).map_err(failure("write", &self.temporary))?;
                compressed_header(self.images, self.data_bytes + padding)
            }
        };
        let complete = |file: &mut BufWriter<File>| -> io::Result<()> {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        complete(&mut self.file).map_err(failure("write", &self.temporary))?;
        let (bytes, blake3) = match &self.contents {
            Contents::Raw { hasher, hashed_for, .. } if *hashed_for == self.images => {
                (hasher.count(), hasher.finalize().to_hex().to_string())
            }
            _ => length_and_blake3(&self.temporary)?,
        };
        fs::rename(&self.temporary, &self.path).map_err(failure("write", &self.path))?;
        self.renamed = true;
        if let Some(folder) = self.path.parent() {
            File::open(folder).and_then(|f| f.sync_all()).map_err(failure("sync", folder))?;
        }
        Ok(FileEntry { path: name, bytes, blake3 })
    }
}

impl Drop for LevelFile {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
