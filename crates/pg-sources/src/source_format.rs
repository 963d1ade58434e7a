//! The formats of sources, and which one a path is of.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::errors::io_error;
use crate::{SourceError, cifar, lmdb, mnist, tfrecord};

/// A format that images are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceFormat {
    /// A folder of image files at any depth; labels from StyleGAN2-ADA's `dataset.json` at its root.
    Folder,
    /// A zip of image files, stored or deflated; labels likewise.
    Zip,
    /// CIFAR-10 or CIFAR-100, binary or Python version: the folder, the archive, or one file.
    Cifar,
    /// MNIST's idx files, plain or gzip: a folder, or the file of images.
    Mnist,
    /// An LMDB of encoded images, as LSUN comes: its folder, or `data.mdb`.
    Lmdb,
    /// ProGAN's TFRecords: a folder of `NAME-rNN.tfrecords`, or one of them.
    Tfrecord,
}

impl SourceFormat {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Folder, Self::Zip, Self::Cifar, Self::Mnist, Self::Lmdb, Self::Tfrecord];

    /// The name that a user gives.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Zip => "zip",
            Self::Cifar => "cifar",
            Self::Mnist => "mnist",
            Self::Lmdb => "lmdb",
            Self::Tfrecord => "tfrecord",
        }
    }

    /// The format of what is at `path`, told from content; names count only where a format has fixed ones.
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::Io`]; [`SourceError::Hdf5`] and [`SourceError::Unknown`]
    /// for a file of another format.
    pub fn detect(path: &Path) -> Result<Self, SourceError> {
        let metadata = std::fs::metadata(path).map_err(io_error(path))?;
        if metadata.is_dir() { Ok(Self::of_folder(path)) } else { Self::of_file(path) }
    }

    /// Whether a folder with files of these names may hold an LMDB, TFRecords, CIFAR or MNIST, whose files are read
    /// at random. What they hold decides: see [`detect`](Self::detect).
    #[must_use]
    pub fn may_be_collection(names: &[&str]) -> bool {
        names.iter().any(|name| {
            *name == lmdb::DATA_FILE
                || tfrecord::name_and_level(name).is_some()
                || cifar::archive::is_training_batch(name)
                || name.contains(mnist::IMAGES_NAME)
        })
    }

    fn of_folder(path: &Path) -> Self {
        if lmdb::is_in(path) {
            Self::Lmdb
        } else if tfrecord::is_in(path) {
            Self::Tfrecord
        } else if cifar::is_in(path) {
            Self::Cifar
        } else if mnist::is_in(path) {
            Self::Mnist
        } else {
            Self::Folder
        }
    }

    fn of_file(path: &Path) -> Result<Self, SourceError> {
        let mut head = Vec::new();
        let file = File::open(path).map_err(io_error(path))?;
        file.take(512).read_to_end(&mut head).map_err(io_error(path))?;
        // Of a gzip file what is inside counts; one that cannot be unpacked is of no format.
        let inside = if head.starts_with(b"\x1f\x8b") {
            mnist::first_bytes(path).unwrap_or_default()
        } else {
            head.clone()
        };
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if head.starts_with(b"\x89HDF\r\n\x1a\n") {
            Err(SourceError::Hdf5 { path: path.to_owned() })
        } else if inside.starts_with(&mnist::IMAGES_MAGIC) {
            Ok(Self::Mnist)
        } else if cifar::archive::is_tar(&inside) {
            Ok(Self::Cifar)
        } else if lmdb::begins_database(&head) {
            Ok(Self::Lmdb)
        } else if tfrecord::framing::begins_record(&head) {
            Ok(Self::Tfrecord)
        } else if cifar::is_batch(path) {
            Ok(Self::Cifar)
        } else {
            let found: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(" ") };
            Err(SourceError::Unknown { path: path.to_owned(), found })
        }
    }
}

impl fmt::Display for SourceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_testkit::golden::fixture;

    #[test]
    fn formats_are_told_from_content() {
        use SourceFormat::{Cifar, Folder, Lmdb, Mnist, Tfrecord};
        for (path, expected) in [
            ("sources/cifar10_binary", Cifar),
            ("sources/cifar10_binary/data_batch_1.bin", Cifar),
            ("sources/cifar10_python", Cifar),
            ("sources/cifar10_python/data_batch_1", Cifar),
            ("sources/cifar10_python.tar.gz", Cifar),
            ("sources/cifar100_binary", Cifar),
            ("sources/cifar100_python", Cifar),
            ("sources/mnist", Mnist),
            ("sources/mnist/train-images-idx3-ubyte.gz", Mnist),
            ("sources/lsun_lmdb", Lmdb),
            ("sources/lsun_lmdb/data.mdb", Lmdb),
            ("lod/tfr", Tfrecord),
            ("lod/tfr/tfr-r03.tfrecords", Tfrecord),
            ("photos", Folder),
        ] {
            assert_eq!(SourceFormat::detect(&fixture(path)).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn collections_are_suspected_by_the_names_of_their_files() {
        for path in [
            "sources/cifar10_binary",
            "sources/cifar100_python",
            "sources/mnist",
            "sources/lsun_lmdb",
            "lod/tfr",
        ] {
            let files = std::fs::read_dir(fixture(path)).unwrap();
            let names: Vec<String> =
                files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert!(SourceFormat::may_be_collection(&names), "{path}: {names:?}");
        }
        assert!(!SourceFormat::may_be_collection(&["a.png", "dataset.json", "batch_1.jpg"]));
    }

    #[test]
    fn hdf5_is_refused_with_a_way_out_and_unknown_files_with_their_first_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\x89HDF\r\n\x1a\nrest").unwrap();
        let error = SourceFormat::detect(file.path()).unwrap_err().to_string();
        assert!(error.contains("is an HDF5 file, which is not read: write its images as files"), "{error}");
        for (bytes, shown) in [
            (&b"hello, world"[..], "68 65 6c 6c 6f 2c 20 77"),
            (b"", "nothing"),
            (b"\x1f\x8b\x08", "1f 8b 08"),
        ] {
            std::fs::write(file.path(), bytes).unwrap();
            let error = SourceFormat::detect(file.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("begins with {shown}: expected a folder or zip")), "{error}");
        }
    }
}
