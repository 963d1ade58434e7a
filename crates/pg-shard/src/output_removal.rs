//! Removing an output that another is to take the place of (`--overwrite`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pg_image::files::{empty_at_once, is_in_the_making};
use serde_json::Value;

use crate::format::{
    BUILD_FILE, BUILD_FOLDER, FAILED_FILE, INDEX_FOLDER, LABELS_FOLDER, LOCK_FILE, MANIFEST_FILE,
    MAX_MANIFEST_BYTES, NAMES_FILE, PART_FILE, SEAL_FILE,
};
use crate::output_folder::{begun_plan, lock};
use crate::part::is_part;
use crate::{BuildPlan, Manifest, ShardError};

/// The member of a file that ends the work (`align.json`), by which [`remove_output`] knows the files that belong to it.
pub const NAMES_KEY: &str = "names_blake3";

/// What [`NAMES_KEY`] holds: BLAKE3 of `names`, relative to the output, sorted, one a line.
#[must_use]
pub fn names_blake3<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes()).update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// Removes what is in `folder` if all of it was written by this tool: a dataset or a part of one, finished or begun, or a
/// finished folder of files. What is left is an empty folder, or none where there was none. What was begun by `plan` stays: it is
/// to be gone on with.
///
/// All is looked at before anything is removed. The folder then goes by one renaming, so that no half of an output is left
/// behind by a process that is killed.
///
/// # Errors
/// [`ShardError::NotOurs`] names something that this tool did not write, [`ShardError::Locked`] while another process
/// works on it; [`ShardError::Io`].
pub fn remove_output(folder: &Path, plan: Option<&BuildPlan>) -> Result<(), ShardError> {
    let Some(mut names) = names_in(folder)? else { return Ok(()) };
    names.retain(|name| name != LOCK_FILE && !is_in_the_making(name.rsplit('/').next().unwrap_or_default()));
    if names.is_empty() {
        return Ok(());
    }
    let is_finished_dataset = Manifest::is_in(folder) || is_part(folder);
    let begun = begun_plan(&folder.join(BUILD_FILE))?;
    if let Some((done_file, recorded)) = recorded_names(folder, &names)? {
        let files = names.iter().map(String::as_str).filter(|&name| name != done_file && name != FAILED_FILE);
        if recorded != names_blake3(files) {
            return Err(ShardError::NotOurs { path: folder.to_owned() });
        }
    } else if !is_finished_dataset && begun.is_some() && begun.as_ref() == plan {
        return Ok(());
    } else if !is_finished_dataset && begun.is_none() {
        return Err(ShardError::NotOurs { path: folder.to_owned() });
    } else {
        let noted = if begun.is_some() { noted_names(folder) } else { BTreeSet::new() };
        let is_of_build = |name: &str| begun.is_some() && name.starts_with(&format!("{BUILD_FOLDER}/"));
        let is_own = |name: &String| is_of_a_dataset(name) || is_of_build(name) || noted.contains(name);
        if let Some(foreign) = names.iter().find(|name| !is_own(name)) {
            return Err(ShardError::NotOurs { path: folder.join(foreign) });
        }
    }
    let _lock = lock(folder)?;
    empty_at_once(folder).map_err(|source| ShardError::Io {
        action: "remove",
        path: folder.to_owned(),
        source,
    })
}

/// What an unfinished build noted of the files that it would write, and the folders that these lie in.
fn noted_names(folder: &Path) -> BTreeSet<String> {
    let text = fs::read(folder.join(NAMES_FILE)).unwrap_or_default();
    let mut names: BTreeSet<String> = serde_json::from_slice(&text).unwrap_or_default();
    // A folder that is empty yet is named with a slash behind it.
    let folders = names.iter().filter_map(|name| Some(format!("{}/", name.rsplit_once('/')?.0)));
    let folders: Vec<String> = folders.collect();
    names.extend(folders);
    names
}

/// The file that says that the output in `folder` is finished, if it is one of this tool.
pub(crate) fn finished_by(folder: &Path) -> Option<String> {
    if Manifest::is_in(folder) {
        return Some(MANIFEST_FILE.to_owned());
    }
    if is_part(folder) {
        return Some(PART_FILE.to_owned());
    }
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    Some(recorded_names(folder, &names).ok()??.0)
}

