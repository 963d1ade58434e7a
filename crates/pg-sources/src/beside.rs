//! What lies beside the images of a collection whose names come one by one.

use std::collections::BTreeSet;

use pg_image::files::LeftOut;

/// Counts what is no image; a hidden folder once, however many files it has.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    left_out: LeftOut,
    hidden_folders: BTreeSet<String>,
}

impl Beside {
    /// Whether a part of the path `name` is hidden, as `is_hidden` has it. A folder of that kind is counted.
    pub(crate) fn hides(&mut self, name: &str, is_hidden: impl Fn(&str) -> bool) -> bool {
        let Some(at) = name.split('/').position(is_hidden) else { return false };
        let folder = name.split('/').take(at + 1).collect::<Vec<_>>().join("/");
        if folder != name {
            self.hidden_folders.insert(folder);
        }
        true
    }

    /// Counts the file `name`.
    pub(crate) fn add(&mut self, name: &str) {
        self.left_out.files.add(name);
    }

    pub(crate) fn left_out(mut self) -> LeftOut {
        for folder in &self.hidden_folders {
            self.left_out.folders.add(folder);
        }
        self.left_out
    }
}
