//! `pgprep info`: what a dataset holds.

use pg_cli::ExitStatus;
use pg_shard::format::image_bytes;
use pg_shard::{Codec, Manifest};
use serde_json::{Value, json};

use crate::args::InfoArgs;
use crate::at_url;
use crate::session::{Session, count};

pub(crate) fn run(session: &Session, args: &InfoArgs) -> anyhow::Result<ExitStatus> {
    let dataset = at_url::dataset(session, &args.dataset, |_| Ok(Vec::new()))?;
    let manifest = dataset.manifest();
    let bytes: u64 = manifest.files.iter().map(|f| f.bytes).sum();
    let shards = manifest.shards.iter().filter(|s| s.images > 0).count();
    let json = json!({
        "format_version": manifest.format_version,
        "images": manifest.images,
        "failed": manifest.failed,
        "channels": manifest.channels,
        "resolutions": manifest.resolutions,
        "shards": shards,
        "bytes": bytes,
        "label_names": manifest.label_names,
        "codec": manifest.codec,
        "downscale_filter": manifest.downscale_filter,
        "fingerprint": dataset.fingerprint(),
        "provenance": manifest.provenance,
    });
    let levels: Vec<String> = manifest.resolutions.iter().map(ToString::to_string).collect();
    let colour = if manifest.channels == 3 { "RGB" } else { "grey" };
    let mut lines = vec![
        format!("images       {} ({colour})", manifest.images),
        format!("levels       {} px", levels.join(", ")),
        format!("shards       {shards} of at most {}", count(manifest.items_per_shard as u64, "image")),
        format!(
            "size         {:.1} MiB in {}{}",
            bytes as f64 / f64::from(1 << 20),
            count(manifest.files.len() as u64, "file"),
            compressed_note(manifest, bytes)
        ),
        format!("labels       {}", labels_line(manifest.label_names.as_deref())),
        format!("left out     {}", manifest.failed),
        format!("fingerprint  {}", dataset.fingerprint()),
    ];
    if let Some(words) = manifest.provenance["command_line"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        lines.push(format!("made by      {}", words.join(" ")));
    }
    session.result(&json, lines)?;
    Ok(ExitStatus::Done)
}

/// The codec, and what share of raw its files take; nothing for raw.
fn compressed_note(manifest: &Manifest, bytes: u64) -> String {
    if manifest.codec == Codec::Raw {
        return String::new();
    }
    let image: usize = manifest.levels().into_iter().map(|r| image_bytes(manifest.channels, r)).sum();
    let raw = (manifest.images * image as u64).max(1);
    format!(", {}, {:.0} % of raw", manifest.codec.name(), 100.0 * bytes as f64 / raw as f64)
}

/// The number of label columns and the first names.
fn labels_line(names: Option<&[String]>) -> String {
    const SHOWN: usize = 10;
    let Some(names) = names else { return "none".to_owned() };
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if names.len() > SHOWN { ", …" } else { "" };
    format!("{} ({shown}{rest})", names.len())
}
