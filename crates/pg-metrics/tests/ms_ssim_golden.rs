//! MS-SSIM against the authors' published program (`fixtures/msssim`): 1e-5 absolute per pair and
//! for the means over the twelve pairs of a resolution.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use pg_image::Planar;
use pg_metrics::{consecutive_pairs, diversity, ms_ssim, scale_similarities};
use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;

const BOUND: Tolerance = Tolerance::absolute(1e-5);

fn image(name: &str) -> Planar<u8> {
    let picture = golden::picture(&format!("msssim/{name}.webp"));
    Planar::from_data(3, picture.height, picture.width, picture.data).unwrap()
}

/// Pair names that have pictures here, with the reference's score and scales.
fn pairs(resolution: &str) -> Vec<(String, f64, Vec<f64>)> {
    let expected = golden::json("msssim/expected.json");
    let mut found = Vec::new();
    for (name, pair) in expected["pairs"].as_object().unwrap() {
        let here = golden::fixture("msssim").join(format!("{name}_a.webp")).exists();
        if name.starts_with(resolution) && here {
            let scales = pair["per_scale_ssim_cs"].as_array().unwrap().iter().flat_map(golden::numbers);
            found.push((name.clone(), pair["msssim"].as_f64().unwrap(), scales.collect()));
        }
    }
    found
}

#[test]
fn every_pair_agrees_with_the_reference_at_every_scale() {
    let mut seen = 0;
    for resolution in ["r064", "r128", "r256"] {
        for (name, score, scales) in pairs(resolution) {
            let (a, b) = (image(&format!("{name}_a")), image(&format!("{name}_b")));
            let actual = scale_similarities(&a, &b).unwrap();
            let actual: Vec<f64> = actual.iter().flat_map(|s| [s.ssim, s.contrast_structure]).collect();
            assert_close(&name, &actual, &scales, BOUND);
            assert_close(&name, &[ms_ssim(&a, &b).unwrap()], &[score], BOUND);
            seen += 1;
        }
    }
    assert_eq!(seen, 26);
}

#[test]
fn the_mean_over_consecutive_pairs_agrees_with_the_reference() {
    let expected = golden::json("msssim/expected.json");
    for resolution in ["r064", "r128"] {
        let scores: Vec<f64> = pairs(resolution)
            .iter()
            .map(|(name, ..)| ms_ssim(&image(&format!("{name}_a")), &image(&format!("{name}_b"))).unwrap())
            .collect();
        assert_eq!(scores.len(), 12);
        let score = diversity(&consecutive_pairs(24).unwrap(), &scores).unwrap();
        let mean = expected["batches"][resolution].as_f64().unwrap();
        assert_close(resolution, &[score.value], &[mean], BOUND);
    }
}
