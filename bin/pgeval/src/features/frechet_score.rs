//! `fid`: the Frechet distance of features.

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, Interrupt, Progress};
use pg_metrics::{
    ConfidenceInterval, EXTRAPOLATION_POINTS, FEWEST_FOR_FRECHET_INTERVAL, FeatureGaussian, FeatureSide,
    FrechetJackknife, extrapolate, extrapolation_point, frechet_distance,
};
use serde_json::{Value, json};

use super::side::frechet_side;
use super::warnings::few_images;
use super::{Comparison, Known};
use crate::interruption::nothing_kept;
use crate::metric_result::MetricResult;
use crate::metric_result::Warning;

/// The distance of both sides, and with `to_the_limit` what it would be for infinitely many images.
pub(crate) fn frechet_score(
    comparison: &Comparison,
    to_the_limit: bool,
    seed: u64,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<MetricResult> {
    let (real, fake) = (&comparison.real, &comparison.fake);
    let (real_rows, fake_rows) = (real.rows(), fake.rows());
    let sides = (frechet_side(real, real_rows.as_ref())?, frechet_side(fake, fake_rows.as_ref())?);
    let (of_real, of_fake) = (gaussian(sides.0).context("REAL")?, gaussian(sides.1).context("FAKE")?);
    let distance = frechet_distance(&of_real, &of_fake)?;

    let (interval, replicates, unknown) = match interval(sides, distance.distance, common, interrupt)? {
        Spread::Known { interval, groups } => (Some(interval), 2 * groups, None),
        Spread::Unknown(why) => (None, 0, Some(why)),
    };
    let mut result = comparison.context.result(
        "fid",
        distance.distance,
        interval,
        "lower",
        json!({
            "definition": "arXiv:1706.08500, equation 6",
            "covariance": "unbiased, divisor n - 1",
            "interval": interval.map(|_| "distances without one and two of 20 groups of the images; Student's t, the variance that of each end"),
            "replicates": replicates,
        }),
    );
    result.interval_unknown = result.interval_unknown.or(unknown);
    result.warnings.extend(rank_warnings(real, fake, distance.full_rank));
    if to_the_limit {
        result.extrapolated =
            Some(limit(sides.0, sides.1, seed, common, interrupt).context("--extrapolate")?);
    }
    Ok(result)
}

/// What is known of how far values lie apart.
enum Spread {
    Known { interval: ConfidenceInterval, groups: usize },
    Unknown(String),
}

fn interval(
    (real, fake): (FeatureSide<'_>, FeatureSide<'_>),
    distance: f64,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<Spread> {
    let counts = [real, fake].into_iter().filter_map(|side| match side {
        FeatureSide::Rows(rows) => Some(rows.count()),
        FeatureSide::Gaussian(_) => None,
    });
    match counts.min() {
        None => return Ok(Spread::Unknown("no images on either side".to_owned())),
        Some(images) if images < FEWEST_FOR_FRECHET_INTERVAL => {
            let text = format!("{images} images on a side, it takes {FEWEST_FOR_FRECHET_INTERVAL}");
            return Ok(Spread::Unknown(text));
        }
        Some(_) => {}
    }
    let jackknife = FrechetJackknife::new(real, fake)?;
    let groups = jackknife.count();
    let progress = Progress::new(common.progress_style(), "resample", "distances", 2 * groups as u64);
    let mut left_out = Vec::with_capacity(groups);
    for number in 0..groups {
        interrupt.check(nothing_kept)?;
        left_out.push(jackknife.without(number)?);
        progress.advance(2);
    }
    progress.finish();
    Ok(Spread::Known { interval: jackknife.interval(distance, &left_out), groups })
}

fn gaussian(side: FeatureSide<'_>) -> Result<FeatureGaussian> {
    Ok(match side {
        FeatureSide::Rows(rows) => FeatureGaussian::of(rows)?,
        FeatureSide::Gaussian(gaussian) => gaussian.clone(),
    })
}

fn rank_warnings(real: &Known, fake: &Known, full_rank: bool) -> Vec<Warning> {
    let mut found: Vec<Warning> = [("REAL", real), ("FAKE", fake)]
        .into_iter()
        .filter_map(|(role, known)| few_images(role, known.count(), known.width()))
        .collect();
    if found.is_empty() && !full_rank {
        let text = "the covariance of some features has no full rank: features that never vary, or images that are there many times";
        found.push(Warning::new("rank-deficient", text));
    }
    found
}

fn limit(
    real: FeatureSide<'_>,
    fake: FeatureSide<'_>,
    seed: u64,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<Value> {
    let progress =
        Progress::new(common.progress_style(), "extrapolate", "points", EXTRAPOLATION_POINTS as u64);
    let mut points = Vec::new();
    for number in 0..EXTRAPOLATION_POINTS {
        interrupt.check(nothing_kept)?;
        points.push(extrapolation_point(real, fake, seed, number)?);
        progress.advance(1);
    }
    progress.finish();
    let found = extrapolate(&points)?;
    let listed: Vec<Value> = points
        .iter()
        .map(|point| json!({ "real": point.real, "fake": point.fake, "value": point.distance }))
        .collect();
    Ok(json!({
        "value": found.limit,
        "residual": found.residual,
        "definition": "arXiv:1911.07023, section 3: line in the inverse of the share of the images of both sides",
        "points": listed,
    }))
}
