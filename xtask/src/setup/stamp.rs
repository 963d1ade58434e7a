//! The stamp in a finished folder: which pinned wheels it came from, and every file with its size.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::pinned_wheels::Component;

/// The stamp's name in the folder of a component.
pub(super) const FILE_NAME: &str = ".pgkit-setup";

/// What stands in a component's folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All files of the pinned set, each of its size.
    Whole,
    /// No folder.
    Absent,
    /// Something else, and why it does not do.
    Replace(String),
}

/// The text of the stamp for a component whose files have these sizes.
pub(super) fn text(component: &Component, files: &BTreeMap<String, u64>) -> String {
    let mut text = head(component);
    for (path, size_bytes) in files {
        let _ = writeln!(text, "file {size_bytes} {path}");
    }
    text
}

fn head(component: &Component) -> String {
    let mut text = format!("component {}\n", component.id);
    for piece in component.pieces {
        let _ = writeln!(text, "wheel {} {}", piece.wheel.sha256, piece.wheel.file_name);
    }
    text
}

/// Compares the folder with its stamp. Sizes only: a hash of 450 MB at each call would be too slow,
/// and what is guarded against is a file cut short or removed.
pub(super) fn check(component: &Component, folder: &Path) -> State {
    if !folder.exists() {
        return State::Absent;
    }
    let Ok(stamp) = fs::read_to_string(folder.join(FILE_NAME)) else {
        return State::Replace("was not made by this setup".to_owned());
    };
    let Some(files) = stamp.strip_prefix(&head(component)) else {
        return State::Replace("holds another set".to_owned());
    };
    for line in files.lines() {
        let Some((size_bytes, path)) = line
            .strip_prefix("file ")
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(size, path)| Some((size.parse::<u64>().ok()?, path)))
        else {
            return State::Replace("has a damaged stamp".to_owned());
        };
        match fs::metadata(folder.join(path)) {
            Ok(metadata) if metadata.len() == size_bytes => {}
            Ok(metadata) => {
                return State::Replace(format!(
                    "has {path} with {} bytes instead of {size_bytes}",
                    metadata.len()
                ));
            }
            Err(_) => return State::Replace(format!("lacks {path}")),
        }
    }
    State::Whole
}
