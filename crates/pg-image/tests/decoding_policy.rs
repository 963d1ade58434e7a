//! What becomes of pictures that are not plain RGB, on real files.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use pg_image::Raster;
use pg_image::files::{DecodeLimits, FilesError, decode, decode_bytes};
use pg_testkit::golden::fixture;

fn picture(name: &str) -> Raster {
    decode(&fixture(&format!("decoding/{name}")), &DecodeLimits::default()).unwrap()
}

/// Asserts that the pictures have one shape and that no value is further off than `most`.
#[track_caller]
fn alike(name: &str, expected: &Raster, most: u8) {
    let found = picture(name);
    let shape = |r: &Raster| (r.width(), r.height(), r.channels());
    assert_eq!(shape(&found), shape(expected), "{name}");
    let difference = found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(difference <= most, "{name}: {difference}");
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    let upright = picture("upright.png");
    for orientation in 1..=8 {
        alike(&format!("exif_{orientation}.jpg"), &upright, 4);
    }
    alike("exif_6.png", &upright, 0);
}

#[test]
fn grey_pictures_keep_one_channel() {
    let grey = picture("grey.png");
    assert_eq!(grey.channels(), 1);
    alike("grey.jpg", &grey, 2);
    // Luminance by the weights of ITU-R BT.601, as Pillow made it.
    let rgb = picture("upright.png");
    for (pixel, &y) in rgb.data().chunks_exact(3).zip(grey.data()) {
        let [r, g, b] = [0, 1, 2].map(|c| f64::from(pixel[c]));
        assert!((0.299 * r + 0.587 * g + 0.114 * b - f64::from(y)).abs() <= 1.0);
    }
}

#[test]
fn four_inks_become_rgb_without_being_inverted() {
    alike("cmyk.jpg", &picture("upright.png"), 6);
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    alike("rgb_16.png", &picture("expected_rgb_16.png"), 0);
    alike("grey_16.png", &picture("expected_grey_16.png"), 0);
}

#[test]
fn big_tiff_is_tiff() {
    alike("big.tif", &picture("upright.png"), 0);
}

/// Bytes of a portable map: its header, then `samples`.
fn portable_map(header: &str, samples: &[u8]) -> Raster {
    let bytes = [header.as_bytes(), samples].concat();
    decode_bytes(&bytes, "a.pnm", &DecodeLimits::default()).unwrap()
}

#[test]
fn portable_maps_are_scaled_from_their_own_white() {
    let white_is = |white: u32| format!("2 1\n{white}\n");
    let grey = |text: &str, samples: &[u8]| portable_map(text, samples).data().to_vec();
    assert_eq!(grey(&format!("P5 {}", white_is(255)), &[7, 250]), [7, 250]);
    assert_eq!(grey(&format!("P5 {}", white_is(100)), &[50, 100]), [128, 255]);
    assert_eq!(grey(&format!("P2 {}", white_is(15)), b"3 15\n"), [51, 255]);
    assert_eq!(grey(&format!("P5 {}", white_is(65535)), &[0x80, 0x00, 0xff, 0xff]), [128, 255]);
    assert_eq!(grey(&format!("P5 {}", white_is(1023)), &[0x02, 0x00, 0x03, 0xff]), [128, 255]);
    // 1 is black in a bitmap, white in a map whose white is 1.
    assert_eq!(grey("P1 2 1\n", b"0 1\n"), [255, 0]);
    assert_eq!(grey("P4 2 1\n", &[0b0100_0000]), [255, 0]);
    assert_eq!(grey(&format!("P5 {}", white_is(1)), &[0, 1]), [0, 255]);
    let colours = portable_map("P6\n# made by hand\n1 1\n200\n", &[0, 100, 200]);
    assert_eq!((colours.channels(), colours.data()), (3, &[0, 128, 255][..]));
    let text = "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n";
    assert_eq!(portable_map(text, &[0, 100, 200, 0]).data(), [255, 255, 255]);
    let text = "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n";
    assert_eq!(portable_map(text, &[0, 1]).data(), [0, 255]);
}

