//! Decodes a folder of JPEG files with pgkit's decoder and with the `image` crate's, and prints a
//! table of how many are wrong, how many are refused, and images per second on one thread, the best
//! of five rounds.
//!
//! Beside `NAME.jpg` the folder may hold `NAME.ppm` or `NAME.pgm`: what libjpeg-turbo's `djpeg -dct
//! int` makes of it, and `NAME.nosmooth.ppm` with `-nosmooth`. A picture is wrong where a value is
//! further than 4 levels from both. Files without them are those that libjpeg-turbo refuses.
//! `tools/jpeg_corpus.py FOLDER` makes such a folder.
//!
//! `cargo bench -p pg-image --bench jpeg_corpus -- FOLDER [--list]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat};
use pg_image::files::{DecodeLimits, decode_bytes};

const ROUNDS: usize = 5;
/// Levels by which a value may differ.
const MOST: u8 = 4;

/// Columns, rows, and samples with one or three channels.
type Picture = (usize, usize, Vec<u8>);
type Decoder = fn(&[u8]) -> Result<Picture, String>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(folder) = words.iter().find(|word| !word.starts_with('-')) else {
        println!("give a folder of JPEG files: cargo bench -p pg-image --bench jpeg_corpus -- FOLDER");
        return;
    };
    let list = words.iter().any(|word| word == "--list");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    files.sort();
    std::panic::set_hook(Box::new(|_| {}));
    let decoders: [(&str, Decoder); 2] = [("image", with_image), ("pgkit", with_pgkit)];
    println!("decoder\tgroup\tfiles\twrong\trefused\tonly libjpeg-turbo refuses\tboth refuse");
    for (name, decoder) in decoders {
        let mut groups: BTreeMap<String, Counts> = BTreeMap::new();
        for path in &files {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let group = stem.split("__").next().unwrap().to_owned();
            let verdict = judge(path, decoder);
            if list && !matches!(verdict, Verdict::Right | Verdict::BothRefuse) {
                println!("{name}\t{stem}\t{verdict:?}");
            }
            groups.entry(group).or_default().add(&verdict);
        }
        let mut all = Counts::default();
        for (group, counts) in &groups {
            println!("{name}\t{group}\t{}", counts.row());
            all.merge(counts);
        }
        println!("{name}\tall\t{}", all.row());
    }
    let contents: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for ((_, decoder), best) in decoders.iter().zip(&mut best) {
            let started = Instant::now();
            for bytes in &contents {
                let _ = black_box(catch_unwind(|| decoder(bytes)));
            }
            *best = started.elapsed().min(*best);
        }
    }
    for ((name, _), best) in decoders.iter().zip(best) {
        println!("{name}\t{:.1} images/s", contents.len() as f64 / best.as_secs_f64());
    }
}

#[derive(Debug)]
enum Verdict {
    Right,
    Wrong,
    Refused,
    OnlyReferenceRefuses,
    BothRefuse,
}

#[derive(Debug, Default)]
struct Counts {
    files: usize,
    wrong: usize,
    refused: usize,
    only_reference: usize,
    both: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.files += 1;
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong => self.wrong += 1,
            Verdict::Refused => self.refused += 1,
            Verdict::OnlyReferenceRefuses => self.only_reference += 1,
            Verdict::BothRefuse => self.both += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.files += other.files;
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.only_reference += other.only_reference;
        self.both += other.both;
    }

    fn row(&self) -> String {
        format!("{}\t{}\t{}\t{}\t{}", self.files, self.wrong, self.refused, self.only_reference, self.both)
    }
}

fn judge(path: &Path, decoder: Decoder) -> Verdict {
    let bytes = fs::read(path).unwrap();
    let stem = path.with_extension("").to_string_lossy().into_owned();
    let expected = ["ppm", "pgm", "nosmooth.ppm"];
    let expected: Vec<Picture> =
        expected.iter().filter_map(|end| pnm(&fs::read(format!("{stem}.{end}")).ok()?)).collect();
    let found = catch_unwind(|| decoder(&bytes)).unwrap_or_else(|_| Err("panic".to_owned()));
    match found {
        Err(_) if expected.is_empty() => Verdict::BothRefuse,
        Err(_) => Verdict::Refused,
        Ok(_) if expected.is_empty() => Verdict::OnlyReferenceRefuses,
        Ok(found) => {
            let mut differences = expected.iter().filter_map(|expected| difference(&found, expected));
            if differences.any(|d| d <= MOST) { Verdict::Right } else { Verdict::Wrong }
        }
    }
}

fn difference(a: &Picture, b: &Picture) -> Option<u8> {
    if (a.0, a.1, a.2.len()) != (b.0, b.1, b.2.len()) {
        return None;
    }
    a.2.iter().zip(&b.2).map(|(a, b)| a.abs_diff(*b)).max()
}

/// A binary PGM or PPM file of 8 bits without comments.
fn pnm(bytes: &[u8]) -> Option<Picture> {
    let mut fields = bytes.splitn(4, u8::is_ascii_whitespace);
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<usize>().ok();
    let _ = number();
    let (width, height) = (number()?, number()?);
    let data = fields.next()?.splitn(2, u8::is_ascii_whitespace).nth(1)?;
    Some((width, height, data.to_vec()))
}

fn with_image(bytes: &[u8]) -> Result<Picture, String> {
    let picture = image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).map_err(|e| e.to_string())?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(match picture {
        DynamicImage::ImageLuma8(grey) => (width, height, grey.into_raw()),
        other => (width, height, other.into_rgb8().into_raw()),
    })
}

fn with_pgkit(bytes: &[u8]) -> Result<Picture, String> {
    let raster = decode_bytes(bytes, "file", &DecodeLimits::default()).map_err(|e| e.to_string())?;
    Ok((raster.width(), raster.height(), raster.data().to_vec()))
}
