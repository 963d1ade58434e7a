//! Finished outputs that are begun again, for the items of which failed.

use std::fs;
use std::path::Path;

use crate::files_on_disk::write_json;
use crate::format::{BUILD_FILE, BUILD_FOLDER, FAILED_FILE, MANIFEST_FILE, SEAL_FILE, record_path};
use crate::output_folder::{gone, lock};
use crate::shard_writer::ShardRecord;
use crate::{BuildPlan, Manifest, ShardError, Storage};

/// Makes the finished dataset in `folder` that `before` made unfinished in those shards in which items
/// failed, so that opening it for `plan` builds them again. The plans differ in what the source list says of these
/// items. Nothing happens where it is not finished, not by `before`, or nothing failed.
///
/// Killed in between, it is either as finished as before or goes on with `plan`.
///
/// # Errors
/// [`ShardError::Locked`] while another process works on it; what is wrong with the manifest; [`ShardError::Io`].
pub fn reopen_failed(
    folder: &Path,
    before: &BuildPlan,
    plan: &BuildPlan,
    storage: &Storage,
) -> Result<(), ShardError> {
    let [before, plan] = [before, plan].map(|plan| storage.recorded_in(plan.clone()));
    if !Manifest::is_in(folder) {
        return Ok(());
    }
    let _lock = lock(folder)?;
    let records = whole_shards(&Manifest::read(folder)?, &before);
    let Some(records) = records else { return Ok(()) };
    let build = folder.join(BUILD_FOLDER);
    fs::create_dir_all(&build).map_err(|source| ShardError::Io { action: "create", path: build, source })?;
    for (shard, record) in records {
        write_json(&folder.join(record_path(shard)), &record)?;
    }
    begin_again(folder, &plan, MANIFEST_FILE)
}

/// Makes the finished folder of files in `folder` unfinished, so that claiming it by `plan` goes on with it. `done_file` ends it.
///
/// # Errors
/// [`ShardError::Locked`] while another process works on it; [`ShardError::Io`].
pub fn reopen_files(folder: &Path, plan: &BuildPlan, done_file: &str) -> Result<(), ShardError> {
    let _lock = lock(folder)?;
    begin_again(folder, plan, done_file)
}

/// The plan is there before what says that all is done is gone.
fn begin_again(folder: &Path, plan: &BuildPlan, done_file: &str) -> Result<(), ShardError> {
    write_json(&folder.join(BUILD_FILE), plan)?;
    for name in [done_file, SEAL_FILE, FAILED_FILE] {
        let path = folder.join(name);
        gone(fs::remove_file(&path), &path)?;
    }
    Ok(())
}

/// The shards without failures, if there are others.
fn whole_shards(manifest: &Manifest, plan: &BuildPlan) -> Option<Vec<(usize, ShardRecord)>> {
    if manifest.failed == 0 || manifest.plan_blake3 != plan.blake3() {
        return None;
    }
    let items_of = |shard: usize| {
        let start = (shard * plan.items_per_shard).min(plan.items);
        plan.items_per_shard.min(plan.items - start)
    };
    let whole = manifest.shards.iter().filter(|entry| entry.images == items_of(entry.shard));
    let record = |shard: usize, images: usize| {
        let of_shard =
            manifest.files.iter().filter(|file| Manifest::shard_of_file(&file.path) == Some(shard));
        ShardRecord { images, files: of_shard.cloned().collect(), failed: Vec::new() }
    };
    Some(whole.map(|entry| (entry.shard, record(entry.shard, entry.images))).collect())
}
