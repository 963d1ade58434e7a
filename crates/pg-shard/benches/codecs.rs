//! What the codecs of a dataset and their rivals make of photographs, on one thread.
//!
//! `cargo bench -p pg-shard --bench codecs -- FOLDER [SIDE]`: every image of FOLDER, its middle square scaled to SIDE
//! (default 1024). Sizes are shares of raw. Rivals of one stage (predictor, colours, entropy coder) are measured with
//! the rest as in the codec chosen; of those that have no fast way back only the entropy coder is timed.
#![allow(clippy::unwrap_used, reason = "a measurement that fails may stop")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::io::Cursor;
use std::path::Path;
use std::time::Instant;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat};
use pg_image::files::{DecodeLimits, decode, list_images};
use pg_image::{Fit, Planar, Resolution, fit};
use pg_shard::Codec;

type Encode = Box<dyn Fn(&[u8]) -> Vec<u8>>;
type Decode = Box<dyn Fn(&[u8]) -> usize>;

/// A codec of images u8 `[3,R,R]`.
struct Candidate {
    name: &'static str,
    encode: Encode,
    /// Gives the number of bytes decoded.
    decode: Decode,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(folder) = arguments.next() else {
        println!("usage: cargo bench -p pg-shard --bench codecs -- FOLDER [SIDE]");
        return;
    };
    let side: usize = arguments.next().map_or(1024, |side| side.parse().unwrap());
    let photos: Vec<Vec<u8>> = list_images(Path::new(&folder))
        .unwrap()
        .images
        .into_iter()
        .map(|path| {
            let photo = decode(&path, &DecodeLimits::default()).unwrap().into_rgb();
            Planar::from_raster(&fit(photo, side, Fit::Crop).unwrap()).into_data()
        })
        .collect();
    let raw = photos.iter().map(Vec::len).sum::<usize>() as f64;
    println!("{} photos of {side} px, one thread, the best of five", photos.len());
    println!("| codec | size, % of raw | encode, images/s | decode, images/s | decode, MB/s of raw |");
    println!("|---|---|---|---|---|");
    for candidate in candidates(side) {
        let encoded: Vec<Vec<u8>> = photos.iter().map(|p| (candidate.encode)(p)).collect();
        let bytes: usize = encoded.iter().map(Vec::len).sum();
        for (photo, bytes) in photos.iter().zip(&encoded) {
            assert_eq!((candidate.decode)(bytes), photo.len(), "{}", candidate.name);
        }
        let encode_seconds = best(|| photos.iter().for_each(|p| drop((candidate.encode)(p))));
        let decode_seconds = best(|| {
            for bytes in &encoded {
                std::hint::black_box((candidate.decode)(bytes));
            }
        });
        println!(
            "| {} | {:.1} | {:.0} | {:.0} | {:.0} |",
            candidate.name,
            100.0 * bytes as f64 / raw,
            photos.len() as f64 / encode_seconds,
            photos.len() as f64 / decode_seconds,
            raw / 1e6 / decode_seconds,
        );
    }
}

