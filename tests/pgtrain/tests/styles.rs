//! What style-based generators can be asked for: truncation, mixing, noise, walks through styles.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use image::RgbImage;
use pg_testkit::sandbox::Sandbox;
use support::{sandbox_with_faces, small_run};

fn sandbox_with_styles() -> Sandbox {
    let sandbox = sandbox_with_faces();
    let mut line = small_run("style", "0.7");
    for setting in
        ["network=style", "start_resolution=8", "loss=non-saturating", "r1_gamma=10", "ema_decay=0.9"]
    {
        line.extend(["--set", setting]);
    }
    let _ = sandbox.run("pgtrain", &line).with_status(0);
    sandbox
}

fn draw(sandbox: &Sandbox, line: &str) -> String {
    let line = format!("{line} --device cpu --threads 1");
    sandbox.run("pgtrain", line.split_whitespace()).with_status(0).stderr
}

fn picture(sandbox: &Sandbox, file: &str) -> RgbImage {
    image::open(sandbox.path(file)).unwrap().to_rgb8()
}

/// The 16 px image of a sheet whose margins are `left` and `top`; there are no gaps at this size.
fn cell(sheet: &RgbImage, (left, top): (u32, u32), column: u32, row: u32) -> RgbImage {
    image::imageops::crop_imm(sheet, left + 16 * column, top + 16 * row, 16, 16).to_image()
}

const TOP: u32 = 16;

