//! `ls-z`, `ls-w`

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, ArrayView2, Axis};
use pg_cli::{Interrupt, Progress, ProgressStyle};
use pg_metrics::{AttributeAnswers, LinearSvm, Separability, linear_separability, most_confident};

use crate::interruption::nothing_kept;

/// What was found.
pub(crate) struct SeparabilityScore {
    pub(crate) separability: Separability,
    /// In the order of the attributes.
    pub(crate) answers: Vec<AttributeAnswers>,
}

/// Separability in `points` `[N, D]` of the attributes whose log-odds are the columns of `log_odds` `[N, A]`; of each the
/// `keep` surest samples count.
pub(crate) fn separate(
    points: &ArrayView2<'_, f32>,
    log_odds: &ArrayView2<'_, f32>,
    names: &[String],
    keep: usize,
    style: ProgressStyle,
    interrupt: &Interrupt,
) -> Result<SeparabilityScore> {
    let progress = Progress::new(style, "planes", "attributes", names.len() as u64);
    let mut answers = Vec::with_capacity(names.len());
    for (column, name) in log_odds.axis_iter(Axis(1)).zip(names) {
        interrupt.check(nothing_kept)?;
        let column = column.to_vec();
        if let Some(sample) = column.iter().position(|answer| !answer.is_finite()) {
            bail!(
                "cannot use the answers of {name}: that of sample {sample} is {}, expected finite numbers",
                column[sample]
            );
        }
        let samples = most_confident(&column, keep);
        let has: Vec<bool> = samples.iter().map(|&sample| column[sample] > 0.0).collect();
        let kept: Array2<f32> = points.select(Axis(0), &samples);
        let said = if has.iter().all(|&answer| answer == has[0]) {
            // No plane between one class and nothing: there is nothing that is not known.
            has.clone()
        } else {
            let machine = LinearSvm::fit(&kept, &has)
                .with_context(|| format!("a plane for {name} between {} points", samples.len()))?;
            kept.outer_iter().map(|point| machine.is_of_class(&point)).collect()
        };
        answers.push(AttributeAnswers { samples, has, said });
        progress.advance(1);
    }
    progress.finish();
    Ok(SeparabilityScore { separability: linear_separability(&answers), answers })
}
