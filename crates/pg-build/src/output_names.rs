//! Names of the files that a command writes, one for each item: no two alike.

use std::collections::HashMap;
use std::path::{Component, Path};

use crate::BuildError;

/// A name for each item, a path below the output folder. Two items of one name would be one file, of which the second
/// replaces the first, so that more would be reported than written: only names that are all different get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputNames(Vec<String>);

impl OutputNames {
    /// Checks `names`; `origin` says where the item of a name comes from.
    ///
    /// Names that differ only in the case of letters are two names; a file system that takes them for one refuses the
    /// second, or it replaces the first.
    ///
    /// # Errors
    /// [`BuildError::Names`]:
    /// - two items with one name, also where they are spelt differently, such as `a/b` and `a//b`
    /// - a name that is the folder of another
    /// - a name that is no place below a folder
    pub fn new(names: Vec<String>, origin: impl Fn(usize) -> String) -> Result<Self, BuildError> {
        let mut places: HashMap<&Path, usize> = HashMap::with_capacity(names.len());
        for (second, name) in names.iter().enumerate() {
            let path = Path::new(name);
            if name.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(BuildError::Names(format!(
                    "cannot write `{}` (-o): {name:?} is not a place below the output; rename it",
                    origin(second)
                )));
            }
            // Paths are equal when their parts are.
            if let Some(first) = places.insert(path, second) {
                return Err(BuildError::Names(format!(
                    "cannot write `{}` and `{}` (-o): both would become `{name}`; rename one of them",
                    origin(first),
                    origin(second)
                )));
            }
        }
        for (inner, name) in names.iter().enumerate() {
            let mut above = Path::new(name).ancestors().skip(1);
            if let Some(&outer) = above.find_map(|folder| places.get(folder)) {
                return Err(BuildError::Names(format!(
                    "cannot write `{}` and `{}` (-o): `{}` would have to be a file and a folder; rename one of them",
                    origin(outer),
                    origin(inner),
                    names[outer]
                )));
            }
        }
        Ok(Self(names))
    }

    /// The name of item `i`.
    ///
    /// # Panics
    /// Where there is no such item.
    #[must_use]
    pub fn get(&self, i: usize) -> &str {
        &self.0[i]
    }

    /// All names, in the order of the items.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(names: &[&str]) -> Result<OutputNames, String> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        OutputNames::new(names, |i| format!("in/{i}")).map_err(|error| error.to_string())
    }

    #[test]
    fn names_that_are_all_different_pass() {
        let names = checked(&["a.png", "a/b.png", "a/b.jpg", "A.png", "a.png.png", "\u{fffd}.png"]).unwrap();
        assert_eq!((names.get(1), names.as_slice().len()), ("a/b.png", 6));
    }

    #[test]
    fn two_of_one_name_are_refused_by_where_they_come_from() {
        for names in [["x", "a", "a"], ["x", "a/b", "a//b"], ["x", "a/b", "a/./b"], ["x", "a/b", "a/b/"]] {
            let error = checked(&names).unwrap_err();
            assert!(error.starts_with("cannot write `in/1` and `in/2` (-o): both would become"), "{error}");
        }
    }

    #[test]
    fn a_file_cannot_be_the_folder_of_another() {
        for names in [["a/b/c", "x", "a"], ["a/b", "x", "a/b/c/d"]] {
            let error = checked(&names).unwrap_err();
            assert!(error.contains("`in/0`") && error.contains("`in/2`"), "{error}");
            assert!(error.contains("a file and a folder"), "{error}");
        }
    }

    #[test]
    fn names_that_would_leave_the_output_are_refused() {
        for name in ["../b.png", "/b.png", "a/../../b.png", "", ".", "a/.."] {
            assert!(checked(&[name]).unwrap_err().contains("not a place below the output"), "{name}");
        }
    }
}
