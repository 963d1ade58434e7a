//! A folder of image files, at any depth.

use std::path::{Path, PathBuf};

use pg_image::files::{DecodeLimits, list_images, read_bytes};

use crate::{Collection, Content, Item, Labels, Opened, SourceError, stylegan_labels};

#[derive(Debug)]
struct Folder {
    folder: PathBuf,
    paths: Vec<PathBuf>,
}

pub(crate) fn open(folder: &Path) -> Result<Opened, SourceError> {
    let paths = list_images(folder)?;
    let items = paths
        .iter()
        .map(|path| Item {
            name: path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/"),
            // A file that cannot be looked at fails when it is read.
            bytes: std::fs::metadata(path).map_or(0, |m| m.len()),
        })
        .collect();
    Ok(Opened::new(items, Folder { folder: folder.to_owned(), paths }))
}

impl Collection for Folder {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        match self.paths.get(index) {
            Some(path) => Ok(Content::Encoded(read_bytes(path, limits)?)),
            None => Err(SourceError::NoItem { index, items: self.paths.len() }),
        }
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

    #[test]
    fn an_empty_folder_and_a_missing_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Source::open(folder.path()), Err(SourceError::NoImages { .. })));
        assert!(matches!(Source::open(&folder.path().join("no")), Err(SourceError::Missing { .. })));
    }
}
