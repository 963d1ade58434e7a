//! A dataset of sampled images, which pgprep and pgeval read as any other.

use std::path::Path;

use anyhow::{Context as _, ensure};
use pg_cli::Provenance;
use pg_image::{Planar, Resolution};
use pg_shard::format::default_images_per_shard;
use pg_shard::{BuildPlan, DatasetBuilder, IndexLine, Opened, ShardWriter, Storage, remove_output};
use serde_json::{Map, json};

use super::ImageOutput;
use crate::pictures;

/// What sampled images follow from.
pub(crate) struct SampleOrigin<'a> {
    /// BLAKE3 of the averaged generator's weights, hexadecimal.
    pub(crate) weights_blake3: String,
    pub(crate) seeds: &'a [u64],
    /// The class that all images are of; drawn from their seeds else.
    pub(crate) class: Option<u32>,
    pub(crate) images_shown: u64,
    pub(crate) channels: usize,
    pub(crate) resolution_px: u32,
}

pub(crate) struct Shards {
    builder: DatasetBuilder,
    storage: Storage,
    in_hand: Option<ShardWriter>,
    next: usize,
    provenance: Provenance,
}

impl Shards {
    pub(super) fn open(
        path: &Path,
        origin: &SampleOrigin<'_>,
        overwrite: bool,
    ) -> anyhow::Result<ImageOutput> {
        let resolution =
            Resolution::new(origin.resolution_px.into()).context("the generator's resolution")?;
        let mut settings = Map::new();
        for (key, value) in [
            ("command", json!("sample")),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("weights_blake3", json!(origin.weights_blake3)),
            ("images_shown", json!(origin.images_shown)),
            ("class", json!(origin.class)),
        ] {
            settings.insert(key.to_owned(), value);
        }
        let mut list = blake3::Hasher::new();
        for seed in origin.seeds {
            list.update(&seed.to_le_bytes());
        }
        let provenance = settings.iter().fold(
            Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), None)
                .count("images", origin.seeds.len()),
            |provenance, (key, value)| provenance.setting(key, value.clone()),
        );
        let plan = BuildPlan {
            settings,
            source_blake3: list.finalize().to_hex().to_string(),
            items: origin.seeds.len(),
            items_per_shard: default_images_per_shard(origin.channels, resolution),
            channels: origin.channels,
            resolution: origin.resolution_px,
        };
        let storage = Storage::whole(resolution);
        if overwrite {
            remove_output(path, Some(&DatasetBuilder::claim_of(&plan, &storage, None)))?;
        }
        let builder = match DatasetBuilder::open(path, plan)? {
            Opened::Building(builder) => *builder,
            Opened::Complete(_) => return Ok(ImageOutput::Complete),
        };
        let shards = builder.plan().shards();
        let first = (0..shards).find(|&shard| !builder.is_finished(shard)).unwrap_or(shards);
        let next = if first == shards { builder.plan().items } else { builder.items_of(first).start };
        Ok(ImageOutput::Shards(Box::new(Self { builder, storage, in_hand: None, next, provenance })))
    }

    pub(super) fn already_there(&self) -> usize {
        self.next
    }

    pub(super) fn push(&mut self, seed: u64, image: Planar<u8>) -> anyhow::Result<()> {
        let shard = self.next / self.builder.plan().items_per_shard.max(1);
        let writer = match self.in_hand.take() {
            Some(writer) => self.in_hand.insert(writer),
            None => self.in_hand.insert(self.builder.shard(shard)?),
        };
        let line = IndexLine {
            path: pictures::file_name(seed),
            blake3: blake3::hash(image.data()).to_hex().to_string(),
            geometry: json!({ "seed": seed }),
        };
        writer.push_encoded(&self.storage.encode(image)?, &line, &[])?;
        self.next += 1;
        if self.next == self.builder.items_of(shard).end
            && let Some(writer) = self.in_hand.take()
        {
            writer.finish()?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        ensure!(self.next == self.builder.plan().items, "images are missing");
        self.builder.complete(serde_json::to_value(self.provenance)?)?;
        Ok(())
    }
}
