//! What the repository holds: nothing big, and no mention of places outside it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Outcome;
use crate::process;
use crate::workspace::Workspace;

const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FIXTURES_BYTES: u64 = 25_000_000;
const FIXTURES: &str = "fixtures/";

/// Places on the authors' machines; cut in two so that this file passes its own rule.
const PLACES_OUTSIDE: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("../sha", "red"),
    ("/tmp/bri", "efs"),
    ("/home", "/"),
    ("sha", "red/golden"),
    ("sha", "red/design"),
];

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
        if metadata.len() <= MAX_FILE_BYTES {
            let bytes = fs::read(&full).with_context(|| format!("could not read {path}"))?;
            complaints.extend(places_outside(path, &bytes));
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

fn places_outside(path: &str, bytes: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (start, end) in PLACES_OUTSIDE {
            let place = format!("{start}{end}");
            if line.contains(&place) {
                complaints
                    .push(format!("{path}:{}: names `{place}`, which is outside the repository", number + 1));
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
    fn places_outside_the_repository_are_found_with_their_line() {
        let text = format!("fine\nsee {}{}main\n", "/wo", "rk/");
        let complaints = places_outside("README.md", text.as_bytes());
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("README.md:2: names"), "{complaints:?}");
    }

    #[test]
    fn binary_files_are_not_read_as_text() {
        assert!(places_outside("x.png", &[0xff, b'/', b'w', b'o', b'r', b'k', b'/']).is_empty());
    }
}
