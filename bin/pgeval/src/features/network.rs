//! The network that was asked for, opened and checked.

use anyhow::{Context as _, Result, bail};
use pg_cli::CommonArgs;
use pg_image::files::read_short_text;
use pg_metrics::FeatureExtractor as _;
use pg_onnx::{InputRecipe, KnownModel, OnnxExtractor, OnnxModel, Registry, SessionSettings};
use pg_stats::NetworkProtocol;
use serde_json::{Value, json};

use super::library;
use crate::args::{ImageArgs, NetworkArgs};

/// An opened network.
pub(crate) struct Network {
    pub(crate) extractor: OnnxExtractor,
    pub(crate) protocol: NetworkProtocol,
    known: Option<KnownModel>,
    /// For provenance: file, library, what runs it, and what the file says of its weights.
    pub(crate) described: Value,
}

impl Network {
    /// Opens the network of `args`; `None` where none was asked for.
    pub(crate) fn open(args: &NetworkArgs, input: ImageArgs, common: &CommonArgs) -> Result<Option<Self>> {
        let Some(path) = &args.model else { return Ok(None) };
        let runtime = library::load(args.runtime.onnxruntime.as_deref())?;
        let settings = SessionSettings { threads: common.threads, provider: args.runtime.provider };
        let model = OnnxModel::open(&runtime, path, &settings).context("--model")?;
        let said = |key: &str| model.metadata(key);
        let weights_sha256 = said("pg.weights_sha256");
        let registry = registry(args)?;
        let known = registry.find(model.sha256(), weights_sha256.as_deref()).cloned();
        let recipe = InputRecipe::resolve(&model, args.recipe(), known.as_ref()).context("--model")?;
        let described = json!({
            "file": path.display().to_string(),
            "sha256": model.sha256(),
            "known_as": known.as_ref().map(|known| &known.name),
            "weights": said("pg.weights"),
            "weights_sha256": weights_sha256,
            "architecture": said("pg.architecture"),
            "exporter": said("pg.exporter"),
            "onnxruntime": runtime.library().file_name().map(|name| name.to_string_lossy()),
            "provider": args.runtime.provider_name(),
        });
        let sha256 = model.sha256().to_owned();
        let extractor = OnnxExtractor::new(&runtime, model, recipe.clone(), &settings, args.runtime.batch)
            .context("--model")?;
        let protocol = NetworkProtocol {
            sha256,
            input_size: recipe.input_size_px,
            resize: recipe.resize.name().to_owned(),
            range: [recipe.range.0, recipe.range.1],
            features: recipe.features,
            feature_width: extractor.feature_width(),
            logits: recipe.logits,
            classes: extractor.class_count().unwrap_or_default(),
            fit: input.fit.name().to_owned(),
            resolution: input.resolution,
            moments_only: false,
        };
        Ok(Some(Self { extractor, protocol, known, described }))
    }

    /// Whose published numbers this network and recipe give, if anyone's.
    pub(crate) fn comparable_with(&self) -> Option<&str> {
        self.known.as_ref()?.comparable_with(&self.protocol.resize, self.protocol.range.into())
    }

    /// That a known network is fed as nobody publishes numbers of.
    pub(crate) fn recipe_warning(&self) -> Option<String> {
        let known = self.known.as_ref().filter(|known| !known.comparable.is_empty())?;
        if self.comparable_with().is_some() {
            return None;
        }
        let published: Vec<String> =
            known.comparable.iter().map(|of| format!("{} ({})", of.resize, of.whose)).collect();
        Some(format!(
            "{} is fed by the recipe {} with the range {},{}, of which no numbers are published; they are of {}",
            known.name,
            self.protocol.resize,
            self.protocol.range[0],
            self.protocol.range[1],
            published.join(", ")
        ))
    }
}

fn registry(args: &NetworkArgs) -> Result<Registry> {
    let built_in = match Registry::built_in() {
        Ok(registry) => registry,
        Err(error) => bail!("the registry of models that comes with this program is broken: {error}"),
    };
    let Some(path) = &args.models else { return Ok(built_in) };
    let text = read_short_text(path).context("--models")?;
    match Registry::parse(&text) {
        Ok(own) => Ok(own.and(built_in)),
        Err(error) => bail!("--models {} is no registry of models: {error}", path.display()),
    }
}