#[test]
fn an_arbitrary_map_of_unnamed_wide_samples_is_refused() {
    let bytes = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 65535\nENDHDR\n\x80\0";
    let found = decode_bytes(bytes, "a.pam", &DecodeLimits::default());
    assert!(matches!(found, Err(FilesError::Unsupported { .. })), "{found:?}");
}

#[test]
fn a_portable_map_that_ends_early_is_truncated() {
    for bytes in [&b"P6 2 2 255\n123"[..], b"P2 2 2 255\n1 2 3\n", b"P4 9 2\n\0"] {
        let found = decode_bytes(bytes, "a.ppm", &DecodeLimits::default());
        assert!(matches!(found, Err(FilesError::Truncated { .. })), "{found:?}");
    }
}

#[test]
fn transparent_pictures_are_laid_over_white() {
    alike("rgba.png", &picture("expected_rgba.png"), 1);
    alike("grey_alpha.png", &picture("expected_grey_alpha.png"), 1);
    alike("palette.png", &picture("expected_palette.png"), 1);
}

#[test]
fn colour_profiles_change_nothing() {
    alike("icc.png", &picture("upright.png"), 0);
    alike("icc.jpg", &picture("exif_1.jpg"), 0);
}

#[test]
fn every_kind_of_alpha_is_laid_over_white_once() {
    for colours in ["rgb", "grey"] {
        let over_white = picture(&format!("alpha/over_white_{colours}.png"));
        let without = picture(&format!("alpha/without_alpha_{colours}.png"));
        for depth in [8, 16] {
            let name = |kind: &str| format!("alpha/{colours}_{depth}_{kind}.tif");
            alike(&name("assocalpha"), &over_white, 1);
            alike(&name("unassalpha"), &over_white, 1);
            alike(&name("unspecified"), &without, 0);
        }
    }
    let over_white = picture("alpha/over_white_rgb.png");
    for name in ["rgb_32_assocalpha.tif", "rgba.png", "rgba_16.png", "rgba.webp"] {
        alike(&format!("alpha/{name}"), &over_white, 1);
    }
    alike("alpha/grey_alpha_16.png", &picture("alpha/over_white_grey.png"), 1);
    // The decoder stops before an alpha that is not the first extra sample.
    let error = decode(&fixture("decoding/alpha/rgb_8_two_extra.tif"), &DecodeLimits::default()).unwrap_err();
    assert!(matches!(error, FilesError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("alpha is not the first extra sample"), "{error}");
}

#[test]
fn one_transparent_colour_becomes_white_and_no_other() {
    for (name, without) in [("rgb_16_one_colour.png", "rgb"), ("grey_16_one_colour.png", "grey")] {
        let (found, without) =
            (picture(&format!("alpha/{name}")), picture(&format!("alpha/without_alpha_{without}.png")));
        let channels = found.channels();
        assert_eq!(channels, without.channels(), "{name}");
        let (found, without) = (found.data().chunks_exact(channels), without.data().chunks_exact(channels));
        for (i, (found, without)) in found.zip(without).enumerate() {
            let (x, y) = (i % 24, i / 24);
            // The grey picture has the same value in every row.
            let white = x == 5 && (channels == 1 || y == 7);
            let expected = if white { [255; 3] } else { [0, 1, 2].map(|c| without[c.min(channels - 1)]) };
            assert_eq!(found, &expected[..channels], "{name} at {x}, {y}");
        }
    }
    let gif = picture("alpha/one_colour.gif");
    for (i, pixel) in gif.data().chunks_exact(3).enumerate() {
        let stripe = [[200, 30, 30], [30, 200, 30], [255, 255, 255], [90, 90, 90]][i % 24 / 6];
        assert_eq!(pixel, stripe);
    }
}
