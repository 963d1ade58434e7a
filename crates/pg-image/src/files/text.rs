//! Text files of other programs, in the encodings that they write.

use std::borrow::Cow;
use std::path::Path;

use super::{DecodeLimits, FilesError, read_bytes};

/// Longest text that is read: FFHQ's list of 70,000 photos has a quarter of it.
const MAX_TEXT_BYTES: u64 = 1 << 30;

/// The text of a file: UTF-8 with or without a byte-order mark, or UTF-16 with one.
///
/// # Errors
/// Those of [`read_bytes`], above 1 GiB for one; [`FilesError::NotText`].
pub fn read_text(path: &Path) -> Result<String, FilesError> {
    text_of(path, MAX_TEXT_BYTES)
}

/// As [`read_text`], for what people write by hand: 16 MiB at most.
///
/// # Errors
/// As [`read_text`].
pub fn read_short_text(path: &Path) -> Result<String, FilesError> {
    text_of(path, 16 << 20)
}

fn text_of(path: &Path, max_bytes: u64) -> Result<String, FilesError> {
    let limits = DecodeLimits { max_bytes, ..DecodeLimits::default() };
    let bytes = read_bytes(path, &limits)?;
    let text = decoded_text(&bytes).and_then(|text| String::from_utf8(text.into_owned()).ok());
    text.ok_or_else(|| FilesError::NotText { path: path.to_owned() })
}

/// `bytes` in UTF-8 without a byte-order mark; `None` for UTF-16 that is none. Other bytes stay as they are.
#[must_use]
pub fn decoded_text(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(text) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return Some(text.into());
    }
    let units: Vec<u16> = match bytes {
        [0xff, 0xfe, rest @ ..] => rest.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect(),
        [0xfe, 0xff, rest @ ..] => rest.as_chunks().0.iter().map(|&pair| u16::from_be_bytes(pair)).collect(),
        _ => return Some(bytes.into()),
    };
    let is_whole = bytes.len().is_multiple_of(2);
    let text = String::from_utf16(&units).ok().filter(|_| is_whole)?;
    Some(text.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_same_in_every_encoding() {
        let folder = tempfile::tempdir().unwrap();
        let text = "file,label\nä\u{1f600}.png,3\n";
        let utf_16: Vec<u16> = text.encode_utf16().collect();
        let little =
            [&[0xff, 0xfe][..], &utf_16.iter().flat_map(|u| u.to_le_bytes()).collect::<Vec<_>>()].concat();
        let big =
            [&[0xfe, 0xff][..], &utf_16.iter().flat_map(|u| u.to_be_bytes()).collect::<Vec<_>>()].concat();
        let marked = ["\u{feff}", text].concat().into_bytes();
        for bytes in [text.as_bytes(), &marked, &little, &big] {
            let path = folder.path().join("labels.csv");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b"a\xff\xfe"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8"] {
            let path = folder.path().join("labels.csv");
            std::fs::write(&path, bytes).unwrap();
            assert!(matches!(read_text(&path), Err(FilesError::NotText { .. })), "{bytes:?}");
        }
        #[cfg(target_os = "linux")]
        assert!(matches!(read_text(Path::new("/dev/zero")), Err(FilesError::TooManyBytes { .. })));
    }
}
