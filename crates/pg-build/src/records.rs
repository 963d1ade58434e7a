//! What a build writes beside its items: which failed, and the file that says that all is there.

use std::io::Write as _;
use std::path::Path;

use pg_image::files::write_atomically;
use pg_shard::format::FAILED_FILE;
use pg_shard::{BuildPlan, FailedItem, NAMES_KEY, names_blake3};
use serde_json::{Value, json};

use crate::BuildError;

/// What `failed.jsonl` of an earlier run lists.
#[must_use]
pub fn failed_items(output: &Path) -> Vec<FailedItem> {
    let text = std::fs::read_to_string(output.join(FAILED_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Writes `failed.jsonl` where there is anything in it.
///
/// # Errors
/// [`BuildError::Io`]
pub fn write_failed_items<'a>(
    output: &Path,
    failed: impl Iterator<Item = &'a FailedItem>,
) -> Result<(), BuildError> {
    let path = output.join(FAILED_FILE);
    let mut lines = Vec::new();
    for item in failed {
        serde_json::to_writer(&mut lines, item)
            .map_err(|error| BuildError::io("write", &path)(error.into()))?;
        lines.push(b'\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    write_atomically(&path, |file| file.write_all(&lines)).map_err(BuildError::io("write", &path))
}

/// The content of the file that marks a folder of files as done; `names` are those of all files in it.
pub fn done_json<'a>(
    (files, failed): (u64, u64),
    plan: &BuildPlan,
    names: impl Iterator<Item = &'a str>,
    provenance: &Value,
) -> Value {
    json!({
        "files": files,
        "failed": failed,
        "plan_blake3": plan.blake3(),
        NAMES_KEY: names_blake3(names),
        "provenance": provenance,
    })
}

/// Whether what [`done_json`] gave is of `plan`.
pub(crate) fn is_of(done: &Value, plan: &BuildPlan) -> bool {
    done["plan_blake3"].as_str() == Some(plan.blake3().as_str())
}

/// What the file `path`, which this tool wrote, says.
pub(crate) fn read_json(path: &Path) -> Result<Value, BuildError> {
    let text = std::fs::read(path).map_err(BuildError::io("read", path))?;
    let malformed = |error| BuildError::Malformed {
        path: path.to_owned(),
        detail: format!("expected JSON as pgkit writes it: {error}"),
    };
    serde_json::from_slice(&text).map_err(malformed)
}

/// Writes indented JSON with a final newline, atomically.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), BuildError> {
    let write = || -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        write_atomically(path, |file| file.write_all(&text))
    };
    write().map_err(BuildError::io("write", path))
}
