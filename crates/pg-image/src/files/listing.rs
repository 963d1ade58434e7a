//! The images of a folder, in an order that depends on nothing but their names.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::FilesError;
use super::signature::{SIGNATURE_BYTES, has_image_extension, looks_like_image};

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The image files, sorted bytewise by their path relative to the folder, which they begin with.
    pub images: Vec<PathBuf>,
    /// What is none.
    pub left_out: LeftOut,
}

/// What lies beside images and is none: how much, and the first few names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Files that are no images.
    pub files: NamedCount,
    /// Folders that file systems and other programs keep for themselves, and hidden ones.
    pub folders: NamedCount,
}

/// A number of things, and the names of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedCount {
    /// How many.
    pub count: u64,
    /// The first of them by name, three at most.
    pub first: Vec<String>,
}

impl NamedCount {
    const NAMED: usize = 3;

    /// Counts one more.
    pub fn add(&mut self, name: &str) {
        self.count += 1;
        let place = self.first.partition_point(|other| other.as_str() < name);
        self.first.insert(place, name.to_owned());
        self.first.truncate(Self::NAMED);
    }

    /// Counts `name`, which was counted, no more.
    pub fn forget(&mut self, name: &str) {
        self.count = self.count.saturating_sub(1);
        self.first.retain(|other| other != name);
    }
}

impl fmt::Display for NamedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.first.iter().map(|name| format!("{name:?}")).collect();
        let more = if self.count > self.first.len() as u64 { ", …" } else { "" };
        write!(f, "{}{more}", names.join(", "))
    }
}

impl LeftOut {
    /// In words; `None` where nothing was left out.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let part = |what: &NamedCount, name: &str| {
            let plural = if what.count == 1 { "" } else { "s" };
            (what.count > 0).then(|| format!("{} {name}{plural} ({what})", what.count))
        };
        let parts = [part(&self.files, "file"), part(&self.folders, "hidden or system folder")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("no images, left out: {}", parts.join(", ")))
    }
}

/// Whether the part `name` of a path is that of a folder or file that is nobody's data: hidden, or kept by macOS, Synology,
/// QNAP or Windows for itself.
#[must_use]
pub fn is_hidden(name: &str) -> bool {
    const SYSTEM: [&str; 6] =
        ["__MACOSX", "@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information"];
    name.starts_with('.') || SYSTEM.contains(&name)
}

/// All image files below `folder`, at any depth, and what else there is.
///
/// An image is a file with an image's extension (broken ones and those of formats that are not read included, so that
/// decoding reports them) or one whose first bytes are an image's. Hidden names ([`is_hidden`]) are passed by,
/// and counted where they are images by name; links are followed. There may be no image.
///
/// # Errors
/// [`FilesError::NotAFolder`]; [`FilesError::Io`] when a folder cannot be listed or a file without an
/// image's extension cannot be opened to look at it.
pub fn list_images(folder: &Path) -> Result<Listing, FilesError> {
    let metadata = std::fs::metadata(folder).map_err(|source| FilesError::Io {
        action: "list",
        path: folder.to_owned(),
        source,
    })?;
    if !metadata.is_dir() {
        return Err(FilesError::NotAFolder { path: folder.to_owned() });
    }
    let mut found = Listing::default();
    let mut entries = WalkDir::new(folder).follow_links(true).into_iter();
    while let Some(entry) = entries.next() {
        if let Ok(entry) = &entry
            && entry.depth() > 0
            && is_hidden(&entry.file_name().to_string_lossy())
        {
            let name = relative_name(entry.path(), folder);
            if entry.file_type().is_dir() {
                found.left_out.folders.add(&name);
                entries.skip_current_dir();
            } else if has_image_extension(&name) {
                // Such as macOS keeps beside pictures; other hidden files nobody takes for one.
                found.left_out.files.add(&name);
            }
            continue;
        }
        let path = match entry {
            Ok(entry) if entry.file_type().is_file() => entry.into_path(),
            Ok(_) => continue,
            Err(error) => match unreadable(error, folder)? {
                Some(path) => path,
                None => continue,
            },
        };
        if is_image(&path)? {
            found.images.push(path);
        } else {
            found.left_out.files.add(&relative_name(&path, folder));
        }
    }
    found.images.sort_by(|a, b| relative_bytes(a, folder).cmp(relative_bytes(b, folder)));
    Ok(found)
}

fn relative_name(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
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
    Ok(looks_like_image(&head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn relative(folder: &Path) -> Vec<String> {
        let found = list_images(folder).unwrap().images;
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
            ("b/photo.heic", b"\0\0\0\x18ftypheic"),
            ("@eaDir/a.png", b"\x89PNG\r\n\x1a\n"),
            ("b/.ipynb_checkpoints/a.png", b"\x89PNG\r\n\x1a\n"),
        ] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), bytes).unwrap();
        }
        assert_eq!(relative(root), ["b/nested.dat", "b/photo.heic", "empty.jpg"]);
        let left_out = list_images(root).unwrap().left_out;
        assert_eq!(
            left_out.note().unwrap(),
            "no images, left out: 4 files (\".hidden.png\", \"README\", \"half.png.partial\", …), 2 hidden or system folders \
             (\"@eaDir\", \"b/.ipynb_checkpoints\")"
        );
        fs::write(root.join("z"), "").unwrap();
        assert!(
            list_images(root)
                .unwrap()
                .left_out
                .note()
                .unwrap()
                .contains("5 files (\".hidden.png\", \"README\", \"half.png.partial\", …)")
        );
        assert_eq!(LeftOut::default().note(), None);
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
