//! JPEG files that libjpeg-turbo's programs made, of every sampling and order of scans, against
//! what libjpeg-turbo decodes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use flate2::read::GzDecoder;
use pg_image::Raster;
use pg_image::files::{DecodeLimits, FilesError, decode_bytes};
use pg_testkit::golden::fixture;

/// Levels by which a value may differ from libjpeg-turbo's, which smooths colour as we do.
const BOUND: u8 = 4;

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let file = File::open(fixture("decoding/jpeg/corpus.tar.gz")).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    files
}

/// Columns, rows and samples of a binary PGM or PPM file.
fn pnm(bytes: &[u8]) -> (usize, usize, &[u8]) {
    let mut rest = bytes;
    let mut fields = [0; 4];
    for field in &mut fields {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
        *field = std::str::from_utf8(&rest[..end]).unwrap().trim_start_matches('P').parse().unwrap();
        rest = &rest[end + 1..];
    }
    (fields[1], fields[2], rest)
}

fn worst(found: &Raster, expected: &[u8], name: &str) -> u8 {
    let (width, height, expected) = pnm(expected);
    assert_eq!(
        (found.width(), found.height(), found.data().len()),
        (width, height, expected.len()),
        "{name}"
    );
    found.data().iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn every_file_of_libjpeg_turbo_is_right_or_of_a_kind_that_is_not_read() {
    let files = corpus();
    let index = std::str::from_utf8(&files["index.tsv"]).unwrap();
    let (mut right, mut not_read) = (0, 0);
    for row in index.lines() {
        let [name, smooth, _] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        match decode_bytes(&files[name], name, &DecodeLimits::default()) {
            Ok(found) => {
                let worst = worst(&found, &files[&format!("{smooth}.pnm")], name);
                assert!(worst <= BOUND, "{name}: {worst} levels off");
                right += 1;
            }
            Err(FilesError::Unsupported { .. }) if name.starts_with("arithmetic") => not_read += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((right, not_read), (652, 1));
}
