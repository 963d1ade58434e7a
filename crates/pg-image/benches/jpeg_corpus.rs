//! Decodes a folder of JPEG files with pgkit's decoder and with the `image` crate's, and prints a
//! table of how many are wrong, how many are refused, the largest difference of those that are not
//! wrong, and images per second on one thread, the best of five rounds.
//!
//! Beside `NAME.jpg` the folder may hold `NAME.ppm` or `NAME.pgm`: what libjpeg-turbo's `djpeg -dct
//! int` makes of it, and `NAME.nosmooth.ppm` with `-nosmooth`. A picture is wrong where a value is
//! further than 4 levels from both. Files without them are those that libjpeg-turbo refuses.
//! `python fixtures/decoding/jpeg/make.py FOLDER` makes such a folder.
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
use pg_image::Raster;
use pg_image::files::{DecodeLimits, decode_bytes};

const ROUNDS: usize = 5;
/// Levels by which a value may differ.
const MOST: u8 = 4;

type Decoder = fn(&[u8]) -> Result<Raster, String>;

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
    println!("decoder\tgroup\tfiles\twrong\trefused\tonly libjpeg-turbo refuses\tboth refuse\tlevels");
    for (name, decoder) in decoders {
        let mut groups: BTreeMap<String, Counts> = BTreeMap::new();
        for path in &files {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let group = stem.split("__").next().unwrap().to_owned();
            let verdict = judge(path, decoder);
            if list && !matches!(verdict, Verdict::Right(_) | Verdict::BothRefuse) {
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
    /// With the largest difference.
    Right(u8),
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
    levels: u8,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.files += 1;
        match verdict {
            Verdict::Right(levels) => self.levels = self.levels.max(*levels),
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
        self.levels = self.levels.max(other.levels);
    }

    fn row(&self) -> String {
        let Self { files, wrong, refused, only_reference, both, levels } = self;
        format!("{files}\t{wrong}\t{refused}\t{only_reference}\t{both}\t{levels}")
    }
}

fn judge(path: &Path, decoder: Decoder) -> Verdict {
    let bytes = fs::read(path).unwrap();
    let stem = path.with_extension("").to_string_lossy().into_owned();
    let expected = ["ppm", "pgm", "nosmooth.ppm"];
    let expected: Vec<Raster> =
        expected.iter().filter_map(|end| pnm(&fs::read(format!("{stem}.{end}")).ok()?)).collect();
    let found = catch_unwind(|| decoder(&bytes)).unwrap_or_else(|_| Err("panic".to_owned()));
    match found {
        Err(_) if expected.is_empty() => Verdict::BothRefuse,
        Err(_) => Verdict::Refused,
        Ok(_) if expected.is_empty() => Verdict::OnlyReferenceRefuses,
        Ok(found) => {
            let differences = expected.iter().filter_map(|expected| difference(&found, expected));
            differences.min().filter(|levels| *levels <= MOST).map_or(Verdict::Wrong, Verdict::Right)
        }
    }
}

fn difference(a: &Raster, b: &Raster) -> Option<u8> {
    let same_shape = (a.width(), a.height(), a.channels()) == (b.width(), b.height(), b.channels());
    let levels = a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b));
    same_shape.then(|| levels.max()).flatten()
}

/// A binary PGM or PPM file of 8 bits without comments.
fn pnm(bytes: &[u8]) -> Option<Raster> {
    let mut fields = bytes.splitn(4, u8::is_ascii_whitespace);
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<usize>().ok();
    let _ = number();
    let (width, height) = (number()?, number()?);
    let data = fields.next()?.splitn(2, u8::is_ascii_whitespace).nth(1)?;
    let channels = data.len().checked_div(width * height)?;
    Raster::from_data(width, height, channels, data.to_vec()).ok()
}

fn with_image(bytes: &[u8]) -> Result<Raster, String> {
    let picture = image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).map_err(|e| e.to_string())?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (channels, samples) = match picture {
        DynamicImage::ImageLuma8(grey) => (1, grey.into_raw()),
        other => (3, other.into_rgb8().into_raw()),
    };
    Raster::from_data(width, height, channels, samples).map_err(|e| e.to_string())
}

fn with_pgkit(bytes: &[u8]) -> Result<Raster, String> {
    decode_bytes(bytes, "file", &DecodeLimits::default()).map_err(|e| e.to_string())
}
