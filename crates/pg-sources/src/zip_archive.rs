//! A zip file of images (stored or deflated).

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pg_image::files::{
    DecodeLimits, FilesError, SIGNATURE_BYTES, has_image_extension, is_hidden, looks_like_image,
};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::beside::Beside;
use crate::errors::io_error;
use crate::{Collection, Content, Item, Labels, Opened, SourceError, stylegan_labels};

#[derive(Debug)]
struct Zip {
    path: PathBuf,
    /// Position in the archive of each item.
    positions: Vec<usize>,
    names: Vec<String>,
    /// Position of `dataset.json`.
    labels: Option<usize>,
    /// One reader: unpacking is a small part of decoding, which happens outside the lock.
    archive: Mutex<ZipArchive<BufReader<File>>>,
}

pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
    let damaged = |e: ZipError| SourceError::Zip { path: path.to_owned(), detail: e.to_string() };
    let file = File::open(path).map_err(io_error(path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let by_backslashes = archive.file_names().flatten().all(|name| !name.contains('/'));
    let mut labels = None;
    let mut found = Vec::new();
    let mut beside = Beside::default();
    for position in 0..archive.len() {
        let mut entry = archive.by_index(position).map_err(damaged)?;
        let name = usual_name(&entry.name().map_err(damaged)?, by_backslashes);
        if beside.hides(&name, is_hidden) {
            continue;
        }
        if entry.is_dir() || name.is_empty() || name.ends_with('/') {
            continue;
        }
        if name == stylegan_labels::FILE_NAME {
            labels = Some(position);
            continue;
        }
        let image = has_image_extension(&name) || {
            let mut head = Vec::new();
            let _ = entry.by_ref().take(SIGNATURE_BYTES as u64).read_to_end(&mut head);
            looks_like_image(&head)
        };
        if image {
            found.push((name, entry.size(), position));
        } else {
            beside.add(&name);
        }
    }
    found.sort();
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let detail = format!("two entries are named {:?}", pair[0].0);
        return Err(SourceError::Zip { path: path.to_owned(), detail });
    }
    let items = found.iter().map(|(name, bytes, _)| Item { name: name.clone(), bytes: *bytes }).collect();
    let (names, positions) = found.into_iter().map(|(name, _, position)| (name, position)).unzip();
    let zip = Zip { path: path.to_owned(), positions, names, labels, archive: Mutex::new(archive) };
    Ok(Opened::new(items, zip).leaving_out(beside.left_out()))
}

/// An entry's name as its folders are meant: `tar` writes `./a/b.png` for `a/b.png`, some programs for Windows `a\b.png`
/// (where no entry has a slash; elsewhere a backslash is a letter like others).
fn usual_name(name: &str, by_backslashes: bool) -> String {
    let name = if by_backslashes { name.replace('\\', "/") } else { name.to_owned() };
    let parts: Vec<&str> = name.split('/').filter(|&part| part != ".").collect();
    parts.join("/").trim_start_matches('/').to_owned()
}

impl Collection for Zip {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        let (Some(&position), Some(name)) = (self.positions.get(index), self.names.get(index)) else {
            return Err(SourceError::NoItem { index, items: self.positions.len() });
        };
        self.unpack(position, &self.path.join(name), limits.max_bytes).map(Content::Encoded)
    }

    fn labels(&self, items: &[Item]) -> Result<Option<Labels>, SourceError> {
        let Some(position) = self.labels else { return Ok(None) };
        let path = self.path.join(stylegan_labels::FILE_NAME);
        let text = self.unpack(position, &path, stylegan_labels::MAX_BYTES)?;
        stylegan_labels::parse(&text, &path, items)
    }
}

