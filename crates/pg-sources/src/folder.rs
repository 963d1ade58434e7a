//! A folder of image files, at any depth.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use pg_image::files::{DecodeLimits, Listing, list_images, read_bytes};

use crate::{Collection, Content, Item, Labels, Opened, SourceError, item_names, stylegan_labels};

#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the folder of a folder of images")]
struct Folder {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    /// Of each file when it was listed; 0 where that could not be known.
    bytes: Vec<u64>,
}

pub(crate) fn open(folder: &Path) -> Result<Opened, SourceError> {
    let Listing { images: paths, mut left_out } = list_images(folder)?;
    if folder.join(stylegan_labels::FILE_NAME).is_file() {
        left_out.files.forget(stylegan_labels::FILE_NAME);
    }
    let relative: Vec<&OsStr> =
        paths.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).as_os_str()).collect();
    let usual = |i: usize| relative[i].to_string_lossy().replace('\\', "/");
    let is_exact = |i: usize| relative[i].as_encoded_bytes() == usual(i).as_bytes();
    let names = item_names::told_apart(paths.len(), usual, is_exact, |i| relative[i].as_encoded_bytes());
    // A file that cannot be looked at fails when it is read.
    let bytes: Vec<u64> =
        paths.iter().map(|path| std::fs::metadata(path).map_or(0, |found| found.len())).collect();
    let items = names.into_iter().zip(&bytes).map(|(name, &bytes)| Item { name, bytes }).collect();
    Ok(Opened::new(items, Folder { folder: folder.to_owned(), paths, bytes }).leaving_out(left_out))
}

impl Collection for Folder {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        let Some((path, &listed)) = self.paths.get(index).zip(self.bytes.get(index)) else {
            return Err(SourceError::NoItem { index, items: self.paths.len() });
        };
        let bytes = read_bytes(path, limits)?;
        let found = bytes.len() as u64;
        if listed > 0 && found != listed {
            return Err(SourceError::Changed { path: path.clone(), listed, found });
        }
        Ok(Content::Encoded(bytes))
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.paths.get(index).map(PathBuf::as_path)
    }

    fn labels(&self, items: &[Item]) -> Result<Option<Labels>, SourceError> {
        let path = self.folder.join(stylegan_labels::FILE_NAME);
        if !path.is_file() {
            return Ok(None);
        }
        let limits = DecodeLimits { max_bytes: stylegan_labels::MAX_BYTES, ..DecodeLimits::default() };
        stylegan_labels::parse(&read_bytes(&path, &limits)?, &path, items)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Content, Source, SourceError};
    use pg_image::files::DecodeLimits;

    #[test]
    fn files_are_listed_by_name_and_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/x.png"), b"second").unwrap();
        std::fs::write(folder.path().join("a.jpg"), b"first").unwrap();
        let source = Source::open(folder.path()).unwrap();
        let names: Vec<_> = source.items().iter().map(|i| (i.name.as_str(), i.bytes)).collect();
        assert_eq!(names, [("a.jpg", 5), ("b/x.png", 6)]);
        assert_eq!(source.read(1, &DecodeLimits::default()).unwrap(), Content::Encoded(b"second".to_vec()));
        assert!(matches!(source.read(2, &DecodeLimits::default()), Err(SourceError::NoItem { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn files_whose_names_would_be_alike_are_told_apart() {
        use std::collections::BTreeSet;
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let files: [&[u8]; 6] =
            [b"\xff.png", b"\xfe.png", "\u{fffd}.png".as_bytes(), b"a/b.png", b"a\\b.png", b"a%5Cc.png"];
        for name in files {
            std::fs::write(folder.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        let source = Source::open(folder.path()).unwrap();
        let names: BTreeSet<&str> = source.items().iter().map(|item| item.name.as_str()).collect();
        assert_eq!(
            names.iter().copied().collect::<Vec<_>>(),
            ["%FE.png", "%FF.png", "a%5Cb.png", "a%5Cc.png", "a/b.png", "\u{fffd}.png"]
        );
        for i in 0..files.len() {
            let file = source.file(i).unwrap();
            let Content::Encoded(bytes) = source.read(i, &DecodeLimits::default()).unwrap() else { panic!() };
            assert_eq!(file, folder.path().join(OsStr::from_bytes(&bytes)));
        }
        // A name that is the escaped one of another.
        std::fs::write(folder.path().join("%FF.png"), b"x").unwrap();
        let error = Source::open(folder.path()).unwrap_err();
        assert!(matches!(error, SourceError::SameName { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("%FF.png\" and ") && error.contains("\\xFF.png"), "{error}");
    }

    #[test]
    fn an_empty_folder_and_a_missing_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Source::open(folder.path()), Err(SourceError::NoImages { .. })));
        assert!(matches!(Source::open(&folder.path().join("no")), Err(SourceError::Missing { .. })));
    }
}
