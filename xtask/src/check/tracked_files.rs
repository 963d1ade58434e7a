//! What the repository holds: nothing big, and no documentation of files that are not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Outcome;
use crate::process;
use crate::workspace::Workspace;

const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FIXTURES_BYTES: u64 = 25_000_000;
const FIXTURES: &str = "fixtures/";

/// Checks every file that git tracks, or would track.
pub(super) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut command = Command::new("git");
    command.current_dir(workspace.root());
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let Ok(Ok(listing)) = process::silent(&mut command) else {
        return Ok(Outcome::Skipped("not a git checkout".to_owned()));
    };
    let mut complaints = Vec::new();
    let mut fixtures_bytes = 0;
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let full = workspace.root().join(path);
        // A link's target is not the repository's, and a removed file is listed until it is staged.
        let Ok(metadata) = fs::symlink_metadata(&full) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let is_fixture = path.starts_with(FIXTURES);
        if is_fixture {
            fixtures_bytes += metadata.len();
        }
        complaints.extend(too_big(path, is_fixture, metadata.len()));
        // A changelog tells of files of its time.
        if has_extension(path, "md") && path != "CHANGELOG.md" {
            let text = fs::read_to_string(&full).with_context(|| format!("could not read {path}"))?;
            complaints.extend(paths_of_nothing(workspace.root(), path, &text));
        }
    }
    if fixtures_bytes > MAX_FIXTURES_BYTES {
        complaints.push(format!(
            "{FIXTURES} holds {:.1} MB, more than {} MB",
            fixtures_bytes as f64 / 1e6,
            MAX_FIXTURES_BYTES / 1_000_000
        ));
    }
    Ok(Outcome::of_complaints(&complaints))
}

fn too_big(path: &str, is_fixture: bool, size_bytes: u64) -> Option<String> {
    (!is_fixture && size_bytes > MAX_FILE_BYTES)
        .then(|| format!("{path}: {size_bytes} bytes; only files below {FIXTURES} may be larger than 1 MiB"))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Folders whose files documentation names by their paths from the root.
const NAMED_FOLDERS: [&str; 8] = ["crates", "bin", "xtask", "tests", "docs", "fixtures", "benches", "tools"];

/// The paths between backticks that lead nowhere: those from the root, and in a row of a table names of `.rs` files, which lie
/// beside the path before them.
fn paths_of_nothing(root: &Path, document: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut folder = None;
        for word in line.split('`').skip(1).step_by(2) {
            let is_named = NAMED_FOLDERS.iter().any(|named| word.split('/').next() == Some(named));
            let is_pattern =
                word.contains(|c: char| c.is_whitespace() || "*<>{}$[]".contains(c) || c.is_uppercase());
            let path = if is_named && word.contains('/') && !is_pattern {
                folder = Path::new(word).parent().map(Path::to_owned);
                PathBuf::from(word)
            } else if line.starts_with('|') && has_extension(word, "rs") && !word.contains('/') {
                let Some(folder) = &folder else { continue };
                folder.join(word)
            } else {
                continue;
            };
            if !root.join(&path).exists() {
                complaints.push(format!(
                    "{document}:{}: `{word}` is not there ({})",
                    number + 1,
                    path.display()
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fixtures_may_be_large() {
        assert!(too_big("crates/a/src/lib.rs", false, MAX_FILE_BYTES + 1).is_some());
        assert!(too_big("crates/a/src/lib.rs", false, MAX_FILE_BYTES).is_none());
        assert!(too_big("fixtures/align/photo.png", true, MAX_FILE_BYTES + 1).is_none());
    }

    #[test]
    fn paths_that_lead_nowhere_are_named_with_their_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let good = "`xtask/src/main.rs`, `cargo xtask check`, `tests/*`, `crates/NAME/src`\n| `xtask/src/check/mod.rs`, `crate_rules.rs` |";
        assert_eq!(paths_of_nothing(root, "a.md", good), [""; 0]);
        let bad = "fine\n`docs/none.md`\n| `xtask/src/main.rs`, `none.rs` |";
        let said = paths_of_nothing(root, "a.md", bad);
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("a.md:2: `docs/none.md` is not there"), "{said:?}");
        assert!(said[1].ends_with("`none.rs` is not there (xtask/src/none.rs)"), "{said:?}");
    }
}
