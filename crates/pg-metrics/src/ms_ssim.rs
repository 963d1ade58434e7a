//! Multi-scale structural similarity, and the diversity of a set of images measured with it
//! (ProGAN, arXiv:1710.10196, section 5; Wang, Simoncelli, Bovik 2003, "Multiscale structural
//! similarity for image quality assessment").
//!
//! The Gaussian window is separable and runs as two one-dimensional passes in f64. Bound against the
//! plain two-dimensional definition: 1e-10 absolute.

use multiversion::multiversion;
use pg_image::Planar;

use crate::MetricsError;
use crate::image_pairs::ImagePair;
use crate::interval::ConfidenceInterval;

/// Number of scales, each half the side of the one before.
pub const MS_SSIM_SCALES: usize = 5;

/// Smallest side that can be halved four times, in pixels.
pub const MS_SSIM_MIN_SIDE_PX: usize = 1 << (MS_SSIM_SCALES - 1);

/// Exponents of the scales, finest first; they do not sum to one.
const WEIGHTS: [f64; MS_SSIM_SCALES] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW_PX: usize = 11;
const WINDOW_SIGMA_PX: f64 = 1.5;
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Means over all pixels and channels of one scale; may be negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleSimilarity {
    /// Structural similarity (luminance, contrast and structure).
    pub ssim: f64,
    /// Its contrast and structure part alone.
    pub contrast_structure: f64,
}

/// MS-SSIM of two images of one shape `[C,H,W]`, u8 0..=255, sides of at least 16.
///
/// The product of `cs_i^w_i` over the first four scales and `ssim_5^w_5`, negative means taken as 0.
/// 1 for identical images, 0 for inverted ones. Colours are not turned into grey.
///
/// # Errors
/// Those of [`scale_similarities`].
///
/// ```
/// let image = pg_image::Planar::filled(3, 32, 32, 100_u8);
/// assert_eq!(pg_metrics::ms_ssim(&image, &image)?, 1.0);
/// # Ok::<(), pg_metrics::MetricsError>(())
/// ```
pub fn ms_ssim(a: &Planar<u8>, b: &Planar<u8>) -> Result<f64, MetricsError> {
    let scales = scale_similarities(a, b)?;
    let mut product = 1.0;
    for (i, (scale, weight)) in scales.iter().zip(WEIGHTS).enumerate() {
        let mean = if i + 1 < MS_SSIM_SCALES { scale.contrast_structure } else { scale.ssim };
        product *= mean.max(0.0).powf(weight);
    }
    Ok(product)
}

/// SSIM and its contrast-structure part at each of the five scales, finest first.
///
/// Inputs as for [`ms_ssim`]. At each scale a Gaussian window of 11x11, sigma 1.5 runs over all
/// positions where it fits; where a side is below 11 the window has the shorter side's size and
/// sigma shrinks with it. Scales are 2x2 means of the scale before, not rounded; an odd last row or
/// column is left out.
///
/// # Errors
/// - [`MetricsError::TooSmallForMsSsim`] below 16 pixels on a side
/// - [`MetricsError::MixedShapes`] when the two differ in shape; index 1 is the second image
pub fn scale_similarities(
    a: &Planar<u8>,
    b: &Planar<u8>,
) -> Result<[ScaleSimilarity; MS_SSIM_SCALES], MetricsError> {
    for (index, image) in [a, b].into_iter().enumerate() {
        if image.width().min(image.height()) < MS_SSIM_MIN_SIDE_PX {
            return Err(MetricsError::TooSmallForMsSsim {
                index,
                width_px: image.width(),
                height_px: image.height(),
                minimum_px: MS_SSIM_MIN_SIDE_PX,
            });
        }
    }
    if (a.channels(), a.height(), a.width()) != (b.channels(), b.height(), b.width()) {
        return Err(MetricsError::MixedShapes {
            index: 1,
            expected_channels: a.channels(),
            expected_width_px: a.width(),
            expected_height_px: a.height(),
            actual_channels: b.channels(),
            actual_width_px: b.width(),
            actual_height_px: b.height(),
        });
    }
    let mut scales = [ScaleSimilarity { ssim: 0.0, contrast_structure: 0.0 }; MS_SSIM_SCALES];
    for c in 0..a.channels() {
        let mut planes = PlanePair::new(a, b, c);
        for (i, scale) in scales.iter_mut().enumerate() {
            if i > 0 {
                planes = planes.halved();
            }
            let channel = planes.similarity();
            scale.ssim += channel.ssim / a.channels() as f64;
            scale.contrast_structure += channel.contrast_structure / a.channels() as f64;
        }
    }
    Ok(scales)
}

