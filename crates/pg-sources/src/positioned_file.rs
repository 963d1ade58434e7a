//! A file that several threads read at places of their own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::SourceError;
use crate::errors::io_error;

/// An open file and its length, which every read is checked against first.
#[derive(Debug)]
pub(crate) struct PositionedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl PositionedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let open = || -> io::Result<(File, u64)> {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(io_error(path))?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `length` bytes from `offset` on, called `what` in errors. No memory is taken for bytes that the
    /// file does not have.
    pub(crate) fn read(&self, offset: u64, length: u64, what: &str) -> Result<Vec<u8>, SourceError> {
        if offset.checked_add(length).is_none_or(|end| end > self.bytes) {
            return Err(self.damaged(
                offset,
                format!("{length} bytes of {what}"),
                format!("the end of the file at byte {}", self.bytes),
            ));
        }
        let mut buffer = vec![0; length as usize];
        self.file.read_exact_at(&mut buffer, offset).map_err(io_error(&self.path))?;
        Ok(buffer)
    }

    pub(crate) fn damaged(
        &self,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> SourceError {
        SourceError::Damaged {
            path: self.path.clone(),
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }
}
