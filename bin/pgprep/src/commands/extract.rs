//! `pgprep extract`: a dataset's images as PNG files.

use anyhow::Context as _;
use pg_build::{Again, FilesBuild, OutputNames};
use pg_cli::{ExitStatus, Provenance};
use pg_image::files::encode_png;
use pg_shard::{BuildPlan, FailedItem, Manifest, reason};
use serde_json::{Map, json};

use crate::args::ExtractArgs;
use crate::at_url;
use crate::build_results::{failed_note, status};
use crate::building::build_files;
use crate::level_images::picture;
use crate::session::{Session, TOOL, count, level_asked_for};

pub(crate) fn run(session: &Session, args: &ExtractArgs) -> anyhow::Result<ExitStatus> {
    let chosen = |manifest: &Manifest| level_asked_for(manifest, args.resolution, &args.dataset);
    let dataset = at_url::dataset(session, &args.dataset, |manifest| Ok(vec![chosen(manifest)?]))?;
    let r = chosen(dataset.manifest())?;
    let level = dataset.level(r).context("--resolution cannot be used")?;
    let mut settings = Map::new();
    settings.insert("command".to_owned(), json!("extract"));
    settings.insert("version".to_owned(), json!(TOOL.1));
    let numbered = (0..level.len()).map(|i| format!("{i:06}.png")).collect();
    let names = OutputNames::new(numbered, |i| format!("image {i}"))?;
    let build = FilesBuild {
        names: &names,
        whole: None,
        part: None,
        plan: BuildPlan {
            settings,
            source_blake3: dataset.fingerprint(),
            items: level.len(),
            items_per_shard: 1,
            channels: level.channels(),
            resolution: r.into(),
        },
        done_file: "extract.json",
        label: "extract",
        unit: "images",
        stop_at_failure: false,
        again: Again::default(),
    };
    let built = build_files(
        session,
        &args.output,
        build,
        |done, failed| {
            Provenance::of_this_process(TOOL.0, TOOL.1, None)
                .setting("resolution", u32::from(r))
                .setting("dataset_fingerprint", dataset.fingerprint())
                .count("images", done)
                .count("failed", failed)
        },
        |i| {
            let bytes = picture(&level, i)
                .and_then(|raster| encode_png(&raster).map_err(Into::into))
                .map_err(|e| FailedItem::new(names.get(i).to_owned(), reason(e.as_ref())))?;
            Ok(bytes)
        },
    )?;
    let Some(summary) = built else { return Ok(ExitStatus::SomeFailed) };
    let line = format!(
        "{} of {r}x{r} px in {}{}",
        count(summary.files, "image"),
        args.output.display(),
        failed_note(session, summary.failed, &args.output)
    );
    session.result(&summary.json, [line])?;
    Ok(status(summary.failed))
}
