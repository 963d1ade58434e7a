//! Training with labels: a generator that draws what it is asked for (AC-GAN).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};

use pg_testkit::sandbox::Sandbox;
use support::{sandbox_with_faces, small_run};

const PIXELS: usize = 64;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits")
}

/// The mean digit of each class.
fn class_means() -> Vec<Vec<f64>> {
    let images = std::fs::read(fixture().join("digits-images-idx3-ubyte")).unwrap();
    let labels = std::fs::read(fixture().join("digits-labels-idx1-ubyte")).unwrap();
    let mut sums = vec![(0.0, vec![0.0; PIXELS]); 10];
    for (image, &label) in images[16..].chunks_exact(PIXELS).zip(&labels[8..]) {
        let (count, sum) = &mut sums[usize::from(label)];
        *count += 1.0;
        sum.iter_mut().zip(image).for_each(|(sum, &pixel)| *sum += f64::from(pixel));
    }
    sums.into_iter().map(|(count, sum)| sum.into_iter().map(|s| s / count).collect()).collect()
}

fn nearest_class(means: &[Vec<f64>], image: &[u8]) -> usize {
    let distance = |mean: &[f64]| -> f64 {
        mean.iter().zip(image).map(|(mean, &pixel)| (mean - f64::from(pixel)).powi(2)).sum()
    };
    let nearest = (0..means.len()).min_by(|&a, &b| distance(&means[a]).total_cmp(&distance(&means[b])));
    nearest.unwrap()
}

/// Grey images of a folder, by name.
fn images_of(sandbox: &Sandbox, folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(sandbox.path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| image::open(path).unwrap().to_luma8().into_raw()).collect()
}

#[test]
fn a_generator_trained_on_digits_draws_the_digit_that_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let source = fixture().join("digits-images-idx3-ubyte");
    let _ =
        sandbox.run("pgprep", ["pack", source.to_str().unwrap(), "-o", "digits", "--quiet"]).with_status(0);
    let settings = "run digits -o run --preset tiny --set labels=ac-gan --set mirror=false --set fmap_max=32 \
                    --set latent_size=32 --set lod_train_kimg=1 --set lod_fade_kimg=1 --set tick_kimg=8 \
                    --set learning_rate=0.004 --set ema_decay=0.98 --kimg 12 --device cpu --threads 1 --quiet";
    let _ = sandbox.run("pgtrain", settings.split_whitespace()).with_status(0);

    let means = class_means();
    let mut right = 0;
    for class in 0..10 {
        let line = format!("sample run -o of{class} --count 16 --class {class} --device cpu --quiet");
        let _ = sandbox.run("pgtrain", line.split_whitespace()).with_status(0);
        let images = images_of(&sandbox, &format!("of{class}"));
        assert_eq!(images.len(), 16);
        right += images.iter().filter(|image| nearest_class(&means, image) == class).count();
    }
    // Chance is 16 of 160; five standard deviations more are 35.
    assert!(right > 80, "{right} of 160 are nearest to the digit asked for");

    // Without a class each seed draws its own, and the sheet has a column for each.
    let line = "sample run -o any --count 40 --device cpu --quiet";
    let _ = sandbox.run("pgtrain", line.split_whitespace()).with_status(0);
    let mut drawn: Vec<usize> =
        images_of(&sandbox, "any").iter().map(|image| nearest_class(&means, image)).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert!(drawn.len() >= 6, "{drawn:?}");
    let line = "grid run -o classes.png --by-class --seeds 0-3 --device cpu --quiet";
    let _ = sandbox.run("pgtrain", line.split_whitespace()).with_status(0);
    assert_eq!(image::image_dimensions(sandbox.path("classes.png")).unwrap(), (80, 32));
}

#[test]
fn labels_that_are_not_there_are_an_error() {
    let sandbox = sandbox_with_faces();
    let mut line = small_run("run", "0.1");
    line.extend(["--set", "labels=ac-gan"]);
    let refused = sandbox.run("pgtrain", &line).with_status(2);
    assert!(refused.stderr.contains("--labels"), "{}", refused.stderr);

    let _ = sandbox.run("pgtrain", small_run("plain", "0.1")).with_status(0);
    let line = "sample plain -o x --count 2 --class 1 --device cpu";
    let refused = sandbox.run("pgtrain", line.split_whitespace()).with_status(2);
    assert!(refused.stderr.contains("without labels"), "{}", refused.stderr);
}