fn best(run: impl Fn()) -> f64 {
    let times = (0..5).map(|_| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn candidates(side: usize) -> Vec<Candidate> {
    let r = Resolution::new(side as u64).unwrap();
    let bytes = 3 * side * side;
    let ours = move |pixels: &[u8]| Codec::MedZstd.encode(pixels, 3, r).unwrap();
    let mut all = vec![
        Candidate {
            name: "raw",
            encode: Box::new(<[u8]>::to_vec),
            decode: Box::new(|bytes| std::hint::black_box(bytes.to_vec()).len()),
        },
        Candidate {
            name: "QOI",
            encode: Box::new(move |p| qoi::encode_to_vec(interleaved(p), side as u32, side as u32).unwrap()),
            decode: Box::new(|bytes| qoi::decode_to_vec(bytes).unwrap().1.len()),
        },
        png("PNG, fast (fdeflate)", side, CompressionType::Fast),
        png("PNG, default", side, CompressionType::Default),
        Candidate {
            name: "zstd 1, no prediction",
            encode: Box::new(|p| zstd::bulk::compress(p, 1).unwrap()),
            decode: unpack_zstd(bytes),
        },
        Candidate {
            name: "zstd 3, no prediction",
            encode: Box::new(|p| zstd::bulk::compress(p, 3).unwrap()),
            decode: unpack_zstd(bytes),
        },
        Candidate {
            name: "**med-zstd**: R-G, G, B-G; median edge; zstd 1, hash of 6 bits",
            encode: Box::new(ours),
            decode: Box::new(move |bytes| Codec::MedZstd.decode(bytes, 3, r).unwrap().len()),
        },
    ];
    let stage = |name, colours: fn(&[u8]) -> Vec<u8>, predict: Predict, level: i32| Candidate {
        name,
        encode: Box::new(move |p| {
            zstd::bulk::compress(&residuals(&colours(p), side, predict), level).unwrap()
        }),
        decode: unpack_zstd(bytes),
    };
    all.extend([
        stage("stage only: zstd 1 with its own table", green_differences, median, 1),
        stage("stage only: zstd 3 in place of 1", green_differences, median, 3),
        stage("stage only: zstd 9 in place of 1", green_differences, median, 9),
        stage("stage only: zstd -1 in place of 1", green_differences, median, -1),
        stage("stage only: colours as they are", <[u8]>::to_vec, median, 1),
        stage("stage only: YCoCg-R", ycocg, median, 1),
        stage("stage only: prediction from above", green_differences, |_, n, _| n, 1),
        stage("stage only: prediction from the left", green_differences, |w, _, _| w, 1),
        stage("stage only: mean of left and above", green_differences, average, 1),
        stage("stage only: gradient", green_differences, |w, n, nw| w.wrapping_add(n).wrapping_sub(nw), 1),
        stage("stage only: Paeth", green_differences, paeth, 1),
        Candidate {
            name: "stage only: the entropy coder chosen",
            encode: Box::new(move |p| {
                let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
                compressor.set_parameter(zstd::zstd_safe::CParameter::HashLog(6)).unwrap();
                compressor.compress(&residuals(&green_differences(p), side, median)).unwrap()
            }),
            decode: unpack_zstd(bytes),
        },
        Candidate {
            name: "stage only: LZ4 in place of zstd",
            encode: Box::new(move |p| lz4_flex::compress(&residuals(&green_differences(p), side, median))),
            decode: Box::new(move |b| lz4_flex::decompress(b, bytes).unwrap().len()),
        },
    ]);
    all
}

fn unpack_zstd(bytes: usize) -> Decode {
    Box::new(move |packed| zstd::bulk::decompress(packed, bytes).unwrap().len())
}

fn png(name: &'static str, side: usize, compression: CompressionType) -> Candidate {
    Candidate {
        name,
        encode: Box::new(move |p| {
            let mut out = Vec::new();
            PngEncoder::new_with_quality(&mut out, compression, FilterType::Adaptive)
                .write_image(&interleaved(p), side as u32, side as u32, ExtendedColorType::Rgb8)
                .unwrap();
            out
        }),
        decode: Box::new(|bytes| {
            image::load(Cursor::new(bytes), ImageFormat::Png).unwrap().into_rgb8().into_raw().len()
        }),
    }
}

/// `[3,R,R]` to `[R,R,3]`.
fn interleaved(pixels: &[u8]) -> Vec<u8> {
    let plane = pixels.len() / 3;
    (0..plane).flat_map(|i| [pixels[i], pixels[plane + i], pixels[2 * plane + i]]).collect()
}

fn with_colours(pixels: &[u8], change: impl Fn([u8; 3]) -> [u8; 3]) -> Vec<u8> {
    let plane = pixels.len() / 3;
    let mut out = vec![0; pixels.len()];
    for i in 0..plane {
        for (c, value) in
            change([pixels[i], pixels[plane + i], pixels[2 * plane + i]]).into_iter().enumerate()
        {
            out[c * plane + i] = value;
        }
    }
    out
}

fn green_differences(pixels: &[u8]) -> Vec<u8> {
    with_colours(pixels, |[r, g, b]| [r.wrapping_sub(g), g, b.wrapping_sub(g)])
}

/// The lifting steps of YCoCg-R (Malvar, Sullivan 2003), modulo 256.
fn ycocg(pixels: &[u8]) -> Vec<u8> {
    let half = |v: u8| (v.cast_signed() >> 1).cast_unsigned();
    with_colours(pixels, |[r, g, b]| {
        let co = r.wrapping_sub(b);
        let t = b.wrapping_add(half(co));
        let cg = g.wrapping_sub(t);
        [t.wrapping_add(half(cg)), co, cg]
    })
}

/// From the neighbours left, above, above left.
type Predict = fn(u8, u8, u8) -> u8;

fn median(w: u8, n: u8, nw: u8) -> u8 {
    let (low, high) = (w.min(n), w.max(n));
    high.wrapping_add(low).wrapping_sub(nw.clamp(low, high))
}

fn average(w: u8, n: u8, _: u8) -> u8 {
    u8::midpoint(w, n)
}

fn paeth(w: u8, n: u8, nw: u8) -> u8 {
    let [a, b, c] = [w, n, nw].map(i32::from);
    let p = a + b - c;
    let [of_a, of_b, of_c] = [a, b, c].map(|v| (p - v).abs());
    if of_a <= of_b && of_a <= of_c {
        w
    } else if of_b <= of_c {
        n
    } else {
        nw
    }
}

fn residuals(pixels: &[u8], side: usize, predict: Predict) -> Vec<u8> {
    let value = |plane: &[u8], y: Option<usize>, x: Option<usize>| match (y, x) {
        (Some(y), Some(x)) => plane[y * side + x],
        _ => 0,
    };
    let mut out = Vec::with_capacity(pixels.len());
    for plane in pixels.chunks_exact(side * side) {
        for y in 0..side {
            for x in 0..side {
                let (left, up) = (x.checked_sub(1), y.checked_sub(1));
                let (w, n, nw) =
                    (value(plane, Some(y), left), value(plane, up, Some(x)), value(plane, up, left));
                out.push(plane[y * side + x].wrapping_sub(predict(w, n, nw)));
            }
        }
    }
    out
}
