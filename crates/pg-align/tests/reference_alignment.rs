//! Every stage against what the authors' program produced (fixtures/align): the same bits.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use pg_align::{
    AlignSettings, FinalFilter, OrientedSquare, Preset, align, crop, enlarge, landmark_file, oriented_square,
    pad, pad_exactly, shrink, transform,
};
use pg_image::files::{DecodeLimits, decode};
use pg_image::level_of_detail::{halve_box, quantise};
use pg_image::{Planar, QuadSampler, Raster};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const SIZE_PX: usize = 1024;
/// The contract for quads; what is reached is 1e-10.
const QUAD_TOLERANCE_PX: f64 = 1e-3;
/// The contract for values of padded pictures.
const MOST_OFF_BY_ONE: f64 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/align").join(name)
}

fn photo(name: &str) -> Raster {
    decode(&fixture(name), &DecodeLimits::default()).unwrap()
}

fn rows() -> Vec<landmark_file::LandmarkRow> {
    landmark_file::parse(&fs::read_to_string(fixture("list_landmarks.txt")).unwrap()).unwrap().rows
}

fn expected(file: &str) -> Value {
    let all: Value = serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap();
    all["images"][file].clone()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn planar_sha256(image: &Raster) -> String {
    sha256(Planar::from_raster(image).data())
}

fn assert_quad(square: &OrientedSquare, expected: &Value, place: &str) {
    for (corner, expected) in square.quad.iter().zip(expected["quad"].as_array().unwrap()) {
        for axis in 0..2 {
            let difference = f64::from(corner[axis]) - expected[axis].as_f64().unwrap();
            assert!(difference.abs() <= QUAD_TOLERANCE_PX, "{place}: {difference} px");
        }
    }
    if let Some(zoom) = expected["zoom"].as_f64() {
        assert!((square.zoom / zoom - 1.0).abs() < 1e-12, "{place}: zoom {} {zoom}", square.zoom);
    }
}

fn assert_stage(image: &Raster, stages: &Value, stage: &str, file: &str) {
    let stage_value = &stages[stage];
    let size = [image.width() as u64, image.height() as u64];
    assert_eq!(stage_value["size_wh"], serde_json::json!(size), "{file} {stage}");
    assert_eq!(stage_value["sha256_hwc_u8"], sha256(image.data()), "{file} {stage}");
}

#[test]
fn the_quad_and_zoom_of_every_face_are_the_references() {
    for row in rows() {
        let square = oriented_square(&row.landmarks, SIZE_PX, Preset::Celeba).unwrap();
        assert_quad(&square, &expected(&row.file)["stages"]["quad0"], &row.file);
    }
}

/// Walks all stages of one face and compares sizes, quads and bytes.
fn check_every_stage(file: &str) {
    let row = rows().into_iter().find(|r| r.file == file).unwrap();
    let expected = expected(file);
    let stages = &expected["stages"];
    let mut image = photo(file);
    let mut square = oriented_square(&row.landmarks, SIZE_PX, Preset::Celeba).unwrap();

    let factor = shrink(&mut image, &mut square);
    assert_eq!(stages["after_shrink"]["shrink"], factor);
    assert_quad(&square, &stages["after_shrink"], file);
    assert_stage(&image, stages, "after_shrink", file);

    let (border, bounds) = crop(&mut image, &mut square).unwrap();
    assert_eq!(stages["after_crop"]["border"], border);
    assert_eq!(stages["after_crop"]["crop"], serde_json::json!(bounds));
    assert_quad(&square, &stages["after_crop"], file);
    assert_stage(&image, stages, "after_crop", file);

    let factor = enlarge(&mut image, &mut square).unwrap();
    assert_eq!(stages["after_superres"]["superres"], factor);
    assert_quad(&square, &stages["after_superres"], file);
    assert_stage(&image, stages, "after_superres", file);

    let (mut quick, mut quick_square) = (image.clone(), square);
    let sides = pad_exactly(&mut image, &mut square, border).unwrap();
    assert_eq!(stages["after_pad"]["padded"], sides.is_some());
    assert_eq!(stages["after_pad"]["pad"], serde_json::json!(sides.unwrap_or_default()));
    assert_quad(&square, &stages["after_pad"], file);
    assert_stage(&image, stages, "after_pad", file);

    let sampler = QuadSampler::new(&image, square.quad.map(|p| p.map(|v| v + 0.5)), 4 * SIZE_PX);
    assert_stage(&sampler.square(), stages, "after_transform", file);
    let lanczos = transform(&image, &square, FinalFilter::Lanczos);
    assert_eq!(expected["sha256_1024_chw_u8"], planar_sha256(&lanczos), "{file} lanczos");
    let boxed = transform(&image, &square, FinalFilter::Box);
    assert_eq!(expected["sha256_1024_box_chw_u8"], planar_sha256(&boxed), "{file} box");

    assert_eq!(pad(&mut quick, &mut quick_square, border).unwrap(), sides, "{file}");
    assert_eq!(quick_square, square, "{file}");
    assert_close(&quick, &image, file, "padded");
    assert_close(&transform(&quick, &square, FinalFilter::Lanczos), &lanczos, file, "lanczos");
    assert_close(&transform(&quick, &square, FinalFilter::Box), &boxed, file, "box");
}

/// At most one value in 10000 off, by one.
fn assert_close(image: &Raster, exact: &Raster, file: &str, stage: &str) {
    assert_eq!(image.data().len(), exact.data().len());
    let differences = image.data().iter().zip(exact.data()).map(|(a, b)| a.abs_diff(*b));
    let (count, most) =
        differences.fold((0_usize, 0), |(count, most), d| (count + usize::from(d > 0), most.max(d)));
    let share = count as f64 / image.data().len() as f64;
    assert!(most <= 1 && share <= MOST_OFF_BY_ONE, "{file} {stage}: {count} values, {share:.1e}, by {most}");
}

#[test]
fn a_warped_photo_without_padding_matches_at_every_stage() {
    check_every_stage("000001.png");
}

#[test]
fn a_photo_of_celebas_size_matches_at_every_stage() {
    check_every_stage("000002.png");
}

#[test]
fn a_rolled_and_padded_face_matches_at_every_stage() {
    check_every_stage("000003.png");
}

#[test]
fn a_face_in_the_corner_matches_at_every_stage() {
    check_every_stage("000004.png");
}

#[test]
fn a_tiny_face_matches_at_every_stage() {
    check_every_stage("000005.png");
}

#[test]
fn a_huge_photo_matches_at_every_stage() {
    check_every_stage("000006.png");
}

#[test]
fn the_whole_alignment_halved_twice_is_the_references_picture() {
    for file in ["000002", "000005"] {
        let row = rows().into_iter().find(|r| r.file == format!("{file}.png")).unwrap();
        let settings = AlignSettings::new(SIZE_PX, FinalFilter::Box, Preset::Celeba);
        let aligned = align(photo(&row.file), &row.landmarks, settings).unwrap();
        let quarter = halve_box(&halve_box(&Planar::from_raster(&aligned.image).to_f32()));
        let picture = Raster::from_planar(&quantise(&quarter)).unwrap();
        assert_eq!(picture, photo(&format!("expected_{file}_256_box.png")), "{file}");
    }
}

#[test]
fn smaller_sizes_show_the_same_face() {
    // 64 px from its own 256 px samples against the reference at 256 px, box-averaged to 64: sampling
    // differs, the picture may not. Mean absolute difference of grey levels.
    let row = rows().into_iter().find(|r| r.file == "000002.png").unwrap();
    let settings = AlignSettings::new(64, FinalFilter::Box, Preset::Celeba);
    let small = Planar::from_raster(&align(photo(&row.file), &row.landmarks, settings).unwrap().image);
    let reference = Planar::from_raster(&photo("expected_000002_256_box.png")).to_f32();
    let reference = halve_box(&halve_box(&reference));
    let sum: f64 =
        small.data().iter().zip(reference.data()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs()).sum();
    let mean = sum / small.data().len() as f64;
    assert!(mean < 4.0, "{mean}");
}
