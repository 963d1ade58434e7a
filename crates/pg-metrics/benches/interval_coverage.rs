//! How often the 95 % intervals hold the truth, on synthetic images: the table of docs/benchmarks.md.
//!
//! `cargo bench -p pg-metrics --bench interval_coverage [-- FILTER]`
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "an experiment may panic, and shows what it found"
)]

#[path = "../tests/interval_coverage/experiment.rs"]
mod experiment;

use experiment::{Coverage, FeatureMetric, Pairing, Source, of_features, of_ms_ssim, of_swd};

const TRIALS: usize = 300;
const TRUTH_RUNS: usize = 400;

const SMOOTH: Source = Source { wavelength_px: 9.0, contrast: 70.0, noise: 8.0 };
const ROUGH: Source = Source { wavelength_px: 7.0, contrast: 60.0, noise: 20.0 };
const NEAR: Source = Source { wavelength_px: 8.6, contrast: 67.0, noise: 9.0 };

fn main() {
    // Cargo adds --bench.
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let show = |name: &str, find: &dyn Fn() -> Coverage| {
        if name.contains(&filter) {
            show(name, &find());
        }
    };
    println!(
        "{:<44} coverage    truth   st.dev.  half-width",
        format!("{TRIALS} trials, truth of {TRUTH_RUNS} runs")
    );
    let swd = [
        ("SWD, far, 20 images of 32 px", [SMOOTH, ROUGH], 32, 20),
        ("SWD, far, 40 images of 32 px", [SMOOTH, ROUGH], 32, 40),
        ("SWD, far, 200 images of 16 px", [SMOOTH, ROUGH], 16, 200),
        ("SWD, near, 200 images of 16 px", [SMOOTH, NEAR], 16, 200),
        ("SWD, near, 1000 images of 16 px", [SMOOTH, NEAR], 16, 1000),
        ("SWD, one source, 40 images of 32 px", [SMOOTH, SMOOTH], 32, 40),
        ("SWD, one source, 200 images of 16 px", [SMOOTH, SMOOTH], 16, 200),
    ];
    for (name, sources, side_px, images) in swd {
        show(name, &|| of_swd(sources, side_px, images, TRIALS, TRUTH_RUNS));
    }
    let features = [
        ("FID, far, 300 images, 8 features", FeatureMetric::Frechet, 8, 300, 0.5),
        ("FID, between, 300 images, 8 features", FeatureMetric::Frechet, 8, 300, 0.2),
        ("FID, near, 300 images, 8 features", FeatureMetric::Frechet, 8, 300, 0.1),
        ("FID, one source, 300 images, 8 features", FeatureMetric::Frechet, 8, 300, 0.0),
        ("FID, far, 1000 images, 64 features", FeatureMetric::Frechet, 64, 1000, 0.5),
        ("FID, near, 1000 images, 64 features", FeatureMetric::Frechet, 64, 1000, 0.1),
        ("FID, one source, 1000 images, 64 features", FeatureMetric::Frechet, 64, 1000, 0.0),
        ("FID, far, 128 images, 64 features", FeatureMetric::Frechet, 64, 128, 0.5),
        ("FID, one source, 128 images, 64 features", FeatureMetric::Frechet, 64, 128, 0.0),
        ("FID, one source, 40 images, 64 features", FeatureMetric::Frechet, 64, 40, 0.0),
        ("FID, far, 20 images, 8 features", FeatureMetric::Frechet, 8, 20, 0.5),
        ("FID, one source, 20 images, 8 features", FeatureMetric::Frechet, 8, 20, 0.0),
        ("KID, far, 20 subsets of 100 images", FeatureMetric::Kernel(20), 8, 200, 0.5),
        ("KID, one source, 20 subsets of 100 images", FeatureMetric::Kernel(20), 8, 200, 0.0),
        ("precision, 200 images, 4 features", FeatureMetric::Precision, 4, 200, 0.7),
        ("precision, 1000 images, 8 features", FeatureMetric::Precision, 8, 1000, 0.7),
        ("IS, 1000 images, 10 classes", FeatureMetric::Recognition, 10, 1000, 3.0),
        ("IS, 200 images, 10 classes", FeatureMetric::Recognition, 10, 200, 3.0),
    ];
    for (name, metric, width, images, shift) in features {
        show(name, &|| of_features(metric, width, images, shift, TRIALS, TRUTH_RUNS));
    }
    let ms_ssim = [
        ("MS-SSIM, 30 pairs of neighbours", 60, Pairing::Consecutive),
        ("MS-SSIM, 300 pairs of neighbours", 600, Pairing::Consecutive),
        ("MS-SSIM, 200 drawn pairs of 40 images", 40, Pairing::Drawn(200)),
        ("MS-SSIM, 780 drawn pairs of 40 images, all", 40, Pairing::Drawn(780)),
    ];
    for (name, images, pairing) in ms_ssim {
        show(name, &|| of_ms_ssim(SMOOTH, 16, images, pairing, TRIALS, TRUTH_RUNS));
    }
}

fn show(name: &str, found: &Coverage) {
    println!(
        "{name:<44} {:>6.1} %  {:>8.4} {:>8.4}  {:>8.4}",
        100.0 * found.share(),
        found.truth,
        found.standard_deviation,
        found.half_width
    );
}
