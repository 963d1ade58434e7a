//! Other people's image collections, in and out.
//!
//! In: [`Source`], a list of named items, each an encoded image or pixels, with labels where the collection has
//! some. Out: [`TfRecordFile`] (ProGAN) and [`StyleganZip`] (StyleGAN2-ADA). Files are data from
//! outside: lengths are checked before they are believed, and damage is an error that says where.

mod attribute_answers;
mod beside;
mod cifar;
mod errors;
mod folder;
mod item_names;
mod label_files;
mod labels;
mod little_endian;
mod lmdb;
mod mnist;
mod npy;
mod positioned_file;
mod remote_folder;
mod source_format;
mod stylegan_labels;
mod stylegan_zip;
mod tfrecord;
mod zip_archive;

use std::fmt;
use std::path::{Path, PathBuf};

use pg_image::Raster;
use pg_image::files::{DecodeLimits, LeftOut};

pub use attribute_answers::{AnswerKind, attribute_answers};
pub use errors::SourceError;
pub use label_files::{labels_from_file, labels_from_folders};
pub use labels::{Labels, MAX_LABELS, one_hot_class};
pub use remote_folder::FileStore;
pub use source_format::SourceFormat;
pub use stylegan_zip::StyleganZip;
pub use tfrecord::TfRecordFile;

/// One image of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Path inside the source, with `/`; made of file name and number where images have no names. No two items of a
    /// source have the same.
    pub name: String,
    /// Bytes of the image as the source stores it (unpacked).
    pub bytes: u64,
}

/// What a source stores of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A whole image file: PNG, JPEG, …
    Encoded(Vec<u8>),
    /// Its pixels.
    Pixels(Raster),
}

/// A collection of images. Shared between threads by reference.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    format: SourceFormat,
    opened: Opened,
}

/// What one format's module makes of a path.
pub(crate) struct Opened {
    pub(crate) items: Vec<Item>,
    pub(crate) collection: Box<dyn Collection>,
    /// What lies beside the images.
    pub(crate) left_out: LeftOut,
}

impl Opened {
    fn new(items: Vec<Item>, collection: impl Collection + 'static) -> Self {
        Self { items, collection: Box::new(collection), left_out: LeftOut::default() }
    }

    fn leaving_out(self, left_out: LeftOut) -> Self {
        Self { left_out, ..self }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

/// The images of one format, read by their place in the list of items.
pub(crate) trait Collection: Send + Sync {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError>;

    /// The labels that come with the images; `items` is the list made on opening.
    fn labels(&self, _items: &[Item]) -> Result<Option<Labels>, SourceError> {
        Ok(None)
    }

    /// Says in which order the items will be read.
    fn will_read(&self, _order: &[usize]) {}

    /// The file that is item `index`, where it is one.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }
}

impl Source {
    /// Opens what is at `path`, its format told by [`SourceFormat::detect`], and lists its images.
    ///
    /// # Errors
    /// Those of [`SourceFormat::detect`] and of [`open_as`](Self::open_as).
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_as(path, SourceFormat::detect(path)?)
    }

    /// Opens what is at `path` as `format` and lists its images. Folders, zips, LMDB and TFRecord are listed
    /// without reading images; CIFAR and MNIST are read into memory.
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::NoImages`], [`SourceError::Damaged`],
    /// [`SourceError::Unsupported`], [`SourceError::Zip`], [`SourceError::Files`], [`SourceError::Io`],
    /// [`SourceError::SameName`].
    pub fn open_as(path: &Path, format: SourceFormat) -> Result<Self, SourceError> {
        let opened = match format {
            SourceFormat::Folder => folder::open(path)?,
            SourceFormat::Zip => zip_archive::open(path)?,
            SourceFormat::Cifar => cifar::open(path)?,
            SourceFormat::Mnist => mnist::open(path)?,
            SourceFormat::Lmdb => lmdb::open(path)?,
            SourceFormat::Tfrecord => tfrecord::open(path)?,
        };
        if opened.items.is_empty() {
            let expected = match format {
                SourceFormat::Folder | SourceFormat::Zip => {
                    "PNG, JPEG, BMP, WebP, AVIF, TIFF or GIF files at any depth"
                }
                _ => "at least one",
            };
            return Err(SourceError::NoImages { path: path.to_owned(), expected });
        }
        item_names::check(path, &opened.items, |index| opened.collection.file(index))?;
        Ok(Self { path: path.to_owned(), format, opened })
    }

    /// The path given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> SourceFormat {
        self.format
    }

    /// The images, never none: sorted bytewise by name in folders and zips, in the order of the file elsewhere.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.opened.items
    }

    /// What lies beside the images in a folder or zip and is none.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.opened.left_out
    }

    /// Image `index`: of encoded images all bytes, at most `limits.max_bytes`.
    ///
    /// # Errors
    /// [`SourceError::Files`], [`SourceError::Zip`], [`SourceError::Damaged`], [`SourceError::NoItem`],
    /// [`SourceError::Io`].
    pub fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        self.opened.collection.read(index, limits)
    }

    /// The file on a disk that is image `index`, where it is a file of its own.
    #[must_use]
    pub fn file(&self, index: usize) -> Option<&Path> {
        self.opened.collection.file(index)
    }

    /// Says in which order items will be read, by their places in the list: one that lies elsewhere may be
    /// fetched ahead of its turn. Nothing depends on it but time.
    pub fn will_read(&self, order: &[usize]) {
        self.opened.collection.will_read(order);
    }

    /// The labels that come with the source, one row per item; `None` where there are none.
    ///
    /// CIFAR: the (fine) classes; MNIST: the file beside the images; TFRecord: the `.labels` file;
    /// folder and zip: `dataset.json` at the root, in StyleGAN2-ADA's layout.
    ///
    /// # Errors
    /// [`SourceError::Labels`] for labels that do not fit the images, [`SourceError::Damaged`],
    /// [`SourceError::Io`].
    pub fn labels(&self) -> Result<Option<Labels>, SourceError> {
        self.opened.collection.labels(&self.opened.items)
    }
}
