//! The images of a folder, in an order that depends on nothing but their names.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::FilesError;
use super::signature::{SIGNATURE_BYTES, has_image_extension, sniff};

/// All image files below `folder`, at any depth, sorted bytewise by their path relative to it.
///
/// An image is a file with an image's extension (broken ones included, so that decoding reports them)
/// or one whose first bytes are an image's. Names that begin with a dot and unfinished `*.partial`
/// files are left out; links are followed. The result may be empty. Paths begin with `folder`.
///
/// # Errors
/// [`FilesError::NotAFolder`]; [`FilesError::Io`] when a folder cannot be listed or a file without an
/// image's extension cannot be opened to look at it.
pub fn list_images(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let metadata = std::fs::metadata(folder).map_err(|source| FilesError::Io {
        action: "list",
        path: folder.to_owned(),
        source,
    })?;
    if !metadata.is_dir() {
        return Err(FilesError::NotAFolder { path: folder.to_owned() });
    }
    let mut found = Vec::new();
    let visible =
        |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(visible) {
        let path = match entry {
            Ok(entry) if entry.file_type().is_file() => entry.into_path(),
            Ok(_) => continue,
            Err(error) => match unreadable(error, folder)? {
                Some(path) => path,
                None => continue,
            },
        };
        if is_image(&path)? {
            found.push(path);
        }
    }
    found.sort_by(|a, b| relative_bytes(a, folder).cmp(relative_bytes(b, folder)));
    Ok(found)
}

fn relative_bytes<'a>(path: &'a Path, folder: &Path) -> &'a [u8] {
    path.strip_prefix(folder).unwrap_or(path).as_os_str().as_encoded_bytes()
}

/// A dangling link with an image's name is listed (and fails later, by name); other links are skipped.
fn unreadable(error: walkdir::Error, folder: &Path) -> Result<Option<PathBuf>, FilesError> {
    let path = error.path().unwrap_or(folder).to_owned();
    if std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink()) {
        return Ok(has_image_extension(&path.to_string_lossy()).then_some(path));
    }
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other("links form a loop"));
    Err(FilesError::Io { action: "list", path, source })
}

fn is_image(path: &Path) -> Result<bool, FilesError> {
    let name = path.to_string_lossy();
    if has_image_extension(&name) {
        return Ok(true);
    }
    if name.ends_with(".partial") {
        return Ok(false);
    }
    let head = (|| {
        let mut head = Vec::with_capacity(SIGNATURE_BYTES);
        File::open(path)?.take(SIGNATURE_BYTES as u64).read_to_end(&mut head)?;
        Ok(head)
    })();
    let head = head.map_err(|source| FilesError::Io { action: "read", path: path.to_owned(), source })?;
    Ok(sniff(&head).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn relative(folder: &Path) -> Vec<String> {
        let found = list_images(folder).unwrap();
        found.iter().map(|p| p.strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn content_decides_and_broken_images_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b")).unwrap();
        for (name, bytes) in [
            ("b/nested.dat", &b"\x89PNG\r\n\x1a\nrest"[..]),
            ("empty.jpg", b""),
            ("notes.txt", b"hello"),
            (".DS_Store", b"\0\0\0\x01Bud1"),
            (".hidden.png", b"\x89PNG\r\n\x1a\n"),
            ("half.png.partial", b"\x89PNG\r\n\x1a\n"),
            ("README", b""),
        ] {
            fs::write(root.join(name), bytes).unwrap();
        }
        assert_eq!(relative(root), ["b/nested.dat", "empty.jpg"]);
    }

    #[test]
    fn the_order_is_that_of_the_bytes_of_the_relative_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/z.png", "a-b/a.png", "B.png", "é.png", "a.png"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        assert_eq!(relative(folder.path()), ["B.png", "a-b/a.png", "a.png", "a/z.png", "é.png"]);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(list_images(file.path()), Err(FilesError::NotAFolder { .. })));
        let missing = list_images(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot list /no/such/folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_dangling_link_with_an_image_name_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/no/such.png", folder.path().join("link.png")).unwrap();
        std::os::unix::fs::symlink("/no/such", folder.path().join("link")).unwrap();
        assert_eq!(relative(folder.path()), ["link.png"]);
    }
}
