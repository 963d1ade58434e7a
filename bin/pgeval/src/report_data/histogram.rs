//! Both sides' descriptors along one direction, as the sliced Wasserstein distance sees them.

use pg_metrics::{
    DESCRIPTOR_LENGTH, ImageKey, Side, channel_statistics, draw_centres, draw_directions,
    extract_descriptors, laplacian_pyramid, normalise_descriptors,
};
use pg_results::ProjectionHistogram;

use super::pictures::ReportPictures;

const PATCHES_PER_IMAGE: usize = 128;
const DIRECTIONS: usize = 128;
const BINS: usize = 48;
/// A plot wants the same directions every time.
const SEED: u64 = 0;

/// The histogram along the direction, of 128 drawn, in which the descriptors of the images kept differ
/// most, at the level of `level_px` (finest without). `None` where there are no pictures or no pyramid.
pub(super) fn histogram(pictures: &ReportPictures, level_px: Option<usize>) -> Option<ProjectionHistogram> {
    let (real_images, real, px) = descriptors(pictures, Side::Real, level_px)?;
    let (fake_images, fake, fake_px) = descriptors(pictures, Side::Fake, level_px)?;
    if px != fake_px {
        return None;
    }
    let directions = draw_directions(SEED, px, 0, DIRECTIONS);
    let mut worst: Option<(f64, Vec<f32>, Vec<f32>)> = None;
    for direction in directions.columns() {
        let direction: Vec<f32> = direction.iter().copied().collect();
        let (a, b) = (sorted_projections(&real, &direction), sorted_projections(&fake, &direction));
        let distance = distance(&a, &b);
        if worst.as_ref().is_none_or(|(largest, ..)| distance > *largest) {
            worst = Some((distance, a, b));
        }
    }
    let (_, real, fake) = worst?;
    let (low, high) =
        (f64::from(real.first()?.min(*fake.first()?)), f64::from(real.last()?.max(*fake.last()?)));
    // Sides without any variation: one bar in the middle.
    let (low, high) = if high > low { (low, high) } else { (low - 1.0, high + 1.0) };
    Some(ProjectionHistogram {
        note: format!(
            "Normalised 7 x 7 patches of the level of {px} pixels, {PATCHES_PER_IMAGE} from each of the first {real_images} real and {fake_images} fake images, along the direction, of {DIRECTIONS} drawn, in which the two sides differ most. The distance averages over all directions."
        ),
        low,
        high,
        real: shares(&real, low, high),
        fake: shares(&fake, low, high),
    })
}

/// The number of images, their normalised descriptors `[n, 147]` and the level's side in pixels.
fn descriptors(
    pictures: &ReportPictures,
    side: Side,
    level_px: Option<usize>,
) -> Option<(usize, Vec<f32>, usize)> {
    let (mut images, mut all, mut px) = (0, Vec::new(), 0);
    for (index, image) in pictures.shown(side) {
        let pyramid = laplacian_pyramid(image).ok()?;
        let wanted = pyramid.iter().find(|level| Some(level.width()) == level_px);
        let level = wanted.or(pyramid.first())?;
        px = level.width();
        let centres = draw_centres(SEED, side, px, ImageKey((index as u64) << 32), PATCHES_PER_IMAGE);
        all.extend(extract_descriptors(level, &centres));
        images += 1;
    }
    let statistics = channel_statistics(&all);
    normalise_descriptors(&mut all, &statistics);
    (images > 0).then_some((images, all, px))
}

fn sorted_projections(descriptors: &[f32], direction: &[f32]) -> Vec<f32> {
    let dot = |descriptor: &[f32]| descriptor.iter().zip(direction).map(|(a, b)| a * b).sum::<f32>();
    let mut projections: Vec<f32> = descriptors.chunks_exact(DESCRIPTOR_LENGTH).map(dot).collect();
    projections.sort_by(f32::total_cmp);
    projections
}

/// Wasserstein-1 distance of two sorted samples, by as many quantiles as the smaller has values.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().min(b.len());
    let quantile = |values: &[f32], i: usize| f64::from(values[i * values.len() / n]);
    (0..n).map(|i| (quantile(a, i) - quantile(b, i)).abs()).sum::<f64>() / n.max(1) as f64
}

fn shares(values: &[f32], low: f64, high: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for &value in values {
        let bin = ((f64::from(value) - low) / (high - low) * BINS as f64) as usize;
        shares[bin.min(BINS - 1)] += 1.0 / values.len() as f64;
    }
    shares
}