/// One channel of both images at one scale, `[H,W]`, f64.
struct PlanePair {
    height: usize,
    width: usize,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl PlanePair {
    fn new(a: &Planar<u8>, b: &Planar<u8>, channel: usize) -> Self {
        let plane = |image: &Planar<u8>| image.plane(channel).iter().map(|&v| f64::from(v)).collect();
        Self { height: a.height(), width: a.width(), a: plane(a), b: plane(b) }
    }

    fn halved(&self) -> Self {
        let (height, width) = (self.height / 2, self.width / 2);
        let halve = |plane: &[f64]| {
            let mut out = Vec::with_capacity(height * width);
            for rows in plane.chunks_exact(2 * self.width).take(height) {
                let (top, bottom) = rows.split_at(self.width);
                let pairs = top.chunks_exact(2).zip(bottom.chunks_exact(2));
                out.extend(pairs.map(|(t, b)| ((t[0] + t[1]) + (b[0] + b[1])) * 0.25));
            }
            out
        };
        Self { height, width, a: halve(&self.a), b: halve(&self.b) }
    }

    fn similarity(&self) -> ScaleSimilarity {
        let window = gaussian_window(WINDOW_PX.min(self.height).min(self.width));
        let (out_height, out_width) = (self.height + 1 - window.len(), self.width + 1 - window.len());
        // Rows already filtered along, the last window.len() of them: row y at y modulo window.len().
        let mut filtered = vec![MomentRow::new(out_width); window.len()];
        let mut row = MomentRow::new(self.width);
        let mut under_window = MomentRow::new(out_width);
        let mut sums = [0.0_f64; 2];
        for y in 0..self.height {
            let at = y * self.width;
            row.fill(&self.a[at..at + self.width], &self.b[at..at + self.width]);
            for (out, moment) in filtered[y % window.len()].0.iter_mut().zip(&row.0) {
                filter_along(moment, &window, out);
            }
            if y + 1 < window.len() {
                continue;
            }
            let first = y + 1 - window.len();
            for (k, out) in under_window.0.iter_mut().enumerate() {
                // At most WINDOW_PX rows; the rest stay empty and have no tap.
                let mut rows: [&[f64]; WINDOW_PX] = [&[]; WINDOW_PX];
                for (dy, row) in rows.iter_mut().take(window.len()).enumerate() {
                    *row = &filtered[(first + dy) % window.len()].0[k];
                }
                filter_down(&rows, &window, out);
            }
            let of_row = under_window.similarity_sums();
            sums = [sums[0] + of_row[0], sums[1] + of_row[1]];
        }
        let positions = (out_height * out_width) as f64;
        ScaleSimilarity { ssim: sums[0] / positions, contrast_structure: sums[1] / positions }
    }
}

/// The moments of one row of pixels: a, b, a^2 + b^2 (only the sum of the two variances is needed), ab.
#[derive(Clone)]
struct MomentRow([Vec<f64>; 4]);

impl MomentRow {
    fn new(width: usize) -> Self {
        Self(std::array::from_fn(|_| vec![0.0; width]))
    }

    fn fill(&mut self, a: &[f64], b: &[f64]) {
        let [means_a, means_b, squares, products] = &mut self.0;
        means_a.copy_from_slice(a);
        means_b.copy_from_slice(b);
        for (((square, product), p), q) in squares.iter_mut().zip(products).zip(a).zip(b) {
            *square = p * p + q * q;
            *product = p * q;
        }
    }

