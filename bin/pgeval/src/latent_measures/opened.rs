//! The generator that was asked for, and what runs it.

use anyhow::{Context as _, Result, bail};
use pg_cli::CommonArgs;
use pg_metrics::LatentSpace;
use pg_onnx::{OnnxRuntime, PathGenerator, SessionSettings};
use serde_json::{Map, Value, json};

use crate::args::{LatentArgs, LatentChoice, RuntimeArgs};
use crate::features::library;

/// ONNX Runtime, and how it is to run networks.
pub(crate) struct Networks {
    pub(crate) runtime: OnnxRuntime,
    pub(crate) settings: SessionSettings,
    described: Value,
}

impl Networks {
    pub(crate) fn load(args: &RuntimeArgs, common: &CommonArgs) -> Result<Self> {
        let runtime = library::load(args.onnxruntime.as_deref())?;
        let described = json!({
            "onnxruntime": runtime.library().file_name().map(|name| name.to_string_lossy()),
            "provider": args.provider_name(),
        });
        let settings = SessionSettings { threads: common.threads, provider: args.provider };
        Ok(Self { runtime, settings, described })
    }

    /// For provenance.
    pub(crate) fn describe(&self) -> Value {
        self.described.clone()
    }

    /// As many like `first` as run side by side, which `another` opens.
    pub(crate) fn side_by_side<S>(&self, first: S, another: impl Fn(&S) -> Result<S>) -> Result<Vec<S>> {
        let mut all = vec![first];
        while all.len() < self.settings.lanes() {
            let next = another(&all[0])?;
            all.push(next);
        }
        Ok(all)
    }
}

/// What is known of an opened generator.
#[derive(Debug, Clone)]
pub(crate) struct OpenedGenerator {
    /// As typed.
    pub(crate) argument: String,
    pub(crate) latents: LatentSpace,
    pub(crate) resolution_px: usize,
    pub(crate) noise_sides_px: Vec<usize>,
    sha256: String,
    /// Of its mapping and its synthesis, where it has styles.
    parts: Option<[String; 2]>,
    metadata: Map<String, Value>,
}

impl OpenedGenerator {
    /// Opens the generator of `args`, and refuses one without the space asked for.
    pub(crate) fn open(networks: &Networks, args: &LatentArgs) -> Result<(PathGenerator, Self)> {
        let generator = PathGenerator::open(&networks.runtime, &args.generator, &networks.settings)
            .context("open GENERATOR")?;
        if args.space == LatentChoice::W && !generator.has_styles() {
            bail!(
                "GENERATOR {} has no space w: only style-based generators have, whose metadata name their mapping and synthesis; use --space z",
                args.generator.display()
            );
        }
        let known = generator.metadata().iter();
        let opened = Self {
            argument: args.generator.display().to_string(),
            latents: LatentSpace { size: generator.latent_size(), classes: generator.label_size() },
            resolution_px: generator.resolution_px(),
            noise_sides_px: generator.noise_sides_px().to_vec(),
            sha256: generator.sha256().to_owned(),
            parts: generator.parts_sha256().map(|parts| parts.map(str::to_owned)),
            metadata: known
                .map(|(key, value)| (key.trim_start_matches("pg.").to_owned(), json!(value)))
                .collect(),
        };
        Ok((generator, opened))
    }

    /// `generator` once more.
    pub(crate) fn another(networks: &Networks, generator: &PathGenerator) -> Result<PathGenerator> {
        generator.another(&networks.runtime, &networks.settings).context("open GENERATOR")
    }

    /// What results say of it: which weights, trained how long.
    pub(crate) fn describe(&self) -> Value {
        let mut described = Map::new();
        described.insert("path".to_owned(), json!(self.argument));
        described.insert("sha256".to_owned(), json!(self.sha256));
        if let Some([mapping, synthesis]) = &self.parts {
            described.insert("mapping_sha256".to_owned(), json!(mapping));
            described.insert("synthesis_sha256".to_owned(), json!(synthesis));
        }
        described.extend(self.metadata.clone());
        Value::Object(described)
    }

    /// What decides a number, wherever the file lies.
    pub(crate) fn protocol(&self, args: &LatentArgs) -> Map<String, Value> {
        let mut protocol = Map::new();
        protocol.insert("space".to_owned(), json!(space_name(args.space)));
        protocol.insert("resolution".to_owned(), json!(self.resolution_px));
        protocol.insert("latent_size".to_owned(), json!(self.latents.size));
        protocol.insert("classes".to_owned(), json!(self.latents.classes));
        protocol.insert("seed".to_owned(), json!(args.seed));
        let noise =
            if self.noise_sides_px.is_empty() { "none" } else { "the same for 16 images in succession" };
        protocol.insert("noise".to_owned(), json!(noise));
        protocol
    }
}

pub(crate) fn space_name(space: LatentChoice) -> &'static str {
    match space {
        LatentChoice::Z => "z",
        LatentChoice::W => "w",
    }
}
