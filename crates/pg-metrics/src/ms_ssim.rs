//! Multi-scale structural similarity, and the diversity of a set of images measured with it
//! (ProGAN, arXiv:1710.10196, section 5; Wang, Simoncelli, Bovik 2003, "Multiscale structural
//! similarity for image quality assessment").
//!
//! The Gaussian window is separable and runs as two one-dimensional passes in f64, at all scales in one
//! pass over the rows. Bound against the plain two-dimensional definition: 1e-10 absolute.

mod diversity;
mod kernels;
mod scale;

use pg_image::Planar;

use crate::MetricsError;
use scale::Scale;

pub use diversity::{DiversityScore, diversity};

/// Number of scales, each half the side of the one before.
pub const MS_SSIM_SCALES: usize = 5;

/// Smallest side that can be halved four times, in pixels.
pub const MS_SSIM_MIN_SIDE_PX: usize = 1 << (MS_SSIM_SCALES - 1);

/// Exponents of the scales, finest first; they do not sum to one.
const WEIGHTS: [f64; MS_SSIM_SCALES] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

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
    let mut similarities = [ScaleSimilarity { ssim: 0.0, contrast_structure: 0.0 }; MS_SSIM_SCALES];
    let mut scales: [Scale; MS_SSIM_SCALES] =
        std::array::from_fn(|i| Scale::new(a.height() >> i, a.width() >> i));
    let channels = a.channels() as f64;
    for c in 0..a.channels() {
        let rows = a.plane(c).chunks_exact(a.width()).zip(b.plane(c).chunks_exact(a.width()));
        for (a, b) in rows {
            scale::push_row(&mut scales, a, b);
        }
        for (similarity, scale) in similarities.iter_mut().zip(&mut scales) {
            let of_channel = scale.finish();
            similarity.ssim += of_channel.ssim / channels;
            similarity.contrast_structure += of_channel.contrast_structure / channels;
        }
    }
    Ok(similarities)
}

#[cfg(test)]
mod tests {
    use super::kernels::{C1, C2};
    use super::scale::gaussian_window;
    use super::*;
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

    /// One channel of both images at one scale, `[H,W]`.
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
    fn rows_of_more_than_one_chunk_agree_with_the_definition() {
        let chunk_px = kernels::CHUNK_BLOCKS * kernels::LANES;
        for columns in [chunk_px, chunk_px + 1, 2 * chunk_px + 9] {
            check_against_definition(18, columns + kernels::WINDOW_PX - 1);
        }
    }

    #[test]
    fn nothing_of_one_channel_reaches_the_next() {
        let (a, b) = (noise(1, 2, 37, 29), noise(2, 2, 37, 29));
        let plane = |image: &Planar<u8>, c| Planar::from_data(1, 37, 29, image.plane(c).to_vec()).unwrap();
        let alone = [0, 1].map(|c| scale_similarities(&plane(&a, c), &plane(&b, c)).unwrap());
        for (i, both) in scale_similarities(&a, &b).unwrap().iter().enumerate() {
            assert_eq!(both.ssim, alone[0][i].ssim / 2.0 + alone[1][i].ssim / 2.0);
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
