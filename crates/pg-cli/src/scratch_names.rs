//! Paths in the scratch folder are shown as the URLs that they stand for.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

/// What paths in the scratch folder begin with; a process has one scratch folder.
static START: OnceLock<String> = OnceLock::new();

/// From now on all that is printed shows a path below `scratch` without that part.
pub(crate) fn hide_scratch(scratch: &Path) {
    let _ = START.set(format!("{}/", scratch.display()));
}

/// Whether `path` lies in the scratch folder.
#[must_use]
pub fn is_in_scratch(path: &Path) -> bool {
    START.get().is_some_and(|start| path.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()))
}

/// `text` as it is to be shown.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    match START.get() {
        Some(start) => without(text, start),
        None => Cow::Borrowed(text),
    }
}

fn without<'a>(text: &'a str, start: &str) -> Cow<'a, str> {
    if text.contains(start) { Cow::Owned(text.replace(start, "")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_scratch_folder_reads_as_its_url() {
        let text = "/tmp/scratch-0/s3://b/a.png is empty; /tmp/other stays";
        assert_eq!(without(text, "/tmp/scratch-0/"), "s3://b/a.png is empty; /tmp/other stays");
    }
}
