//! `pgprep pack`: images to a dataset.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use pg_build::{Again, Built, DatasetBuild, LabelRows};
use pg_cli::ExitStatus;
use pg_shard::{FailedItem, Manifest};
use serde_json::json;

use crate::args::PackArgs;
use crate::build_results::{finished_dataset, output_of};
use crate::building::build_dataset;
use crate::pack_job::PackJob;
use crate::session::Session;

pub(crate) fn run(session: &Session, args: &PackArgs) -> anyhow::Result<ExitStatus> {
    let pack = PackJob::prepare(session, args)?;
    let row = |i: usize| pack.row(i);
    let source_before = |failed: &[FailedItem]| pack.source_blake3(failed);
    let modified = |i: usize| pack.modified(i, args);
    let part = args.parts.chosen()?;
    let output = output_of(part, &args.output)?;
    let build = DatasetBuild {
        part,
        plan: pack.plan.clone(),
        storage: pack.storage.clone(),
        label: "pack",
        stop_at_failure: false,
        labels: pack.label_names().map(|names| LabelRows { names, row: &row }),
        again: Again { failed: args.retry_failed.then_some(&source_before), modified: Some(&modified) },
    };
    pack.will_load();
    let provenance = |done, failed| pack.provenance(args, done, failed);
    let built = build_dataset(session, &output, build, provenance, |i| pack.make(i))?;
    if let Some(Built::Dataset(manifest)) = &built
        && pack.is_of_collection()
    {
        note_duplicates(session, &output, manifest)?;
    }
    finished_dataset(session, built, part, &args.output)
}

/// Says how many images have the bytes of one before them. They stay: which of them is wanted, if not all, is not ours
/// to say.
fn note_duplicates(session: &Session, folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    if !folder.is_dir() {
        // At a URL.
        return Ok(());
    }
    let mut seen: HashMap<String, String> = HashMap::new();
    let (mut count, mut first) = (0_u64, None);
    for shard in 0..manifest.shards.len() {
        for line in manifest.index_of_shard(folder, shard)? {
            match seen.entry(line.blake3) {
                Entry::Vacant(vacant) => drop(vacant.insert(line.path)),
                Entry::Occupied(same) => {
                    count += 1;
                    first.get_or_insert_with(|| (same.get().clone(), line.path));
                }
            }
        }
    }
    if let Some((one, other)) = first {
        let images = if count == 1 { "image has" } else { "images have" };
        session.notes.note(format!(
            "{count} {images} the bytes of another, {other:?} those of {one:?} for one; all were packed"
        ));
        session.also("duplicates", json!({ "count": count, "first": [one, other] }));
    }
    Ok(())
}
