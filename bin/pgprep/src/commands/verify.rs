//! `pgprep verify`: every file against its checksum, and damaged ones made again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use pg_cli::{ExitStatus, Provenance};
use pg_cloud::{DatasetCopy, Location};
use pg_shard::format::{INDEX_FOLDER, MANIFEST_FILE};
use pg_shard::{Damage, FileEntry, Manifest, ShardError, check_file, check_seal, reason};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::at_url;
use crate::building::stopped;
use crate::repair::{Outcome, repair};
use crate::session::{Session, TOOL, count};

/// Images that a line names.
const SHOWN_NAMES: usize = 3;

pub(crate) fn run(session: &Session, args: &VerifyArgs) -> anyhow::Result<ExitStatus> {
    let context = || format!("cannot open the dataset {}", args.dataset.display());
    if args.repair {
        at_url::refuse_url(
            &args.dataset,
            "DATASET",
            "--repair works on disks; copy it here, repair it, upload what was repaired",
        )?;
    }
    let copy = match Location::of(&args.dataset)? {
        Some(location) => Some(session.cloud.dataset_copy(&location).with_context(context)?),
        None => None,
    };
    let folder = copy.as_ref().map_or(args.dataset.as_path(), DatasetCopy::folder);
    let mut damaged = match check_seal(folder) {
        Ok(damaged) => damaged,
        // Whether it is an unfinished build is for the manifest's reader to say.
        Err(ShardError::NotADataset { .. }) => Vec::new(),
        Err(error) => return Err(error).with_context(context),
    };
    let manifest = match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(error) if damaged.iter().any(|d| d.path == MANIFEST_FILE) => {
            return unreadable_manifest(session, &error);
        }
        Err(error) => return Err(error).with_context(context),
    };
    for damage in &mut damaged {
        if damage.path == MANIFEST_FILE {
            damage.images = 0..manifest.images;
        }
    }
    damaged.extend(check_files(session, folder, copy.as_ref(), &manifest)?);
    let outcomes = if args.repair && !damaged.is_empty() {
        repair(session, args, &manifest, &damaged)?
    } else {
        BTreeMap::new()
    };
    report(session, folder, &manifest, &damaged, &outcomes)
}

/// Of a copy of what is elsewhere each file is brought here when it is its turn.
fn check_files(
    session: &Session,
    folder: &Path,
    copy: Option<&DatasetCopy>,
    manifest: &Manifest,
) -> anyhow::Result<Vec<Damage>> {
    let files = manifest.files.len();
    let progress = session.progress("verify", "files", files);
    let mut damaged: Vec<Damage> = Vec::new();
    for (done, batch) in manifest.files.chunks(session.batch_size()).enumerate() {
        stopped(session, done * session.batch_size(), files, "files")?;
        let check = |file: &FileEntry| -> anyhow::Result<Option<Damage>> {
            if let Some(copy) = copy {
                copy.bring(&file.path)?;
            }
            let damage = check_file(folder, manifest, file);
            if damage.is_some() {
                progress.fail();
            }
            // The index tells the names of images that are hit.
            if let Some(copy) = copy.filter(|_| !file.path.starts_with(INDEX_FOLDER)) {
                copy.let_go(&file.path);
            }
            progress.advance(1);
            Ok(damage)
        };
        let found = batch.par_iter().map(check).collect::<anyhow::Result<Vec<_>>>()?;
        damaged.extend(found.into_iter().flatten());
    }
    progress.finish();
    Ok(damaged)
}

/// The result when nothing but the seal tells what the manifest was like.
fn unreadable_manifest(session: &Session, error: &ShardError) -> anyhow::Result<ExitStatus> {
    let problem = format!("content changed: {}", reason(error));
    let json = json!({
        "files": 0,
        "images": null,
        "damaged": [{ "path": MANIFEST_FILE, "problem": problem, "repaired": null }],
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None),
    });
    let lines = [
        format!("{MANIFEST_FILE}: {problem}"),
        "the manifest is damaged, so the other files cannot be checked: copy it again, or build the dataset again"
            .to_owned(),
    ];
    session.result(&json, lines)?;
    Ok(ExitStatus::SomeFailed)
}

