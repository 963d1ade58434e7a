//! AVIF files of every layout, depth, range and matrix that libavif writes, against what it decodes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::collections::BTreeMap;
use std::fs;

use pg_image::Raster;
use pg_image::files::{DecodeLimits, FilesError, decode, decode_bytes};
use pg_testkit::golden::fixture;
use proptest::prelude::*;

fn bytes(name: &str) -> Vec<u8> {
    fs::read(fixture(&format!("decoding/avif/{name}.avif"))).unwrap()
}

fn picture(name: &str) -> Raster {
    decode(&fixture(&format!("decoding/avif/{name}")), &DecodeLimits::default()).unwrap()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(fixture("decoding/avif")).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> =
        entries.filter_map(|e| name(e.unwrap()).strip_suffix(".avif").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Most levels by which a sample may differ from libavif's: none where it computes as the standard
/// says; with 8 bits it leaves the colours to libyuv, which takes 6 bits for the matrix, and the
/// last column of coarser colours for itself; and it rounds colours once more before alpha.
fn bound(name: &str) -> u8 {
    match name {
        "420_8_full" | "420_8_limited" | "422_8_full" | "422_8_limited" => 7,
        "alpha_10" => 4,
        "grey_10_limited" => 1,
        "matrix_0" | "matrix_7" | "matrix_8" | "grey_8_full" => 0,
        _ if name.contains("_10") || name.contains("_12") || name.starts_with("one_") || name == "grid" => 0,
        _ => 2,
    }
}

#[test]
fn every_kind_has_the_pixels_that_libavif_finds() {
    let mut wrong = BTreeMap::new();
    let names = names();
    assert_eq!(names.len(), 44);
    for name in names {
        let (found, expected) = (picture(&format!("{name}.avif")), picture(&format!("{name}.png")));
        let shape = |r: &Raster| (r.width(), r.height(), r.channels());
        assert_eq!(shape(&found), shape(&expected), "{name}");
        let most = found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        if most > bound(&name) {
            wrong.insert(name, most);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_picture_with_more_pixels_than_allowed_is_refused_with_its_size() {
    for (name, size) in [("420_8_full", (41, 27)), ("grid", (128, 132))] {
        let limits = DecodeLimits { max_pixels: 1000, max_bytes: 1 << 20 };
        match decode_bytes(&bytes(name), name, &limits) {
            Err(FilesError::TooManyPixels { width, height, .. }) => assert_eq!((width, height), size),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for name in ["420_8_full", "alpha", "grid", "film"] {
        let whole = bytes(name);
        // A film's later pictures are not read.
        let end = if name == "film" { whole.len() / 4 } else { whole.len() };
        for length in (40..end).step_by(7) {
            let found = decode_bytes(&whole[..length], "a.avif", &DecodeLimits::default());
            assert!(found.is_err(), "{name} cut after {length} of {} bytes", whole.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_files_are_errors_or_pictures_and_never_end_the_process(
        which in 0_usize..44,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes(&names()[which]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let limits = DecodeLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
        let _ = decode_bytes(&bytes, "a.avif", &limits);
    }
}
