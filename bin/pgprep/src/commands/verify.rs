//! `pgprep verify`: every file against its checksum.

use anyhow::Context as _;
use pg_cli::{ExitStatus, Provenance};
use pg_shard::{Damage, Manifest, check_file};
use rayon::prelude::*;
use serde_json::json;

use crate::args::VerifyArgs;
use crate::commands::TOOL;
use crate::resumable::stopped;
use crate::session::{Session, count};

pub(crate) fn run(session: &Session, args: &VerifyArgs) -> anyhow::Result<ExitStatus> {
    let folder = &args.dataset;
    let manifest =
        Manifest::read(folder).with_context(|| format!("cannot open the dataset {}", folder.display()))?;
    let files = manifest.files.len();
    let progress = session.progress("verify", "files", files);
    let mut damaged: Vec<Damage> = Vec::new();
    for (done, batch) in manifest.files.chunks(session.batch_size()).enumerate() {
        stopped(session, done * session.batch_size(), files, "files")?;
        let found: Vec<Damage> = batch
            .par_iter()
            .filter_map(|file| {
                let damage = check_file(folder, &manifest, file);
                if damage.is_some() {
                    progress.fail();
                }
                progress.advance(1);
                damage
            })
            .collect();
        damaged.extend(found);
    }
    progress.finish();
    let mut lines: Vec<String> = damaged
        .iter()
        .map(|d| {
            let hit = d.images.end - d.images.start;
            let images = match hit {
                0 => "no image".to_owned(),
                1 => format!("image {}", d.images.start),
                _ => format!("images {} to {}", d.images.start, d.images.end - 1),
            };
            format!("{}: {} (hits {images})", d.path, d.kind)
        })
        .collect();
    let summary = match damaged.len() {
        0 => format!("{} intact, {}", count(files as u64, "file"), count(manifest.images, "image")),
        n => format!(
            "{n} of {} damaged: build the dataset again or copy these files",
            count(files as u64, "file")
        ),
    };
    lines.push(summary);
    let json = json!({
        "files": files,
        "images": manifest.images,
        "damaged": damaged.iter().map(|d| json!({
            "path": d.path,
            "problem": d.kind.to_string(),
            "first_image": d.images.start,
            "images": d.images.end - d.images.start,
        })).collect::<Vec<_>>(),
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None).count("files", files),
    });
    session.result(&json, lines)?;
    Ok(if damaged.is_empty() { ExitStatus::Done } else { ExitStatus::SomeFailed })
}