#[test]
fn truncation_pulls_images_to_one_and_an_image_is_the_same_in_any_batch() {
    let sandbox = sandbox_with_styles();
    draw(&sandbox, "sample style -o plain --count 20");
    draw(&sandbox, "sample style -o one --seeds 17");
    let same = |a: &str, b: &str| fs::read(sandbox.path(a)).unwrap() == fs::read(sandbox.path(b)).unwrap();
    assert!(same("plain/000017.png", "one/000017.png"));
    draw(&sandbox, "sample style -o all --count 3 --truncation 1");
    assert!(same("plain/000002.png", "all/000002.png"));
    // All layers at psi 0 leave only the noise of each seed.
    draw(&sandbox, "sample style -o mean --count 3 --truncation 0");
    draw(&sandbox, "sample style -o layers --count 3 --truncation 0-5=0");
    draw(&sandbox, "sample style -o half --count 3 --truncation 0.5");
    let distance = |a: &str, b: &str| {
        let (a, b) = (picture(&sandbox, a), picture(&sandbox, b));
        a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    let spread = |folder: &str| distance(&format!("{folder}/000000.png"), &format!("{folder}/000001.png"));
    assert!(same("mean/000001.png", "layers/000001.png"));
    let (mean, half, plain) = (spread("mean"), spread("half"), spread("plain"));
    assert!(mean < half && half < plain, "{mean} {half} {plain}");
}

#[test]
fn mixed_styles_are_those_of_rows_and_columns() {
    let sandbox = sandbox_with_styles();
    let said = draw(&sandbox, "mix style -o none.png --rows 3,4 --cols 5-7 --layers 0-5");
    assert!(said.contains("layers 0-5 come from the columns"), "{said}");
    draw(&sandbox, "mix style -o fine.png --rows 3,4 --cols 5-7 --layers 4-5");
    draw(&sandbox, "sample style -o plain --count 8");
    let (all, fine) = (picture(&sandbox, "none.png"), picture(&sandbox, "fine.png"));
    // A letter and its margins on the left; a row for the columns' own images, a column for the rows'.
    let margins = (16, TOP);
    assert_eq!(all.dimensions(), (16 + 4 * 16, TOP + 3 * 16));
    assert_eq!(cell(&all, margins, 2, 0), picture(&sandbox, "plain/000006.png"));
    assert_eq!(cell(&fine, margins, 0, 2), picture(&sandbox, "plain/000004.png"));
    // Some layers are neither's image; the same columns twice with the same row are one image.
    assert_ne!(cell(&fine, margins, 2, 1), cell(&fine, margins, 0, 1));
    assert_ne!(cell(&fine, margins, 2, 1), cell(&all, margins, 2, 1));
    draw(&sandbox, "mix style -o again.png --rows 4 --cols 6,6 --layers 4-5");
    let again = picture(&sandbox, "again.png");
    assert_eq!(cell(&again, margins, 1, 1), cell(&again, margins, 2, 1));
    assert_eq!(cell(&again, margins, 1, 1), cell(&fine, margins, 2, 2));
}

#[test]
fn a_sweep_goes_from_the_image_to_the_mean_and_noise_has_mean_and_deviation() {
    let sandbox = sandbox_with_styles();
    draw(&sandbox, "generate style -o sweep.png --seeds 2,3 --psi-sweep 1,0,-1 --layers 0-5");
    draw(&sandbox, "sample style -o plain --seeds 2,3");
    draw(&sandbox, "sample style -o mean --seeds 2,3 --truncation 0");
    let sweep = picture(&sandbox, "sweep.png");
    assert_eq!(cell(&sweep, (16, TOP), 0, 1), picture(&sandbox, "plain/000003.png"));
    assert_eq!(cell(&sweep, (16, TOP), 1, 0), picture(&sandbox, "mean/000002.png"));
    assert_ne!(cell(&sweep, (16, TOP), 2, 0), cell(&sweep, (16, TOP), 1, 0));

    draw(&sandbox, "noise style -o noise.png --seeds 2 --count 5 --show 2");
    let noise = picture(&sandbox, "noise.png");
    assert_eq!(noise.dimensions(), (16 + 5 * 16, TOP + 16));
    // The brightest place of the deviation is white.
    assert!(cell(&noise, (16, TOP), 4, 0).as_raw().contains(&255));
}

#[test]
fn a_walk_through_styles_is_closed_and_its_own() {
    let sandbox = sandbox_with_styles();
    draw(&sandbox, "interpolate style -o w --space w --frames 12 --fps 4 --seed 3");
    draw(&sandbox, "interpolate style -o z --space z --frames 12 --fps 4 --seed 3");
    let frames = |folder: &str| fs::read_dir(sandbox.path(folder)).unwrap().count();
    assert_eq!((frames("w"), frames("z")), (12, 12));
    let frame = |folder: &str, k: usize| picture(&sandbox, &format!("{folder}/{k:06}.png"));
    let step = |a: usize, b: usize| {
        let (a, b) = (frame("w", a), frame("w", b));
        a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    let steps: Vec<u64> = (0..12).map(|k| step(k, (k + 1) % 12)).collect();
    assert!(steps[11] <= 2 * steps[..11].iter().max().unwrap(), "{steps:?}");
    assert_ne!(frame("w", 5), frame("z", 5));
}

#[test]
fn what_a_generator_has_not_is_refused_by_name() {
    let sandbox = sandbox_with_styles();
    let _ = sandbox.run("pgtrain", small_run("plain", "0.1")).with_status(0);
    let cases = [
        ("mix plain -o x.png --rows 0 --cols 1 --layers 0-3", "the generator has no styles"),
        ("sample plain -o x --count 1 --truncation 0.7", "the generator has no styles"),
        ("noise plain -o x.png", "the generator has no styles"),
        ("interpolate plain -o x --space w", "the generator has no styles"),
        ("mix style -o x.png --rows 0 --cols 1 --layers 4-9", "the generator has layers 0 to 5 at 16 px"),
        ("generate style -o x.png --truncation 0.5 --psi-sweep 1", "cannot be used with"),
        ("generate style -o x.png --psi-sweep 1,x", "expected a number"),
        ("sample style -o x --count 1 --truncation 0-3", "expected a number"),
        ("run faces -o x --preset style-tiny --set generator_norm=pixel", "generator_norm` is pixel"),
        ("run faces -o x --preset style-tiny --set mixing_probability=2", "mixing_probability` is 2"),
    ];
    for (line, expected) in cases {
        let refused = sandbox.run("pgtrain", line.split_whitespace()).with_status(2);
        assert!(refused.stderr.contains(expected), "{line}: {}", refused.stderr);
        assert!(!sandbox.path("x").exists() && !sandbox.path("x.png").exists(), "{line}");
    }
}
