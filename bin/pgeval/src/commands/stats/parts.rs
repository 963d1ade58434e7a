//! Files of `--part`: which part of which images each is, and all of them as one.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use pg_build::Part;
use pg_cli::Provenance;
use pg_shard::{MAX_PARTS, all_parts};
use pg_stats::Stats;
use serde_json::{Value, json};

use crate::image_set::ImageSet;

/// Name of the setting in a part's provenance.
pub(super) const SETTING: &str = "part";
/// Members that parts of one run have in common, and what they are.
const SAME_IN_ALL: [(&str, &str); 3] = [
    ("parts", "the number of parts"),
    ("images", "the number of images"),
    ("names_blake3", "the list of images"),
];

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
    if !(1..=MAX_PARTS as u64).contains(&count) {
        bail!("{} is part of {count}, expected of 1 to {MAX_PARTS}", first_name.display());
    }
    let mut given: Vec<(PathBuf, (Value, Stats))> = Vec::new();
    for file in files {
        let path = file.path().to_owned();
        let Some(said) = said(&file) else {
            bail!(
                "{} was made without --part, {} with it: merge parts apart",
                path.display(),
                first_name.display()
            );
        };
        given.push((path, (said, file)));
    }
    let place = |(said, _): &(Value, Stats)| (number(said, "part") as usize, number(said, "parts") as usize);
    let difference = |(first, _): &(Value, Stats), (said, _): &(Value, Stats)| {
        let differs = |&&(key, _): &&(&str, &str)| said[key] != first[key];
        SAME_IN_ALL.iter().find(differs).map_or_else(String::new, |&(_, what)| what.to_owned())
    };
    let files: Vec<Stats> =
        all_parts(given, place, difference)?.into_iter().map(|(_, (_, file))| file).collect();
    let Some(one) = files.first() else { return Ok((files, None)) };
    let mut whole: Provenance = serde_json::from_value(one.provenance().clone())?;
    whole.settings.shift_remove(SETTING);
    whole = whole.count("images_read", number(&first, "images"));
    Ok((files, Some(whole.with_output(&output.display().to_string()))))
}