fn report(
    session: &Session,
    folder: &Path,
    manifest: &Manifest,
    damaged: &[Damage],
    outcomes: &BTreeMap<String, Outcome>,
) -> anyhow::Result<ExitStatus> {
    let mut names = Names { folder, manifest, of_shard: BTreeMap::new() };
    let (mut lines, mut entries, mut left) = (Vec::new(), Vec::new(), 0);
    for damage in damaged {
        let outcome = outcomes.get(&damage.path);
        let repaired = outcome.and_then(|outcome| outcome.as_ref().ok());
        let hit = damage.known.clone().unwrap_or_else(|| damage.images.clone().collect());
        // Of the whole dataset nobody wants to read the names.
        let hit_names = if damage.path == MANIFEST_FILE { Vec::new() } else { names.of(&hit) };
        let mut line = format!("{}: {} (hits {})", damage.path, damage.kind, hit_text(&hit, &hit_names));
        match outcome {
            Some(Ok(how)) => line.extend(["; repaired from ", how]),
            Some(Err(why)) => line.extend(["; not repaired: ", why]),
            None => {}
        }
        left += u64::from(repaired.is_none());
        lines.push(line);
        entries.push(json!({
            "path": damage.path,
            "problem": damage.kind.to_string(),
            "first_image": hit.first().copied().unwrap_or(damage.images.start),
            "images": hit.len(),
            "exact": damage.known.is_some(),
            "names": hit_names,
            "repaired": repaired,
        }));
    }
    let files = manifest.files.len() as u64;
    lines.push(match (left, damaged.len()) {
        (0, 0) => format!("{} intact, {}", count(files, "file"), count(manifest.images, "image")),
        (0, n) => format!("{} repaired, all is intact now", count(n as u64, "damaged file")),
        (left, _) if outcomes.is_empty() => {
            format!("{left} of {} damaged: repair them (--repair) or copy them again", count(files, "file"))
        }
        (left, _) => {
            format!("{left} of {} damaged: copy them again, or build the dataset again", count(files, "file"))
        }
    });
    let json = json!({
        "files": files,
        "images": manifest.images,
        "damaged": entries,
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None).count("files", files),
    });
    session.result(&json, lines)?;
    Ok(if left == 0 { ExitStatus::Done } else { ExitStatus::SomeFailed })
}

/// `image 4 (a/b.png)`, `images 2 to 9 (a.png, b.png, c.png, …)`.
fn hit_text(hit: &[u64], names: &[Value]) -> String {
    let images = match hit {
        [] => return "no image".to_owned(),
        [only] => format!("image {only}"),
        [first, .., last] if last - first + 1 == hit.len() as u64 => format!("images {first} to {last}"),
        [first, .., last] => format!("{} images from {first} to {last}", hit.len()),
    };
    let shown: Vec<&str> = names.iter().filter_map(Value::as_str).take(SHOWN_NAMES).collect();
    if shown.is_empty() {
        return images;
    }
    let rest = if names.len() > SHOWN_NAMES { ", …" } else { "" };
    format!("{images}: {}{rest}", shown.join(", "))
}

/// Where images come from, as far as the index is intact.
struct Names<'a> {
    folder: &'a Path,
    manifest: &'a Manifest,
    of_shard: BTreeMap<usize, Vec<String>>,
}

impl Names<'_> {
    /// The source paths of these images; null for one whose index line cannot be read.
    fn of(&mut self, images: &[u64]) -> Vec<Value> {
        images.iter().map(|&image| self.name(image).map_or(Value::Null, Value::from)).collect()
    }

    fn name(&mut self, image: u64) -> Option<String> {
        let mut first = 0;
        for (position, shard) in self.manifest.shards.iter().enumerate() {
            if image < first + shard.images as u64 {
                let lines = self.of_shard.entry(position).or_insert_with(|| {
                    let lines = self.manifest.index_of_shard(self.folder, position).unwrap_or_default();
                    lines.into_iter().map(|line| line.path).collect()
                });
                return lines.get((image - first) as usize).cloned();
            }
            first += shard.images as u64;
        }
        None
    }
}
