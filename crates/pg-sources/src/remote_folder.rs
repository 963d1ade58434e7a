//! A folder of image files that lies elsewhere than on this machine's disks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use pg_image::files::{
    DecodeLimits, FilesError, SIGNATURE_BYTES, has_image_extension, is_hidden, looks_like_image,
};

use crate::beside::Beside;
use crate::{
    Collection, Content, Item, Labels, Opened, Source, SourceError, SourceFormat, item_names, stylegan_labels,
};

/// Where the files of a folder are read from, by their names below it. Shared between threads.
pub trait FileStore: fmt::Debug + Send + Sync {
    /// The whole file.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The first bytes of the file, at most `bytes`.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    fn read_start(&self, name: &str, bytes: usize) -> io::Result<Vec<u8>>;

    /// Says in which order items will be read, by their places in the list: a store may fetch ahead.
    fn will_read(&self, _order: &[usize], _items: &[Item]) {}
}

#[derive(Debug)]
struct RemoteFolder<S> {
    path: PathBuf,
    names: Vec<Item>,
    has_labels: bool,
    store: S,
}

impl Source {
    /// The folder of image files that `files` lists, each with its name below the folder and its length, at
    /// any depth and in any order. What counts as an image, and the order of the items, are as for a folder
    /// on disk. `path` is what errors call the folder.
    ///
    /// # Errors
    /// [`SourceError::NoImages`]; [`SourceError::SameName`]; [`SourceError::Io`] when a file without an image's extension cannot be
    /// read to look at it.
    pub fn of_files(
        path: &Path,
        files: impl IntoIterator<Item = (String, u64)>,
        store: impl FileStore + 'static,
    ) -> Result<Self, SourceError> {
        let (mut items, mut has_labels) = (Vec::new(), false);
        let mut beside = Beside::default();
        for (name, bytes) in files {
            if beside.hides(&name, |part| part.is_empty() || is_hidden(part)) {
                continue;
            }
            if name == stylegan_labels::FILE_NAME {
                has_labels = true;
            } else if is_image(path, &name, &store)? {
                items.push(Item { name, bytes });
            } else {
                beside.add(&name);
            }
        }
        if items.is_empty() {
            let expected = "PNG, JPEG, BMP, WebP, AVIF, TIFF or GIF files at any depth";
            return Err(SourceError::NoImages { path: path.to_owned(), expected });
        }
        items.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        item_names::check(path, &items, |_| None)?;
        let folder = RemoteFolder { path: path.to_owned(), names: items.clone(), has_labels, store };
        let opened = Opened::new(items, folder).leaving_out(beside.left_out());
        Ok(Self { path: path.to_owned(), format: SourceFormat::Folder, opened })
    }
}

/// As [`pg_image::files::list_images`] decides it.
fn is_image(path: &Path, name: &str, store: &impl FileStore) -> Result<bool, SourceError> {
    if has_image_extension(name) {
        return Ok(true);
    }
    if name.ends_with(".partial") {
        return Ok(false);
    }
    let start = store.read_start(name, SIGNATURE_BYTES);
    let start = start.map_err(|source| SourceError::Io { path: path.join(name), source })?;
    Ok(looks_like_image(&start))
}

impl<S: FileStore> RemoteFolder<S> {
    fn bytes_of(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let path = || self.path.join(name);
        self.store.read(name).map_err(|source| SourceError::Io { path: path(), source })
    }
}

impl<S: FileStore> Collection for RemoteFolder<S> {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        let Some(item) = self.names.get(index) else {
            return Err(SourceError::NoItem { index, items: self.names.len() });
        };
        let too_many = |bytes: u64| {
            let (path, max_bytes) = (self.path.join(&item.name), limits.max_bytes);
            SourceError::from(FilesError::TooManyBytes { path, bytes, max_bytes })
        };
        if item.bytes > limits.max_bytes {
            return Err(too_many(item.bytes));
        }
        let bytes = self.bytes_of(&item.name)?;
        if bytes.len() as u64 > limits.max_bytes {
            return Err(too_many(bytes.len() as u64));
        }
        Ok(Content::Encoded(bytes))
    }

    fn labels(&self, items: &[Item]) -> Result<Option<Labels>, SourceError> {
        if !self.has_labels {
            return Ok(None);
        }
        let text = self.bytes_of(stylegan_labels::FILE_NAME)?;
        stylegan_labels::parse(&text, &self.path.join(stylegan_labels::FILE_NAME), items)
    }

    fn will_read(&self, order: &[usize]) {
        self.store.will_read(order, &self.names);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug)]
    struct InMemory(BTreeMap<String, Vec<u8>>);

    impl FileStore for InMemory {
        fn read(&self, name: &str) -> io::Result<Vec<u8>> {
            self.0.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn read_start(&self, name: &str, bytes: usize) -> io::Result<Vec<u8>> {
            let mut start = self.read(name)?;
            start.truncate(bytes);
            Ok(start)
        }
    }

    const FILES: [(&str, &[u8]); 8] = [
        ("b/nested.dat", b"\x89PNG\r\n\x1a\nrest"),
        ("a.jpg", b"first"),
        ("a/z.png", b"zz"),
        ("a-b/a.png", b"a"),
        ("notes.txt", b"hello"),
        (".hidden/x.png", b"x"),
        ("half.png.partial", b"\x89PNG\r\n\x1a\n"),
        (
            "dataset.json",
            br#"{"labels": [["a.jpg", 0], ["a/z.png", 1], ["a-b/a.png", 0], ["b/nested.dat", 1]]}"#,
        ),
    ];

    fn remote(files: &[(&str, &[u8])]) -> Result<Source, SourceError> {
        let store = InMemory(files.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())).collect());
        let listed = files.iter().rev().map(|(name, bytes)| ((*name).to_owned(), bytes.len() as u64));
        Source::of_files(Path::new("s3://bucket/photos"), listed.collect::<Vec<_>>(), store)
    }

    #[test]
    fn items_and_labels_are_those_of_the_same_folder_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in FILES {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let (on_disk, remote) = (Source::open(folder.path()).unwrap(), remote(&FILES).unwrap());
        assert_eq!(remote.items(), on_disk.items());
        assert_eq!(remote.left_out(), on_disk.left_out());
        assert_eq!(
            (remote.format(), remote.labels().unwrap()),
            (on_disk.format(), on_disk.labels().unwrap())
        );
        assert!(remote.labels().unwrap().is_some());
        let limits = DecodeLimits::default();
        for i in 0..remote.items().len() {
            assert_eq!(remote.read(i, &limits).unwrap(), on_disk.read(i, &limits).unwrap());
        }
    }

    #[test]
    fn a_file_above_the_limit_is_refused_by_name_before_it_is_read() {
        let limits = DecodeLimits { max_bytes: 4, ..DecodeLimits::default() };
        let error = remote(&FILES).unwrap().read(1, &limits).unwrap_err().to_string();
        assert!(error.contains("s3://bucket/photos/a.jpg has 5 bytes, the limit is 4"), "{error}");
    }

    #[test]
    fn a_folder_without_images_is_refused() {
        let error = remote(&[("a.txt", b"a")]).unwrap_err();
        assert!(matches!(error, SourceError::NoImages { .. }), "{error}");
    }
}
