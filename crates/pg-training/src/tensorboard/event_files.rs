//! A run's event files: their names, and cutting off what a resumed run will write again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::event::{STEP_WITHIN_BYTES, step};
use super::records::{FOOTER_BYTES, HEADER_BYTES, length};
use crate::TrainingError;

/// TensorBoard knows event files by this.
const PREFIX: &str = "events.out.tfevents.";
/// And this program its own.
const SUFFIX: &str = ".pgkit";
/// Bytes of an event among which its tags are.
const MOST_OF_AN_EVENT: usize = 1 << 12;

/// The file of number `number`: about the second of its beginning.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:010}{SUFFIX}"))
}

/// Numbers and paths of the event files of `folder`.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainingError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(TrainingError::io("list", folder))? {
        let entry = entry.map_err(TrainingError::io("list", folder))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        found.extend(number.and_then(|digits| digits.parse().ok()).map(|number| (number, entry.path())));
    }
    Ok(found)
}

/// Whether one of the event files of `folder` has an event of `wanted` that holds `tag`.
pub(super) fn hold(folder: &Path, wanted: u64, tag: &str) -> Result<bool, TrainingError> {
    for (_, path) in list(folder)? {
        if holds(&path, wanted, tag).map_err(TrainingError::io("read", &path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds(path: &Path, wanted: u64, tag: &str) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut at = 0;
    while let Some(end) = next_record(&mut file, at, bytes, u64::MAX)? {
        // A picture's bytes come behind its tag.
        let mut start = vec![0; MOST_OF_AN_EVENT.min((end - at) as usize)];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut start)?;
        let event = start.get(HEADER_BYTES..).unwrap_or_default();
        let has_tag = event.windows(tag.len()).any(|part| part == tag.as_bytes());
        if has_tag && step(event) == Some(wanted) {
            return Ok(true);
        }
        at = end;
    }
    Ok(false)
}

/// Cuts every event file of `folder` before its first event past `last_step`, and before a record that was torn.
/// Returns the newest file's number.
pub(super) fn cut_after(folder: &Path, last_step: u64) -> Result<Option<u64>, TrainingError> {
    let mut newest = None;
    for (number, path) in list(folder)? {
        newest = newest.max(Some(number));
        cut_file(&path, last_step).map_err(TrainingError::io("cut", &path))?;
    }
    Ok(newest)
}

fn cut_file(path: &Path, last_step: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    let mut end = 0;
    while let Some(next) = next_record(&mut file, end, bytes, last_step)? {
        end = next;
    }
    if end < bytes {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(())
}

/// The end of the record at `at`, unless the file ends before that or the record's step is past `last_step`.
fn next_record(file: &mut File, at: u64, bytes: u64, last_step: u64) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    if at + (HEADER_BYTES as u64) > bytes {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut header)?;
    let frame_bytes = (HEADER_BYTES + FOOTER_BYTES) as u64;
    let end = length(header).and_then(|length| at.checked_add(length)?.checked_add(frame_bytes));
    let Some(end) = end.filter(|&end| end <= bytes) else { return Ok(None) };
    let data_bytes = end - at - frame_bytes;
    let mut start = vec![0; STEP_WITHIN_BYTES.min(data_bytes as usize)];
    file.read_exact(&mut start)?;
    Ok(step(&start).is_some_and(|step| step <= last_step).then_some(end))
}
