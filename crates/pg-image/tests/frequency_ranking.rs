//! Photographs against degraded copies of themselves: each copy must rank below its original.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::path::PathBuf;

use pg_image::files::{DecodeLimits, decode, decode_bytes, encode_jpeg};
use pg_image::{Raster, Rectangle, frequency_quality, gaussian_blur, resize_lanczos};

const PHOTOS: [&str; 4] = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];

fn photo(name: &str) -> Raster {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/photos").join(name);
    decode(&path, &DecodeLimits::default()).unwrap().into_rgb()
}

fn from_values(like: &Raster, values: impl Iterator<Item = f32>) -> Raster {
    let data = values.map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
    Raster::from_data(like.width(), like.height(), like.channels(), data).unwrap()
}

fn blurred(photo: &Raster, sigma: f64) -> Raster {
    let mut values: Vec<f32> = photo.data().iter().map(|&v| f32::from(v)).collect();
    let nothing = Rectangle { left: 0, top: 0, right: 0, bottom: 0 };
    gaussian_blur(&mut values, [photo.height(), photo.width(), photo.channels()], sigma, nothing);
    from_values(photo, values.into_iter())
}

fn as_jpeg(photo: &Raster, quality: u8) -> Raster {
    let bytes = encode_jpeg(photo, quality).unwrap();
    decode_bytes(&bytes, "photo.jpg", &DecodeLimits::default()).unwrap().into_rgb()
}

fn shrunk(photo: &Raster) -> Raster {
    resize_lanczos(photo, photo.width() / 4, photo.height() / 4)
}

fn enlarged_smoothly(photo: &Raster) -> Raster {
    resize_lanczos(&shrunk(photo), photo.width(), photo.height())
}

fn enlarged_by_blocks(photo: &Raster) -> Raster {
    let small = shrunk(photo);
    let (w, c) = (photo.width(), photo.channels());
    let at = |i: usize| {
        let (x, y) = (i / c % w, i / c / w);
        let (x, y) = ((x / 4).min(small.width() - 1), (y / 4).min(small.height() - 1));
        small.data()[(y * small.width() + x) * c + i % c]
    };
    from_values(photo, (0..photo.data().len()).map(|i| f32::from(at(i))))
}

/// A print: black where the grey is below a screen of dots `pitch_px` apart, turned by `angle`.
fn halftone(photo: &Raster, pitch_px: f32, angle: f32) -> Raster {
    let (w, c) = (photo.width(), photo.channels());
    let (sin, cos) = angle.sin_cos();
    let value = |i: usize| {
        let (x, y) = ((i / c % w) as f32, (i / c / w) as f32);
        let wave = |t: f32| (2.0 * std::f32::consts::PI * t / pitch_px).cos();
        let screen = 0.5 + 0.25 * (wave(x * cos + y * sin) + wave(y * cos - x * sin));
        let pixel = &photo.data()[i / c * c..][..c];
        let grey = pixel.iter().map(|&v| f32::from(v)).sum::<f32>() / (255.0 * c as f32);
        if grey > screen { 255.0 } else { 0.0 }
    };
    from_values(photo, (0..photo.data().len()).map(value))
}

/// A fifth of a halftone over the photo, as of a scanned print.
fn faint_halftone(photo: &Raster) -> Raster {
    let print = halftone(photo, 6.0, 0.785);
    let mixed = photo.data().iter().zip(print.data()).map(|(&a, &b)| 0.8 * f32::from(a) + 0.2 * f32::from(b));
    from_values(photo, mixed)
}

fn middle(photo: &Raster, side: usize) -> Raster {
    let (left, top) = ((photo.width() - side) / 2, (photo.height() - side) / 2);
    let c = photo.channels();
    let rows = photo.data().chunks_exact(photo.width() * c).skip(top).take(side);
    let data = rows.flat_map(|row| &row[left * c..(left + side) * c]).copied().collect();
    Raster::from_data(side, side, c, data).unwrap()
}

#[test]
fn every_degraded_copy_ranks_below_its_original() {
    for name in PHOTOS {
        for photo in [photo(name), middle(&photo(name), 220)] {
            let original = frequency_quality(&photo).unwrap();
            println!("{name} {}x{}: {original:.3?}", photo.width(), photo.height());
            let copies = [
                ("blur of 1 px", blurred(&photo, 1.0)),
                ("blur of 2 px", blurred(&photo, 2.0)),
                ("blur of 4 px", blurred(&photo, 4.0)),
                ("JPEG of quality 10", as_jpeg(&photo, 10)),
                ("4 times enlarged, Lanczos", enlarged_smoothly(&photo)),
                ("4 times enlarged, blocks", enlarged_by_blocks(&photo)),
                ("halftone of 4 px", halftone(&photo, 4.0, 0.0)),
                ("halftone of 4 px, turned", halftone(&photo, 4.0, 0.785)),
                ("halftone of 6 px, turned", halftone(&photo, 6.0, 0.785)),
                ("halftone of 8 px", halftone(&photo, 8.0, 0.0)),
                ("halftone of 8 px, turned", halftone(&photo, 8.0, 0.4)),
                ("halftone of 6 px, blurred", blurred(&halftone(&photo, 6.0, 0.785), 1.0)),
                ("faint halftone", faint_halftone(&photo)),
            ];
            for (what, copy) in copies {
                let quality = frequency_quality(&copy).unwrap();
                println!("  {:.2} {what}: {quality:.3?}", quality.score / original.score);
                // Not by a hair: the measure must tell them apart among other pictures too.
                assert!(
                    quality.score < 0.8 * original.score,
                    "{name}, {what}: {quality:?}, original {original:?}"
                );
            }
        }
    }
}
