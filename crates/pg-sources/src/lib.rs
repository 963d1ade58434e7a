//! Other people's image collections as a sorted list of named files: a folder, or a zip of images.

mod errors;
mod folder;
mod zip_archive;

use std::path::Path;

use pg_image::files::DecodeLimits;

pub use errors::SourceError;

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Path inside the source, with `/`.
    pub name: String,
    /// Length of the file (unpacked).
    pub bytes: u64,
}

/// A collection of image files, sorted bytewise by name. Shared between threads by reference.
#[derive(Debug)]
pub struct Source {
    items: Vec<Item>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder(folder::Folder),
    Zip(zip_archive::Zip),
}

impl Source {
    /// Opens the folder or zip file at `path` and lists its images; reads no image.
    ///
    /// Images are told by name or content as in [`pg_image::files::list_images`].
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::Unknown`] for a file that is no zip,
    /// [`SourceError::NoImages`], [`SourceError::Zip`], [`SourceError::Files`], [`SourceError::Io`].
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { path: path.to_owned() },
            _ => SourceError::Io { path: path.to_owned(), source },
        })?;
        let (items, kind) = if metadata.is_dir() {
            let (items, folder) = folder::Folder::open(path)?;
            (items, Kind::Folder(folder))
        } else {
            let (items, zip) = zip_archive::Zip::open(path)?;
            (items, Kind::Zip(zip))
        };
        if items.is_empty() {
            return Err(SourceError::NoImages { path: path.to_owned() });
        }
        Ok(Self { items, kind })
    }

    /// The files, sorted bytewise by name; never empty.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All bytes of file `index`, at most `limits.max_bytes`.
    ///
    /// # Errors
    /// [`SourceError::Files`], [`SourceError::Zip`], [`SourceError::NoItem`].
    pub fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Vec<u8>, SourceError> {
        match &self.kind {
            Kind::Folder(folder) => folder.read(index, limits),
            Kind::Zip(zip) => zip.read(index, limits),
        }
    }
}
