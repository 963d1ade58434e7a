//! Room on the disk: how much there is, and what to say when it runs out.

use std::io;
use std::path::Path;

use pg_build::{byte_size, free_bytes};

/// Says that a disk is full: what is missing there, and how to go on. An [`anyhow::Error`] has it as its outermost context.
#[derive(Debug)]
pub struct FullDisk {
    text: String,
}

impl std::fmt::Display for FullDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// `error` as it is, or, if the disk was full, within a [`FullDisk`]. `left` bytes are still to be written, where that is known;
/// `kept` says what is kept.
#[must_use]
pub fn explain_full_disk(
    error: anyhow::Error,
    output: &Path,
    left: Option<u64>,
    kept: &str,
) -> anyhow::Error {
    if !is_of_full_disk(&error) {
        return error;
    }
    let free = free_bytes(output).unwrap_or(0);
    let missing = match left {
        Some(left) if left > free => format!("{} are missing", byte_size(left - free)),
        Some(_) => {
            format!("{} are free, so a quota or the limit of files or of their size was met", byte_size(free))
        }
        None => format!("{} are free", byte_size(free)),
    };
    let left = left.map_or_else(String::new, |left| format!("{} are still to be written, ", byte_size(left)));
    error.context(FullDisk { text: format!("no room left in {}: {left}{missing}; {kept}", output.display()) })
}

/// Whether the disk, a quota or the limit of a file's size was the cause.
pub(crate) fn is_of_full_disk(error: &anyhow::Error) -> bool {
    let is_full = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    };
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn only_a_full_disk_is_explained() {
        let failed = |kind: io::ErrorKind| {
            let error = Err::<(), _>(io::Error::from(kind)).context("cannot write out/a").unwrap_err();
            explain_full_disk(error, Path::new("/"), Some(u64::MAX), "go on").to_string()
        };
        assert!(failed(io::ErrorKind::StorageFull).starts_with("no room left in /: 17179869184.0 GiB are"));
        assert_eq!(failed(io::ErrorKind::PermissionDenied), "cannot write out/a");
    }
}