/// The file that ends a folder of files, with what it says of their names.
fn recorded_names(folder: &Path, names: &[String]) -> Result<Option<(String, String)>, ShardError> {
    let is_record =
        |name: &&String| !name.contains('/') && Path::new(name).extension().is_some_and(|e| e == "json");
    for name in names.iter().filter(is_record) {
        let path = folder.join(name);
        let failed = |source| ShardError::Io { action: "read", path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.len() > MAX_MANIFEST_BYTES {
            continue;
        }
        let json: Value = serde_json::from_slice(&fs::read(&path).map_err(failed)?).unwrap_or_default();
        if let Some(recorded) = json.get(NAMES_KEY).and_then(Value::as_str) {
            return Ok(Some((name.clone(), recorded.to_owned())));
        }
    }
    Ok(None)
}

/// Whether a dataset, or a part of one, has a file `name`, finished or not.
fn is_of_a_dataset(name: &str) -> bool {
    if [MANIFEST_FILE, SEAL_FILE, FAILED_FILE, PART_FILE, BUILD_FILE].contains(&name) {
        return true;
    }
    let Some((folder, file)) = name.split_once('/') else { return false };
    let is_level = folder.strip_prefix('r').is_some_and(|px| px.len() == 4 && px.parse::<u32>().is_ok());
    let is_folder = is_level || [INDEX_FOLDER, LABELS_FOLDER, BUILD_FOLDER].contains(&folder);
    // A shard that was being written.
    let file = file.strip_suffix(".partial").unwrap_or(file);
    let of_shard = file.strip_prefix("shard-").and_then(|rest| rest.split_once('.'));
    is_folder
        && of_shard.is_some_and(|(number, extension)| {
            number.len() == 5
                && number.parse::<u32>().is_ok()
                && ["safetensors", "jsonl", "json"].contains(&extension)
        })
}

/// All files below `folder`, and folders that are empty, by names with `/`; `None` where it is not there.
fn names_in(folder: &Path) -> Result<Option<Vec<String>>, ShardError> {
    let failed = |path: &Path, source| ShardError::Io { action: "list", path: path.to_owned(), source };
    let mut names = Vec::new();
    let mut open: Vec<(PathBuf, String)> = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        let entries = match fs::read_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && prefix.is_empty() => return Ok(None),
            entries => entries.map_err(|e| failed(&path, e))?,
        };
        let before = names.len() + open.len();
        for entry in entries {
            let entry = entry.map_err(|e| failed(&path, e))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(|e| failed(&entry.path(), e))?.is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else {
                names.push(name);
            }
        }
        // Of a build: it makes its folders first.
        let is_own = is_of_a_dataset(&format!("{prefix}shard-00000.json"));
        if names.len() + open.len() == before && !prefix.is_empty() && !is_own {
            names.push(prefix);
        }
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(names: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in names {
            let path = folder.path().join("out").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn done(names: &[&str]) -> String {
        json!({ "plan_blake3": "00", NAMES_KEY: names_blake3(names.iter().copied()) }).to_string()
    }

    #[test]
    fn a_finished_folder_of_files_goes_and_leaves_nothing() {
        let done = done(&["b/2.png", "a.png"]);
        let files = [("a.png", ""), ("b/2.png", ""), ("failed.jsonl", ""), ("align.json", &*done)];
        let folder = filled(&files);
        remove_output(&folder.path().join("out"), None).unwrap();
        let names = |path: &Path| {
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(folder.path()), ["out"]);
        assert!(names(&folder.path().join("out")).is_empty());
        for name in ["out", "none"] {
            remove_output(&folder.path().join(name), None).unwrap();
        }
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn anything_else_in_it_keeps_all() {
        let done = done(&["a.png"]);
        let own = [("a.png", ""), ("align.json", &*done)];
        for extra in
            ["notes.txt", "b.png", "deep/er/x", "dataset.json", "r0004/shard-00000.safetensors", ".hidden"]
        {
            let folder = filled(&[&own[..], &[(extra, "mine")]].concat());
            let out = folder.path().join("out");
            let error = remove_output(&out, None).unwrap_err();
            assert!(matches!(error, ShardError::NotOurs { .. }), "{extra}: {error}");
            assert!(out.join("a.png").is_file() && out.join(extra).is_file(), "{extra}");
        }
        let folder = filled(&own);
        let out = folder.path().join("out");
        fs::create_dir(out.join("empty")).unwrap();
        remove_output(&out, None).unwrap_err();
        fs::remove_dir(out.join("empty")).unwrap();
        // One of them is gone: what is there is not what was written.
        fs::rename(out.join("a.png"), out.join("b.png")).unwrap();
        remove_output(&out, None).unwrap_err();
        assert!(out.join("b.png").is_file());
    }

    #[test]
    fn what_was_begun_goes_by_the_names_that_it_noted() {
        let plan =
            r#"{"settings":{},"source_blake3":"","items":3,"items_per_shard":1,"channels":3,"resolution":4}"#;
        let noted = r#"["a.png", "deep/b.png"]"#;
        let begun = [
            ("pgkit-build.json", plan),
            ("pgkit-build/names.json", noted),
            ("pgkit-build/scores-00000.jsonl", ""),
            ("deep/b.png", "half of all"),
            ("r0004/shard-00003.safetensors.partial", ""),
        ];
        let folder = filled(&begun);
        remove_output(&folder.path().join("out"), None).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 0);
        for extra in ["c.png", "deep/c.png", "r0004/notes.partial", "deeper/"] {
            let folder = filled(&begun);
            let path = folder.path().join("out").join(extra);
            if extra.ends_with('/') {
                fs::create_dir(&path).unwrap();
            } else {
                fs::write(&path, "mine").unwrap();
            }
            let error = remove_output(&folder.path().join("out"), None).unwrap_err();
            assert!(error.to_string().contains(extra.trim_end_matches('/')), "{error}");
            assert!(path.exists() && folder.path().join("out/deep/b.png").is_file());
        }
    }

    #[test]
    fn folders_of_other_tools_stay() {
        for files in [
            &[("dataset.json", "{}")][..],
            &[("photo.jpg", "")],
            &[("r0004/shard-00000.safetensors", "")],
            &[("align.json", "{}"), ("a.png", "")],
            &[("pgkit-build.json", "{}"), ("pgkit-build/x", "")],
        ] {
            let folder = filled(files);
            let out = folder.path().join("out");
            remove_output(&out, None).unwrap_err();
            assert!(files.iter().all(|(name, _)| out.join(name).is_file()), "{files:?}");
        }
        let folder = filled(&[(".pgkit-abc.partial", ""), ("pgkit-build.lock", "")]);
        remove_output(&folder.path().join("out"), None).unwrap();
    }
}
