//! Files of `--part`: which part of which images each is, and all of them as one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use pg_cli::{Part, Provenance};
use pg_stats::Stats;
use serde_json::{Value, json};

use crate::image_set::ImageSet;

/// Name of the setting in a part's provenance.
pub(super) const SETTING: &str = "part";
/// As many as --part takes.
const MAX_PARTS: u64 = 100_000;

/// What tells parts of the first `count` images of `set` from those of others.
pub(super) fn setting(part: Part, set: &ImageSet, count: usize) -> Value {
    let mut hasher = blake3::Hasher::new();
    for index in 0..count {
        hasher.update(set.file_name(index).as_bytes());
        hasher.update(b"\n");
    }
    json!({
        "part": part.index,
        "parts": part.count,
        "images": count,
        "names_blake3": hasher.finalize().to_hex().as_str(),
    })
}

/// Files that --part made in the order of their parts, with the provenance of one run over all of them into `output`;
/// other files as they are.
///
/// Parts must be all of one run, each once.
pub(super) fn in_order(files: Vec<Stats>, output: &Path) -> Result<(Vec<Stats>, Option<Provenance>)> {
    let said = |file: &Stats| file.provenance()["settings"].get(SETTING).cloned();
    let Some((first_name, first)) = files.iter().find_map(|file| Some((file.path().to_owned(), said(file)?)))
    else {
        return Ok((files, None));
    };
    let number = |said: &Value, key: &str| said[key].as_u64().unwrap_or(0);
    let count = number(&first, "parts");
    if !(1..=MAX_PARTS).contains(&count) {
        bail!("{} is part of {count}, expected of 1 to {MAX_PARTS}", first_name.display());
    }
    let mut parts: BTreeMap<u64, Stats> = BTreeMap::new();
    for file in files {
        let path = file.path().display().to_string();
        let Some(said) = said(&file) else {
            bail!("{path} was made without --part, {} with it: merge parts apart", first_name.display());
        };
        for (key, what) in [
            ("parts", "the number of parts"),
            ("images", "the number of images"),
            ("names_blake3", "the list of images"),
        ] {
            if said[key] != first[key] {
                bail!(
                    "{path} is no part of what {} is a part of ({what} differs): leave it out, or make it again by the same command",
                    first_name.display()
                );
            }
        }
        let part = number(&said, "part");
        if let Some(other) = parts.insert(part, file) {
            bail!("{} and {path} are both part {part}: leave one of them out", other.path().display());
        }
    }
    let missing: Vec<String> =
        (1..=count).filter(|part| !parts.contains_key(part)).map(|part| part.to_string()).collect();
    if !missing.is_empty() {
        bail!(
            "parts {} of {count} are missing: make them with --part I/{count}, and give them too",
            missing.join(", ")
        );
    }
    let files: Vec<Stats> = parts.into_values().collect();
    let Some(one) = files.first() else { return Ok((files, None)) };
    let mut whole: Provenance = serde_json::from_value(one.provenance().clone())?;
    whole.settings.shift_remove(SETTING);
    whole = whole.count("images_read", number(&first, "images"));
    Ok((files, Some(whole.with_output(&output.display().to_string()))))
}
