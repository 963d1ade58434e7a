//! The metrics of features in `pgeval all`.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use pg_cli::{CommonArgs, Interrupt, Interrupted};
use pg_metrics::KernelSubsets;

use crate::args::{AllArgs, FeatureArgs};
use crate::features::{
    Comparison, Context, Given, Known, Network, frechet_score, kernel_score, manifold_scores, of_images,
    recognition_score,
};
use crate::outcome::Outcome;
use crate::swd_comparison::{Described, Reference, Sides};

/// The protocol of published numbers.
const SPLITS: usize = 10;
const SUBSETS: usize = 100;
const SUBSET_SIZE: usize = 1000;
const NEIGHBOURS: usize = 3;

/// What is settled before the images are read.
pub(crate) struct FeaturePass {
    args: FeatureArgs,
    context: Context,
    has_class_scores: bool,
}

impl FeaturePass {
    pub(crate) fn new(args: &AllArgs, sides: &Sides, network: &Network) -> Result<Self> {
        let shared = FeatureArgs {
            images: Some(sides.image_count),
            seed: args.swd.protocol.seed,
            json: args.swd.json,
            network: args.network.clone(),
            input: args.swd.input,
        };
        let (real, fake) = (sides.real.given()?, Given::Images(Arc::clone(&sides.fake)));
        if real.count(&shared).is_none() {
            bail!(
                "REAL {} holds only mean and covariance of features: `pgeval fid` takes that",
                real.argument()
            );
        }
        let context = crate::features::context_of(&[("REAL", &real), ("FAKE", &fake)], network, &shared)?;
        Ok(Self { args: shared, context, has_class_scores: network.protocol.classes > 0 })
    }

    /// Of images that were all read: adds each metric, or why it could not be computed, to `outcome`.
    pub(crate) fn score(
        mut self,
        described: Described,
        common: &CommonArgs,
        interrupt: &Interrupt,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let Described { sides, real, fake, faults, .. } = described;
        let count = sides.image_count;
        self.context.note_sides(
            &[("REAL", sides.real.describe()), ("FAKE", sides.fake.describe())],
            sides.images_read(),
        );
        self.context.warnings.extend(of_images(&sides.image_sets()));
        let real = match (real, sides.real) {
            (Some(made), _) => Arc::new(made),
            (None, Reference::Stats(stats, _)) => stats,
            (None, Reference::Images(_)) => bail!("the images of REAL were not read"),
        };
        let comparison =
            Comparison::of(Known::of(real, count), Known::of(Arc::new(fake), count), self.context)?;
        let seed = self.args.seed;
        if self.has_class_scores {
            let context = &comparison.context;
            let score = faults
                .check_logits()
                .and_then(|()| recognition_score("FAKE", &comparison.fake, context, SPLITS.min(count), seed));
            outcome.add("is", score)?;
        }
        let score =
            faults.check_features().and_then(|()| frechet_score(&comparison, false, seed, common, interrupt));
        outcome.add("fid", score)?;
        let subsets = KernelSubsets { count: SUBSETS, size: SUBSET_SIZE, seed };
        let score =
            faults.check_features().and_then(|()| kernel_score(&comparison, subsets, common, interrupt));
        outcome.add("kid", score)?;
        let scores = faults
            .check_features()
            .and_then(|()| manifold_scores(&comparison, NEIGHBOURS, common, interrupt));
        match scores {
            Ok([precision, recall]) => {
                outcome.add("precision", Ok(precision))?;
                outcome.add("recall", Ok(recall))
            }
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                outcome.add("precision", Err(anyhow!("{error:#}")))?;
                outcome.add("recall", Err(error))
            }
        }
    }
}
