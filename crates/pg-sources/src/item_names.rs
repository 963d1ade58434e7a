//! Names of items: text, and no two alike.
//!
//! What is made of an item is named after it (`pgprep select` and `align` write files, `pack` an index, labels are
//! found by name), so that two items of one name would be taken for one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::{Item, SourceError};

/// A name for each of `count` items: `usual(i)` unless several items would have that one. Of those, an item that
/// `is_exact` keeps it, and the others get the text of their `bytes`, escaped.
pub(crate) fn told_apart<'a>(
    count: usize,
    usual: impl Fn(usize) -> String,
    is_exact: impl Fn(usize) -> bool,
    bytes: impl Fn(usize) -> &'a [u8],
) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(usual).collect();
    let mut times: HashMap<&str, usize> = HashMap::with_capacity(count);
    for name in &names {
        *times.entry(name).or_default() += 1;
    }
    let alike: Vec<usize> = (0..count).filter(|&i| times[names[i].as_str()] > 1 && !is_exact(i)).collect();
    for i in alike {
        names[i] = escaped(bytes(i));
    }
    names
}

/// `bytes` as text: what is not UTF-8, backslashes, percent signs and control characters as `%` and two hexadecimal
/// digits.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii_control() || ['\\', '%'].contains(&character) {
                let _ = write!(text, "%{:02X}", u32::from(character));
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Refuses two items of one name; `file` gives the file of an item that is one.
pub(crate) fn check<'a>(
    source: &Path,
    items: &[Item],
    file: impl Fn(usize) -> Option<&'a Path>,
) -> Result<(), SourceError> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(items.len());
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = places.insert(&item.name, second) {
            let place =
                |i: usize| file(i).map_or_else(|| PathBuf::from(format!("image {i}")), Path::to_owned);
            return Err(SourceError::SameName {
                path: source.to_owned(),
                name: item.name.clone(),
                first: place(first),
                second: place(second),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&[u8]]) -> Vec<String> {
        let usual = |i: usize| String::from_utf8_lossy(all[i]).replace('\\', "/");
        told_apart(all.len(), usual, |i| usual(i).as_bytes() == all[i], |i| all[i])
    }

    #[test]
    fn names_stay_as_they_are_unless_two_are_alike() {
        assert_eq!(names(&[b"a/b.png", b"c\\d.png", b"\xff.png"]), ["a/b.png", "c/d.png", "\u{fffd}.png"]);
        assert_eq!(names(&[b"\xfe.png", b"\xff.png"]), ["%FE.png", "%FF.png"]);
        assert_eq!(names(&[b"a/b.png", b"a\\b.png"]), ["a/b.png", "a%5Cb.png"]);
        // One whose real name holds the replacement character.
        assert_eq!(names(&["\u{fffd}.png".as_bytes(), b"\xff.png"]), ["\u{fffd}.png", "%FF.png"]);
        assert_eq!(names(&[b"5%\n\xff", b"5%\n\xfe"]), ["5%25%0A%FF", "5%25%0A%FE"]);
        // Escaped text of an unfinished sequence, and of characters beyond ASCII.
        assert_eq!(names(&["é\\".as_bytes(), "é/".as_bytes()]), ["é%5C", "é/"]);
        assert_eq!(names(&[b"\xe2\x82", b"\xe2\x83"]), ["%E2%82", "%E2%83"]);
    }

    #[test]
    fn two_items_of_one_name_are_refused_with_both_files() {
        let items = ["a", "b", "a"].map(|name| Item { name: name.to_owned(), bytes: 1 });
        let files = ["x/1", "x/2", "x/3"].map(Path::new);
        let error = check(Path::new("x"), &items, |i| files.get(i).copied()).unwrap_err().to_string();
        assert!(error.contains("\"x/1\" and \"x/3\""), "{error}");
        let error = check(Path::new("x"), &items, |_| None).unwrap_err().to_string();
        assert!(error.contains("\"image 0\" and \"image 2\""), "{error}");
        check(Path::new("x"), &items[..2], |_| None).unwrap();
    }
}