    /// Sums of SSIM and of its contrast-structure part over the row's positions.
    fn similarity_sums(&self) -> [f64; 2] {
        let [means_a, means_b, squares, products] = &self.0;
        similarity_sums(means_a, means_b, squares, products)
    }
}

/// `out[x]`: the window's sum from `row[x]` on, which is that over the row and the row moved by each tap.
fn filter_along(row: &[f64], window: &[f64], out: &mut [f64]) {
    let mut moved: [&[f64]; WINDOW_PX] = [&[]; WINDOW_PX];
    for (k, moved) in moved.iter_mut().take(window.len()).enumerate() {
        *moved = &row[k..];
    }
    filter_down(&moved, window, out);
}

/// The window's sum over rows, one of its taps each.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn filter_down(rows: &[&[f64]], window: &[f64], out: &mut [f64]) {
    // As many as registers hold at once.
    const LANES: usize = 32;
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let done = blocks.len() * LANES;
    for (block, out) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0_f64; LANES];
        for (row, &weight) in rows.iter().zip(window) {
            let Some(values) = row[block * LANES..].first_chunk::<LANES>() else { break };
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        *out = sums;
    }
    for (x, out) in rest.iter_mut().enumerate() {
        let mut sum = 0.0;
        for (row, weight) in rows.iter().zip(window) {
            sum += weight * row[done + x];
        }
        *out = sum;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn similarity_sums(means_a: &[f64], means_b: &[f64], squares: &[f64], products: &[f64]) -> [f64; 2] {
    /// Sums side by side, so that the compiler may add many at a time; always the same, for the same bits.
    const LANES: usize = 8;
    let (mut ssim, mut contrast) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let moments = means_a.chunks(LANES).zip(means_b.chunks(LANES));
    for ((a, b), (square, product)) in moments.zip(squares.chunks(LANES).zip(products.chunks(LANES))) {
        let values = a.iter().zip(b).zip(square.iter().zip(product));
        for ((ssim, contrast), ((&a, &b), (&square, &product))) in
            ssim.iter_mut().zip(&mut contrast).zip(values)
        {
            let mean_product = a * b;
            let mean_square_sum = a * a + b * b;
            let here = (2.0 * (product - mean_product) + C2) / (square - mean_square_sum + C2);
            *contrast += here;
            *ssim += (2.0 * mean_product + C1) / (mean_square_sum + C1) * here;
        }
    }
    [ssim.iter().sum(), contrast.iter().sum()]
}

/// A Gaussian of `size` taps that sums to one, sigma 1.5 at 11 taps and in proportion below; centred
/// between the two middle taps for even sizes.
fn gaussian_window(size: usize) -> Vec<f64> {
    let sigma = WINDOW_SIGMA_PX * size as f64 / WINDOW_PX as f64;
    let centre = (size as f64 - 1.0) / 2.0;
    let taps: Vec<f64> =
        (0..size).map(|i| (-(i as f64 - centre).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|t| t / sum).collect()
}

/// Mean MS-SSIM over pairs of images of one set: the lower, the more the images differ.
#[derive(Debug, Clone, PartialEq)]
pub struct DiversityScore {
    /// Mean over the pairs, 0..=1.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: ConfidenceInterval,
}

/// The diversity score of pairs that were scored by [`ms_ssim`]: `scores[i]` belongs to `pairs[i]`.
///
/// The interval is the normal approximation of the mean (Student's t for few pairs). Pairs that share
/// an image are not independent: the products of their deviations are added to the variance
/// (the cluster-robust estimate for dyadic data of Aronow, Samii and Assenova 2015), which is
/// never taken below the independent one. Where no image occurs twice it is exactly the usual
/// standard error. One pair has no spread: its interval is the whole range 0..=1.
///
/// # Errors
/// [`MetricsError::TooFewImages`] without any pair, [`MetricsError::SetsDiffer`] when the lengths
/// differ.
pub fn diversity(pairs: &[ImagePair], scores: &[f64]) -> Result<DiversityScore, MetricsError> {
    if pairs.is_empty() {
        return Err(MetricsError::TooFewImages { metric: "MS-SSIM", expected: 2, actual: 0 });
    }
    if pairs.len() != scores.len() {
        let (real, fake) = (pairs.len().to_string(), scores.len().to_string());
        return Err(MetricsError::SetsDiffer { what: "number of pairs and of scores", real, fake });
    }
    let n = scores.len() as f64;
    let value = scores.iter().sum::<f64>() / n;
    if scores.len() == 1 {
        let interval = ConfidenceInterval { level: crate::LEVEL_95, low: 0.0, high: 1.0 };
        return Ok(DiversityScore { value, interval });
    }
    let images = pairs.iter().map(|p| p.first.max(p.second) + 1).max().unwrap_or_default();
    let mut per_image = vec![0.0_f64; images];
    let mut squares = 0.0;
    for (pair, score) in pairs.iter().zip(scores) {
        let deviation = score - value;
        per_image[pair.first] += deviation;
        per_image[pair.second] += deviation;
        squares += deviation * deviation;
    }
    // Each pair's own square is in the sums of both its images.
    let with_shared: f64 = per_image.iter().map(|s| s * s).sum::<f64>() - squares;
    let standard_error = (with_shared.max(squares) / (n - 1.0) / n).sqrt();
    let interval = ConfidenceInterval::student(value, standard_error, scores.len() - 1, (0.0, 1.0));
    Ok(DiversityScore { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_pairs::{consecutive_pairs, drawn_pairs};
    use crate::random_streams::{Purpose, stream};
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    fn noise(seed: u64, channels: usize, h: usize, w: usize) -> Planar<u8> {
        let mut rng = stream(seed, Purpose::RealPatches, 1);
        let data = (0..channels * h * w).map(|_| (rng.next_u32() >> 24) as u8).collect();
        Planar::from_data(channels, h, w, data).unwrap()
    }

    fn mixed(a: &Planar<u8>, b: &Planar<u8>, share: f64) -> Planar<u8> {
        let data = a.data().iter().zip(b.data());
        let data = data.map(|(&p, &q)| (f64::from(p) * (1.0 - share) + f64::from(q) * share).round() as u8);
        Planar::from_data(a.channels(), a.height(), a.width(), data.collect()).unwrap()
    }

    /// The definition at one scale: two-dimensional window, variances about the local mean.
    fn slow_similarity(a: &[f64], b: &[f64], h: usize, w: usize) -> ScaleSimilarity {
        let size = 11.min(h).min(w);
        let line = gaussian_window(size);
        let (mut ssim, mut cs) = (0.0, 0.0);
        for y in 0..=h - size {
            for x in 0..=w - size {
                let weighted = |f: &dyn Fn(usize) -> f64| {
                    let mut sum = 0.0;
                    for dy in 0..size {
                        for dx in 0..size {
                            sum += line[dy] * line[dx] * f((y + dy) * w + x + dx);
                        }
                    }
                    sum
                };
                let (ma, mb) = (weighted(&|i| a[i]), weighted(&|i| b[i]));
                let va = weighted(&|i| (a[i] - ma).powi(2));
                let vb = weighted(&|i| (b[i] - mb).powi(2));
                let vab = weighted(&|i| (a[i] - ma) * (b[i] - mb));
                let contrast = (2.0 * vab + C2) / (va + vb + C2);
                cs += contrast;
                ssim += (2.0 * ma * mb + C1) / (ma * ma + mb * mb + C1) * contrast;
            }
        }
        let n = ((h - size + 1) * (w - size + 1)) as f64;
        ScaleSimilarity { ssim: ssim / n, contrast_structure: cs / n }
    }

    fn check_against_definition(h: usize, w: usize) {
        let a = noise(1, 1, h, w);
        let b = mixed(&a, &noise(2, 1, h, w), 0.3);
        let actual = scale_similarities(&a, &b).unwrap();
        let mut planes = PlanePair::new(&a, &b, 0);
        for (i, scale) in actual.iter().enumerate() {
            if i > 0 {
                planes = planes.halved();
            }
            let expected = slow_similarity(&planes.a, &planes.b, planes.height, planes.width);
            assert_close(
                &format!("scale {i} of {h}x{w}"),
                &[scale.ssim, scale.contrast_structure],
                &[expected.ssim, expected.contrast_structure],
                Tolerance::absolute(1e-10),
            );
        }
    }

    #[test]
    fn the_separable_window_agrees_with_the_definition() {
        for (h, w) in [(16, 16), (17, 40), (33, 23), (64, 16)] {
            check_against_definition(h, w);
        }
    }

    #[test]
    fn the_first_scale_of_a_plain_pair_has_a_closed_form() {
        let (a, b) = (Planar::filled(3, 64, 64, 40_u8), Planar::filled(3, 64, 64, 200_u8));
        let luminance = (2.0 * 40.0 * 200.0 + C1) / (40.0 * 40.0 + 200.0 * 200.0 + C1);
        let scales = scale_similarities(&a, &b).unwrap();
        assert!(scales.iter().all(|s| (s.ssim - luminance).abs() < 1e-9));
        assert!((ms_ssim(&a, &b).unwrap() - luminance.powf(0.1333)).abs() < 1e-9);
    }

    #[test]
    fn identical_images_score_one_and_inverted_ones_zero() {
        let a = noise(1, 3, 48, 48);
        assert_eq!(ms_ssim(&a, &a).unwrap(), 1.0);
        assert_eq!(ms_ssim(&a, &a.map(|v| 255 - v)).unwrap(), 0.0);
    }

    #[test]
    fn the_score_falls_with_the_share_of_noise_and_is_symmetric() {
        let (a, b) = (noise(1, 3, 32, 32), noise(2, 3, 32, 32));
        let scores: Vec<f64> =
            [0.0, 0.2, 0.4, 0.6].iter().map(|&share| ms_ssim(&a, &mixed(&a, &b, share)).unwrap()).collect();
        assert!(scores.windows(2).all(|s| s[0] > s[1]), "{scores:?}");
        let c = mixed(&a, &b, 0.4);
        assert_eq!(ms_ssim(&a, &c).unwrap(), ms_ssim(&c, &a).unwrap());
    }

    #[test]
    fn small_or_unlike_images_are_refused() {
        let a = noise(1, 3, 32, 32);
        let small = ms_ssim(&a, &noise(1, 3, 15, 32));
        assert!(matches!(small, Err(MetricsError::TooSmallForMsSsim { index: 1, height_px: 15, .. })));
        let other = ms_ssim(&a, &noise(1, 3, 32, 33));
        assert!(matches!(other, Err(MetricsError::MixedShapes { index: 1, actual_width_px: 33, .. })));
    }

    #[test]
    fn disjoint_pairs_have_the_usual_standard_error() {
        let pairs = consecutive_pairs(400).unwrap();
        let scores: Vec<f64> = (0..200).map(|i| f64::from(i % 10) / 10.0).collect();
        let score = diversity(&pairs, &scores).unwrap();
        let variance = scores.iter().map(|s| (s - score.value).powi(2)).sum::<f64>() / 199.0;
        let half = 1.96 * (variance / 200.0).sqrt();
        assert!((score.interval.high - score.value - half).abs() < 1e-12);
        assert!((score.value - score.interval.low - half).abs() < 1e-12);
    }

    #[test]
    fn shared_images_widen_the_interval() {
        // A score that is a property of the images: odd ones are alike.
        let of = |p: &ImagePair| ((p.first % 2) + (p.second % 2)) as f64 / 2.0;
        let pairs = drawn_pairs(20, 180, 1).unwrap();
        let scores: Vec<f64> = pairs.iter().map(of).collect();
        let shared = diversity(&pairs, &scores).unwrap().interval;
        let independent = diversity(&consecutive_pairs(360).unwrap(), &scores).unwrap().interval;
        assert!(shared.high - shared.low > 1.5 * (independent.high - independent.low));
    }

    #[test]
    fn one_pair_says_nothing_about_the_spread() {
        let score = diversity(&consecutive_pairs(2).unwrap(), &[0.4]).unwrap();
        assert_eq!((score.interval.low, score.value, score.interval.high), (0.0, 0.4, 1.0));
        assert!(diversity(&[], &[]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn scores_stay_between_zero_and_one(seed: u64, h in 16_usize..40, w in 16_usize..40, share in 0.0_f64..1.0) {
            let a = noise(seed, 3, h, w);
            let score = ms_ssim(&a, &mixed(&a, &noise(seed ^ 1, 3, h, w), share)).unwrap();
            prop_assert!((0.0..=1.0 + 1e-12).contains(&score));
        }
    }
}
