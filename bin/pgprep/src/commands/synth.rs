//! `pgprep synth`: synthetic portraits with known landmarks and attributes.

use std::io::{self, Write as _};
use std::path::Path;

use pg_align::Landmarks;
use pg_align::landmark_file::{LandmarkRow, celeba_text};
use pg_build::{Again, FilesBuild, OutputNames, WholeFiles};
use pg_cli::{ExitStatus, Provenance};
use pg_image::files::{encode_jpeg, encode_png};
use pg_shard::{BuildPlan, FailedItem, reason, write_atomically};
use pg_synth::{ATTRIBUTE_NAMES, Portrait};
use serde_json::{Map, json};

use crate::args::SynthArgs;
use crate::building::build_files;
use crate::session::{Session, TOOL, count};

/// JPEG quality: photos in the wild are compressed too.
const QUALITY: u8 = 92;
/// Both in CelebA's layouts.
const LANDMARKS: &str = "list_landmarks.txt";
const ATTRIBUTES: &str = "list_attr.txt";

pub(crate) fn run(session: &Session, args: &SynthArgs) -> anyhow::Result<ExitStatus> {
    let portraits = args.count as usize;
    let mut settings = Map::new();
    settings.insert("command".to_owned(), json!("synth"));
    settings.insert("version".to_owned(), json!(TOOL.1));
    settings.insert("seed".to_owned(), json!(args.seed));
    settings.insert("noise_px".to_owned(), json!(args.noise));
    let numbered = (0..portraits).map(|i| format!("images/{}", file_name(i, args.noise))).collect();
    let names = OutputNames::new(numbered, |i| format!("portrait {i}"))?;
    let write = |output: &Path| {
        write_landmarks(output, args.seed, portraits)?;
        write_attributes(output, args.seed, portraits)
    };
    let lists = WholeFiles { names: &[LANDMARKS, ATTRIBUTES], write: &write };
    let build = FilesBuild {
        names: &names,
        whole: args.noise.is_none().then_some(lists),
        part: None,
        plan: BuildPlan {
            settings,
            source_blake3: String::new(),
            items: portraits,
            items_per_shard: 1,
            channels: 3,
            resolution: 0,
        },
        done_file: "synth.json",
        label: "synth",
        unit: "portraits",
        stop_at_failure: true,
        again: Again::default(),
    };
    let images = args.output.join("images");
    let built = build_files(
        session,
        &args.output,
        build,
        |done, _| {
            Provenance::of_this_process(TOOL.0, TOOL.1, Some(args.seed))
                .setting("jpeg_quality", QUALITY)
                .count("portraits", done)
        },
        |i| {
            let failed = |reason: String| FailedItem::new(file_name(i, args.noise), reason);
            if let Some(px) = args.noise {
                let picture = pg_synth::uniform_noise(args.seed, i as u64, px as usize);
                return encode_png(&picture).map_err(|e| failed(reason(&e)));
            }
            let portrait = Portrait::draw(args.seed, i as u64);
            encode_jpeg(&portrait.picture, QUALITY).map_err(|e| failed(reason(&e)))
        },
    )?;
    let Some(summary) = built else { return Ok(ExitStatus::SomeFailed) };
    let line = match args.noise {
        Some(_) => format!("{} of noise in {}", count(summary.files, "picture"), images.display()),
        None => format!(
            "{} in {}, their landmarks in {}, attributes in {}",
            count(summary.files, "portrait"),
            images.display(),
            args.output.join(LANDMARKS).display(),
            args.output.join(ATTRIBUTES).display()
        ),
    };
    session.result(&summary.json, [line])?;
    Ok(ExitStatus::Done)
}

/// Portraits are JPEG, as photos are; noise is kept exactly.
fn file_name(i: usize, noise: Option<u32>) -> String {
    format!("{:06}.{}", i + 1, if noise.is_some() { "png" } else { "jpg" })
}

/// Whole pixels.
fn write_landmarks(output: &Path, seed: u64, portraits: usize) -> io::Result<()> {
    let rows: Vec<LandmarkRow> = (0..portraits)
        .map(|i| {
            let points = Portrait::landmarks_of(seed, i as u64).0;
            let mut columns = [0.0; 10];
            for (column, value) in columns.iter_mut().zip(points.as_flattened()) {
                *column = value.round();
            }
            LandmarkRow {
                position: i + 3,
                file: file_name(i, None),
                landmarks: Landmarks::from_columns(columns),
            }
        })
        .collect();
    write_atomically(&output.join(LANDMARKS), |file| file.write_all(celeba_text(&rows).as_bytes()))
}

/// The number of images, the names, then for each image 1 for yes and -1 for no.
fn write_attributes(output: &Path, seed: u64, portraits: usize) -> io::Result<()> {
    write_atomically(&output.join(ATTRIBUTES), |file| {
        writeln!(file, "{portraits}")?;
        writeln!(file, "{}", ATTRIBUTE_NAMES.join(" "))?;
        for i in 0..portraits {
            let has = Portrait::attributes_of(seed, i as u64).0;
            let columns = has.map(|has| if has { " 1" } else { "-1" });
            writeln!(file, "{} {}", file_name(i, None), columns.join(" "))?;
        }
        Ok(())
    })
}
