//! Files whose name only ever shows complete contents, and folders likewise.
//!
//! A file that is not complete has no name at all where the system can do that, so that nothing of it stays behind when its
//! process is killed, but in the moment between the name that nobody has and its own. Elsewhere, and for folders, it has one that nobody can guess or take, `.pgkit-RANDOM.partial`, in the
//! folder of the name that it is to get. So two writers of one name never write into each other's file. A link is followed:
//! the file it points to is replaced, and the link stays. Devices, pipes and sockets are never replaced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

const PREFIX: &str = ".pgkit-";
const SUFFIX: &str = ".partial";
/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;

/// Writes a file so that its name only ever shows complete contents: without a name, or under another one in the same folder,
/// synced, then renamed over `path`, then the folder synced. What is no regular file (`/dev/null`, a pipe) is written as it is.
///
/// # Errors
/// Any I/O error of `write` or of the file system; nothing is left behind then.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let path = followed(path)?;
    if is_special(&path) {
        let mut writer = io::BufWriter::new(File::options().write(true).open(&path)?);
        write(&mut writer)?;
        return writer.flush();
    }
    let new = NewFile::create(&path)?;
    let mut writer = io::BufWriter::new(new.file()?);
    write(&mut writer)?;
    writer.flush()?;
    new.finish()
}

/// A file in the making, which is gone unless it is finished.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    making: Making,
}

#[derive(Debug)]
enum Making {
    /// The file, and a path by which this process reaches it.
    Unnamed(File, PathBuf),
    Named(NamedTempFile),
}

impl NewFile {
    /// A file that is to be called `path`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where `path` is a device, a pipe or a socket; those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = followed(path)?;
        if is_special(&path) {
            let what = "it is a device, a pipe or a socket: expected a file, or a name that is free";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        match unnamed_file::create(folder_of(&path))? {
            Some((file, by)) => Ok(Self { path, making: Making::Unnamed(file, by) }),
            None => Self::with_name(path),
        }
    }

    fn with_name(path: PathBuf) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As for any new file: the system takes the user's mask off.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder_of(&path)).map_err(without_path)?;
        Ok(Self { path, making: Making::Named(temporary) })
    }

    /// A handle to write with.
    ///
    /// # Errors
    /// The system's, when it gives no more handles.
    pub fn file(&self) -> io::Result<File> {
        match &self.making {
            Making::Unnamed(file, _) => file.try_clone(),
            Making::Named(temporary) => temporary.as_file().try_clone(),
        }
    }

    /// Where this process reaches the file until it is finished, for what writes files by name only.
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        match &self.making {
            Making::Unnamed(_, path) => path,
            Making::Named(temporary) => temporary.path(),
        }
    }

    /// Syncs the file, gives it its name and syncs the folder.
    ///
    /// # Errors
    /// Any I/O error of the file system; the file is gone then.
    pub fn finish(self) -> io::Result<()> {
        let folder = folder_of(&self.path);
        match self.making {
            Making::Unnamed(file, by) => {
                file.sync_all()?;
                // A name can be given only where there is none: so first one that nobody has.
                let mut builder = Builder::new();
                let named = builder
                    .prefix(PREFIX)
                    .suffix(SUFFIX)
                    .make_in(folder, |free| unnamed_file::name(&by, free));
                named
                    .map_err(without_path)?
                    .persist(&self.path)
                    .map_err(|error| without_path(error.error))?;
            }
            Making::Named(temporary) => {
                temporary.as_file().sync_all()?;
                temporary.persist(&self.path).map_err(|error| without_path(error.error))?;
            }
        }
        File::open(folder)?.sync_all()
    }
}

/// Files without a name, by Linux's `O_TMPFILE` (open(2), linkat(2)).
#[cfg(target_os = "linux")]
mod unnamed_file {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use rustix::io::Errno;

