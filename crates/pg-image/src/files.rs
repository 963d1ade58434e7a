//! Decoding, encoding and listing of image files, and the atomic way to write any file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file so that its name only ever shows complete contents: a temporary file in the same
/// folder, synced, then renamed over `path`, then the folder synced.
///
/// # Errors
/// Any I/O error of `write` or of the file system; the temporary file is removed then.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".partial");
    let temporary = Path::new(&temporary);
    let result = (|| {
        let mut writer = io::BufWriter::new(File::create(temporary)?);
        write(&mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        fs::rename(temporary, path)?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    })();
    if result.is_err() {
        let _ = fs::remove_file(temporary);
    }
    result
}
