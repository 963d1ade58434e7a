//! What is known of the features of REAL, FAKE or IMAGES.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use pg_cli::{CommonArgs, Interrupt, Progress, StderrNotes};
use pg_metrics::{FeatureGaussian, FeatureRows as _, FeatureSide, Side};
use pg_stats::{NetworkProtocol, Stats, StatsProtocol, StatsRows, read_npz};
use serde_json::{Value, json};

use super::Network;
use crate::args::FeatureArgs;
use crate::described::{Extraction, Source, describe, described_in_scratch};
use crate::image_set::{ImageSet, is_npz_file, is_stats_file};

/// What was given for an argument.
#[derive(Debug)]
pub(crate) enum Given {
    /// Images, to go through the network.
    Images(Arc<ImageSet>),
    /// A statistics file.
    Stats(Arc<Stats>),
    /// Mean and covariance that another program wrote.
    Npz { path: String, gaussian: FeatureGaussian },
}

impl Given {
    /// Opens what `path`, given for the argument called `role`, names.
    pub(crate) fn open(role: &str, path: &Path, args: &FeatureArgs) -> Result<Self> {
        if is_stats_file(path) {
            let stats = Stats::open(path).with_context(|| format!("open {role}"))?;
            return Self::of_stats(role, Arc::new(stats));
        }
        if is_npz_file(path) {
            let gaussian = read_npz(path).with_context(|| format!("open {role}"))?;
            return Ok(Self::Npz { path: path.display().to_string(), gaussian });
        }
        Ok(Self::Images(Arc::new(ImageSet::open_of_any_size(role, path, args.input)?)))
    }

    /// A statistics file that was given for the argument called `role`.
    pub(crate) fn of_stats(role: &str, stats: Arc<Stats>) -> Result<Self> {
        if stats.protocol().network.is_none() {
            bail!(
                "{role} {} was made without a network, so it has no features; make another with `pgeval stats IMAGES --model M.onnx -o FILE`",
                stats.path().display()
            );
        }
        Ok(Self::Stats(stats))
    }

    /// The argument as typed.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Images(set) => set.argument().to_owned(),
            Self::Stats(stats) => stats.path().display().to_string(),
            Self::Npz { path, .. } => path.clone(),
        }
    }

    /// The network and recipe that the features are of, where that is known without running one.
    pub(crate) fn network(&self) -> Option<&NetworkProtocol> {
        match self {
            Self::Stats(stats) => stats.protocol().network.as_ref(),
            Self::Images(_) | Self::Npz { .. } => None,
        }
    }

    pub(crate) fn images(&self) -> Option<&ImageSet> {
        match self {
            Self::Images(set) => Some(set),
            Self::Stats(_) | Self::Npz { .. } => None,
        }
    }

    /// Says what lies beside images and is none.
    pub(super) fn note_left_out(&self, role: &str, common: &CommonArgs) {
        if let Some(set) = self.images() {
            set.note_left_out(role, StderrNotes::new(common.quiet));
        }
    }

    /// Images that count; `None` where there are none to count.
    pub(crate) fn count(&self, args: &FeatureArgs) -> Option<usize> {
        let all = match self {
            Self::Images(set) => set.len(),
            Self::Stats(stats) if stats.moments().is_none() => stats.image_count(),
            Self::Stats(_) | Self::Npz { .. } => return None,
        };
        Some(args.images.unwrap_or(all).min(all))
    }

    /// Size of the images, where they have one and it is known.
    pub(crate) fn size_px(&self) -> Option<(usize, usize)> {
        self.images().map(|set| (set.width_px(), set.height_px()))
    }

    /// How the images were made, where that is recorded.
    pub(crate) fn preprocessing(&self) -> Option<Value> {
        match self {
            Self::Images(set) => set.preprocessing(),
            Self::Stats(stats) => {
                let recorded = stats.provenance().pointer("/settings/real/preprocessing");
                recorded.filter(|recorded| recorded.is_object()).cloned()
            }
            Self::Npz { .. } => None,
        }
    }

    /// For the provenance of a result.
    pub(crate) fn describe(&self) -> Value {
        match self {
            Self::Images(set) => set.describe(),
            Self::Stats(stats) => json!({
                "path": self.argument(),
                "kind": "pgstats",
                "images": stats.moments().is_none().then_some(stats.image_count()),
                "content": format!("blake3:{}", stats.content()),
            }),
            Self::Npz { path, gaussian } => json!({
                "path": path, "kind": "npz", "images": null, "feature_width": gaussian.width(),
            }),
        }
    }

    /// The features; images, which were given for the argument `role`, go through `network` for them.
    pub(crate) fn features(
        self,
        (role, side): (&str, Side),
        args: &FeatureArgs,
        network: Option<&Network>,
        common: &CommonArgs,
        interrupt: &Interrupt,
    ) -> Result<Known> {
        let count = self.count(args);
        let (known, set) = match self {
            Self::Npz { gaussian, .. } => (Kept::Gaussian(gaussian), None),
            Self::Stats(stats) => (Kept::Stats(stats), None),
            Self::Images(set) => {
                let network = network.context("images need a network: give --model M.onnx")?;
                let protocol = StatsProtocol { swd: None, network: Some(network.protocol.clone()) };
                let count = count.unwrap_or_default();
                let writer = described_in_scratch(protocol, side, count)?;
                let progress = Progress::new(common.progress_style(), "network", "images", count as u64);
                let extraction = Extraction { extractor: &network.extractor, faults: None };
                let source = Source { role, set: &set, first: 0 };
                describe(&writer, source, Some(extraction), &progress, interrupt, &|_, _| Ok(()))?;
                progress.finish();
                let stats = writer.finish().context("keep what the network says of the images")?;
                (Kept::Stats(Arc::new(stats)), Some(set))
            }
        };
        Ok(Known { kept: known, count, set })
    }
}