impl Zip {
    /// All bytes of the entry at `position`, which errors call `path`.
    fn unpack(&self, position: usize, path: &Path, max_bytes: u64) -> Result<Vec<u8>, SourceError> {
        let failed = |detail: String| SourceError::Zip { path: path.to_owned(), detail };
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = |error: io::Error| match error.kind() {
            // What unpacking says of damaged bytes.
            ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::UnexpectedEof
            | ErrorKind::Other => failed(error.to_string()),
            _ => SourceError::Io { path: path.to_owned(), source: error },
        };
        let entry = archive.by_index(position).map_err(|error| match error {
            ZipError::Io(error) => unread(error),
            error => failed(error.to_string()),
        })?;
        let mut bytes = Vec::new();
        // The header's length may lie: the limit counts unpacked bytes.
        entry.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unread)?;
        let found = bytes.len() as u64;
        if found > max_bytes {
            return Err(FilesError::TooManyBytes { path: path.to_owned(), bytes: found, max_bytes }.into());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Content, Source, SourceError};
    use pg_image::files::DecodeLimits;
    use std::io::Write as _;

    fn archive(entries: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    #[test]
    fn images_are_listed_by_name_and_unpacked() {
        let file =
            archive(&[("b.png", b"bb"), ("__MACOSX/a.png", b"x"), ("a/c.jpg", b"ccc"), ("n.txt", b"no")]);
        let source = Source::open(file.path()).unwrap();
        let names: Vec<_> = source.items().iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["a/c.jpg", "b.png"]);
        assert_eq!(source.read(0, &DecodeLimits::default()).unwrap(), Content::Encoded(b"ccc".to_vec()));
    }

    #[test]
    fn names_of_other_programs_are_read_as_they_are_meant() {
        let labels = br#"{"labels": [["a/1.png", 3], ["b/2.png", 1]]}"#;
        for separator in ["/", "\\"] {
            for start in ["", "./", ".\\"] {
                let name = |parts: &[&str]| {
                    let start = start.replace(['/', '\\'], separator);
                    format!("{start}{}", parts.join(separator))
                };
                let names =
                    [&["a", "1.png"][..], &["b", "2.png"], &["dataset.json"], &["@eaDir", "x.png"]].map(name);
                let contents = [&b"1"[..], b"2", labels, b"x"];
                let entries: Vec<_> = names.iter().map(String::as_str).zip(contents).collect();
                let file = archive(&entries);
                let source = Source::open(file.path()).unwrap();
                let found: Vec<_> = source.items().iter().map(|i| i.name.as_str()).collect();
                assert_eq!(found, ["a/1.png", "b/2.png"], "{names:?}");
                assert_eq!(source.labels().unwrap().unwrap().names().len(), 4, "{names:?}");
                assert_eq!(
                    source.left_out().note().unwrap(),
                    "no images, left out: 1 hidden or system folder (\"@eaDir\")"
                );
            }
        }
        // Beside slashes a backslash is a letter.
        let file = archive(&[("a/1.png", b"1"), ("b\\2.png", b"2")]);
        let source = Source::open(file.path()).unwrap();
        let found: Vec<_> = source.items().iter().map(|i| i.name.as_str()).collect();
        assert_eq!(found, ["a/1.png", "b\\2.png"]);
        // Two entries that are one file.
        let error = Source::open(archive(&[("./a.png", b"1"), ("a.png", b"2")]).path()).unwrap_err();
        assert!(error.to_string().contains("two entries are named \"a.png\""), "{error}");
    }

    #[test]
    fn unpacked_bytes_are_limited() {
        let file = archive(&[("a.png", &[0; 5000])]);
        let limits = DecodeLimits { max_bytes: 4999, ..DecodeLimits::default() };
        let error = Source::open(file.path()).unwrap().read(0, &limits).unwrap_err();
        assert!(matches!(error, SourceError::Files(_)), "{error}");
    }

    #[test]
    fn a_cut_archive_and_a_foreign_file_are_refused() {
        let file = archive(&[("a.png", b"aaaa")]);
        let bytes = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(Source::open(file.path()), Err(SourceError::Zip { .. })));
        std::fs::write(file.path(), b"hello").unwrap();
        assert!(matches!(Source::open(file.path()), Err(SourceError::Unknown { .. })));
    }
}