    /// A new file on the file system of `folder`, and a path by which this process reaches it; `None` where that cannot be.
    pub(super) fn create(folder: &Path) -> io::Result<Option<(File, PathBuf)>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match open(folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(descriptor) => {
                let file = File::from(descriptor);
                let by = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
                Ok(by.exists().then_some((file, by)))
            }
            // File systems that have none: NFS, FUSE, older overlays.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file that this process reaches by `by` a name that is free.
    pub(super) fn name(by: &Path, free: &Path) -> io::Result<()> {
        Ok(linkat(CWD, by, CWD, free, AtFlags::SYMLINK_FOLLOW)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod unnamed_file {
    use std::fs::File;
    use std::io;
    use std::path::{Path, PathBuf};

    pub(super) fn create(_folder: &Path) -> io::Result<Option<(File, PathBuf)>> {
        Ok(None)
    }

    pub(super) fn name(_by: &Path, _free: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A folder in the making, which is gone unless it is finished.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    temporary: TempDir,
}

impl NewFolder {
    /// A folder that is to be called `path`, which must be free or an empty folder.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]; those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !is_empty(path) {
            let what = "it is there already: expected a new or an empty folder";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let parent = folder_of(path);
        fs::create_dir_all(parent)?;
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        Ok(Self { path: path.to_owned(), temporary: builder.tempdir_in(parent).map_err(without_path)? })
    }

    /// Where its files go.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// Any I/O error of the file system; the folder is gone then.
    pub fn finish(self) -> io::Result<()> {
        if self.path.exists() {
            // Empty; or filled meanwhile, and then it stays.
            fs::remove_dir(&self.path)?;
        }
        fs::rename(self.temporary.path(), &self.path)?;
        // There is nothing of this name any more.
        drop(self.temporary.keep());
        File::open(folder_of(&self.path))?.sync_all()
    }
}

/// Empties a folder. By one renaming it is an empty one; what was in it is removed then, so that no half of it is left under its
/// name by a process that is killed.
///
/// # Errors
/// Any I/O error of the file system.
pub fn empty_at_once(folder: &Path) -> io::Result<()> {
    // Where a link leads, so that it leads somewhere afterwards.
    let folder = folder.canonicalize()?;
    let parent = folder.parent().ok_or_else(|| io::Error::other("it is the root of the file system"))?;
    let aside = Builder::new().prefix(PREFIX).suffix(SUFFIX).tempdir_in(parent).map_err(without_path)?;
    fs::rename(&folder, aside.path().join("old"))?;
    fs::create_dir(&folder)?;
    File::open(parent)?.sync_all()?;
    aside.close()
}

/// Whether `name` is that of a file or folder in the making, which stays behind when its process is killed.
#[must_use]
pub fn is_in_the_making(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Without the name that tempfile adds, which nobody asked for.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where `path` leads; the name itself where that is no link.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok(path);
        }
        path = folder_of(&path).join(fs::read_link(&path)?);
    }
    Err(io::Error::other("too many links, one behind the other"))
}

fn is_special(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, |w| w.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |w| {
            w.write_all(b"new")?;
            assert!(names(folder.path()).iter().all(|name| name == "a.txt" || is_in_the_making(name)));
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn with_and_without_a_name_a_file_shows_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for begin in [NewFile::create, |path: &Path| NewFile::with_name(path.to_owned())] {
            let kinds = [begin(&path).unwrap(), begin(&path).unwrap()];
            for (new, text) in kinds.into_iter().zip(["by handle", "by path"]) {
                if text == "by handle" {
                    new.file().unwrap().write_all(text.as_bytes()).unwrap();
                } else {
                    fs::write(new.temporary_path(), text).unwrap();
                }
                assert_ne!(fs::read_to_string(&path).unwrap_or_default(), text);
                new.finish().unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), text);
            }
            drop(begin(&path).unwrap());
            assert_eq!(names(folder.path()), ["a.txt"]);
        }
    }

    #[test]
    fn writers_of_one_name_do_not_write_into_each_other_s_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::thread::scope(|scope| {
            for byte in b'a'..=b'h' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let piece = [byte; 1000];
                        write_atomically(path, |w| (0..20).try_for_each(|_| w.write_all(&piece))).unwrap();
                        let found = fs::read(path).unwrap();
                        assert!(found.len() == 20_000 && found.iter().all(|&b| b == found[0]));
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_what_is_no_file_is_never_replaced() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        use std::os::unix::net::UnixListener;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/target", at("link")).unwrap();
        symlink("link", at("link-to-link")).unwrap();
        // The target is not there yet, and then it is.
        for text in ["first", "second"] {
            write_atomically(&at("link-to-link"), |w| w.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(at("elsewhere/target")).unwrap(), text);
        }
        assert!(at("link").is_symlink() && at("link-to-link").is_symlink());
        symlink("round", at("round")).unwrap();
        write_atomically(&at("round"), |w| w.write_all(b"x")).unwrap_err();

        symlink("/dev/null", at("null")).unwrap();
        write_atomically(&at("null"), |w| w.write_all(b"x")).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for special in ["null", "socket"] {
            NewFile::create(&at(special)).unwrap_err();
        }
        write_atomically(&at("socket"), |w| w.write_all(b"x")).unwrap_err();
        assert!(fs::metadata(at("socket")).unwrap().file_type().is_socket());
        assert_eq!(names(folder.path()), ["elsewhere", "link", "link-to-link", "null", "round", "socket"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain, new) = (folder.path().join("plain"), folder.path().join("new"));
        fs::write(&plain, "").unwrap();
        write_atomically(&new, |w| w.write_all(b"x")).unwrap();
        assert_eq!(mode(&new), mode(&plain));
        fs::create_dir(folder.path().join("plain-folder")).unwrap();
        NewFolder::create(&folder.path().join("new-folder")).unwrap().finish().unwrap();
        assert_eq!(mode(&folder.path().join("new-folder")), mode(&folder.path().join("plain-folder")));
    }

    #[test]
    fn a_folder_shows_when_it_is_complete_and_takes_no_full_one_s_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images");
        let new = NewFolder::create(&path).unwrap();
        fs::write(new.path().join("a.png"), "a").unwrap();
        assert!(!path.exists());
        new.finish().unwrap();
        assert_eq!(names(&path), ["a.png"]);
        assert_eq!(NewFolder::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        drop(NewFolder::create(&folder.path().join("dropped")).unwrap());
        assert_eq!(names(folder.path()), ["images"]);
    }
}