#[derive(Debug)]
enum Kept {
    Stats(Arc<Stats>),
    Gaussian(FeatureGaussian),
}

/// Features of a side.
#[derive(Debug)]
pub(crate) struct Known {
    kept: Kept,
    count: Option<usize>,
    /// The images, once they were read.
    pub(crate) set: Option<Arc<ImageSet>>,
}

impl Known {
    /// Of statistics that were made with others in one pass over the images.
    pub(crate) fn of(stats: Arc<Stats>, count: usize) -> Self {
        Self { kept: Kept::Stats(stats), count: Some(count), set: None }
    }

    pub(crate) fn stats(&self) -> Option<&Stats> {
        match &self.kept {
            Kept::Stats(stats) => Some(stats),
            Kept::Gaussian(_) => None,
        }
    }

    /// Number of images, where it is known.
    pub(crate) fn count(&self) -> Option<usize> {
        self.count
    }

    /// The features of each image.
    pub(crate) fn rows(&self) -> Option<StatsRows<'_>> {
        let rows = self.stats()?.features()?;
        Some(rows.first(self.count.unwrap_or_default()))
    }

    /// The class scores of each image.
    pub(crate) fn logits(&self) -> Option<StatsRows<'_>> {
        let rows = self.stats()?.logits()?;
        Some(rows.first(self.count.unwrap_or_default()))
    }

    /// Mean and covariance, where nothing else is known.
    pub(crate) fn moments(&self) -> Option<&FeatureGaussian> {
        match &self.kept {
            Kept::Gaussian(gaussian) => Some(gaussian),
            Kept::Stats(stats) => stats.moments(),
        }
    }

    /// Length of a feature vector.
    pub(crate) fn width(&self) -> usize {
        let rows = self.rows().map(|rows| rows.width());
        rows.or_else(|| self.moments().map(FeatureGaussian::width)).unwrap_or_default()
    }
}

/// What the Frechet distance takes; `rows` are those of `known`, held by the caller.
pub(crate) fn frechet_side<'a>(known: &'a Known, rows: Option<&'a StatsRows<'a>>) -> Result<FeatureSide<'a>> {
    match (rows, known.moments()) {
        (Some(rows), _) => Ok(FeatureSide::Rows(rows)),
        (None, Some(gaussian)) => Ok(FeatureSide::Gaussian(gaussian)),
        (None, None) => bail!("there are no features"),
    }
}
