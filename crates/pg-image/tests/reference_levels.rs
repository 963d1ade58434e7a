//! Levels of detail against the files that the authors' exporter wrote (fixtures/lod).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::path::PathBuf;

use pg_image::files::{DecodeLimits, decode};
use pg_image::level_of_detail::pyramid;
use pg_image::{Planar, Raster};

fn fixture(name: &str) -> Raster {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lod").join(name);
    decode(&path, &DecodeLimits::default()).unwrap()
}

#[test]
fn every_level_is_the_exporters_bit_for_bit() {
    for (k, input) in ["input_64.png", "input2_64.png"].into_iter().enumerate() {
        let levels = pyramid(&Planar::from_raster(&fixture(input)), 4);
        assert_eq!(levels.len(), 5);
        for level in levels {
            let expected = fixture(&format!("img{k}_lod_{}.png", level.width()));
            assert_eq!(Raster::from_planar(&level).unwrap(), expected, "{input} at {}", level.width());
        }
    }
}
