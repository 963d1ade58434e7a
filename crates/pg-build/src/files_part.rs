//! `part.json` of a folder of files: some of the items of a job that writes a file for each.

use std::fs;
use std::path::{Component, Path};

use pg_shard::format::{MAX_MANIFEST_BYTES, PART_FILE};
use pg_shard::{BuildPlan, FailedItem, MAX_PARTS, names_blake3};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BuildError, Part};

const FORMAT: &str = "pgkit-files-part";
const VERSION: u32 = 1;

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the name of a file, or an item that failed")]
pub enum FilesPartItem {
    /// The name of its file.
    Written(String),
    /// It was left out.
    Failed(FailedItem),
}

/// What `part.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesPart {
    format: String,
    format_version: u32,
    /// Which part it is, from 1.
    pub part: usize,
    /// How many there are.
    pub parts: usize,
    /// Of the whole.
    pub plan: BuildPlan,
    /// The file that marks the whole as done.
    pub done_file: String,
    /// In the order of the plan's items.
    pub items: Vec<FilesPartItem>,
    /// By [`NAMES_KEY`](pg_shard::NAMES_KEY); parts of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names_blake3: Option<String>,
    /// Where it comes from, as the tool records it.
    pub provenance: Value,
}

impl FilesPart {
    /// Of `items`, those of `part` of `plan`.
    #[must_use]
    pub fn new(
        part: Part,
        plan: BuildPlan,
        done_file: &str,
        items: Vec<FilesPartItem>,
        provenance: Value,
    ) -> Self {
        let (part, parts) = (part.index, part.count);
        let (format, done_file) = (FORMAT.to_owned(), done_file.to_owned());
        let mut part = Self {
            format,
            format_version: VERSION,
            part,
            parts,
            plan,
            done_file,
            items,
            names_blake3: None,
            provenance,
        };
        part.names_blake3 = Some(names_blake3(part.written()));
        part
    }

    /// The names of its files.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            FilesPartItem::Written(name) => Some(name.as_str()),
            FilesPartItem::Failed(_) => None,
        })
    }

    /// What the folder of `part` is claimed by.
    #[must_use]
    pub fn claim(part: Part, plan: &BuildPlan) -> BuildPlan {
        let mut plan = plan.clone();
        plan.settings.insert("part".to_owned(), part.to_string().into());
        plan
    }

    /// Whether `FOLDER/part.json` is one of files.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        #[derive(Deserialize)]
        struct Claim {
            format: String,
        }
        let text = fs::read(folder.join(PART_FILE)).unwrap_or_default();
        serde_json::from_slice::<Claim>(&text).is_ok_and(|claim| claim.format == FORMAT)
    }

    /// What `FOLDER/part.json` says.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::Malformed`]
    pub fn read(folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join(PART_FILE);
        let malformed = |detail: String| BuildError::Malformed { path: path.clone(), detail };
        if fs::metadata(&path).map_err(BuildError::io("read", &path))?.len() > MAX_MANIFEST_BYTES {
            return Err(malformed(format!("more than {MAX_MANIFEST_BYTES} bytes")));
        }
        let text = fs::read(&path).map_err(BuildError::io("read", &path))?;
        let found: Self = serde_json::from_slice(&text)
            .map_err(|error| malformed(format!("expected JSON as --part writes it: {error}")))?;
        // Elsewhere than on Windows a backslash is a letter like others.
        let is_name = |name: &str| {
            let mut parts = Path::new(name).components();
            matches!(parts.next(), Some(Component::Normal(part)) if part == name) && parts.next().is_none()
        };
        let names = found.items.iter().filter_map(|item| match item {
            FilesPartItem::Written(name) => Some(name.as_str()),
            FilesPartItem::Failed(_) => None,
        });
        let wrong = names.chain([found.done_file.as_str()]).find(|name| !is_name(name));
        if let Some(wrong) = wrong {
            return Err(malformed(format!("{wrong:?} is no name of a file in its folder")));
        }
        let part = Part { index: found.part, count: found.parts };
        let fits = part.count <= MAX_PARTS
            && (1..=part.count).contains(&part.index)
            && part.range(found.plan.items).len() == found.items.len();
        if found.format != FORMAT || found.format_version != VERSION || !fits {
            return Err(malformed(format!(
                "expected format {FORMAT:?}, version {VERSION}, and all items of a part"
            )));
        }
        Ok(found)
    }

    /// Whether it is `part` of `plan`.
    #[must_use]
    pub fn is(&self, part: Part, plan: &BuildPlan) -> bool {
        (self.part, self.parts) == (part.index, part.count) && self.plan == *plan
    }

    /// Files written, and items left out.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let written = self.items.iter().filter(|item| matches!(item, FilesPartItem::Written(_))).count();
        (written as u64, (self.items.len() - written) as u64)
    }
}
