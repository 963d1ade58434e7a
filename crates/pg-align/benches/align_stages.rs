//! Seconds of each stage of the alignment at 1024 px on one thread, on the photos of fixtures/align
//! (decoding not included). The best of five. With a FILTER, only the photos whose names hold it.
//!
//! With `--lines`, only the sums, as lines `align/PHOTO/FINAL FILTER<TAB>ms`.
//!
//! `cargo bench -p pg-align --bench align_stages [-- FILTER]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::path::PathBuf;
use std::time::Instant;

use pg_align::{FinalFilter, Preset, crop, enlarge, landmark_file, oriented_square, pad, shrink, transform};
use pg_image::files::{DecodeLimits, decode};

const STAGES: [&str; 6] = ["shrink", "crop", "enlarge", "pad", "box", "lanczos"];

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/align");
    let list = std::fs::read_to_string(folder.join("list_landmarks.txt")).unwrap();
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let lines = std::env::args().any(|arg| arg == "--lines");
    if !lines {
        print!("{:12}", "ms");
        for stage in STAGES {
            print!("{stage:>9}");
        }
        println!("{:>14}{:>14}", "all, box", "all, lanczos");
    }
    for row in landmark_file::parse(&list).unwrap().rows {
        if !filter.as_ref().is_none_or(|filter| row.file.contains(filter)) {
            continue;
        }
        let photo = decode(&folder.join(&row.file), &DecodeLimits::default()).unwrap();
        let mut best = [f64::INFINITY; STAGES.len()];
        for _ in 0..5 {
            let mut image = photo.clone();
            let mut square = oriented_square(&row.landmarks, 1024, Preset::Celeba).unwrap();
            let mut border = 0;
            for (stage, best) in best.iter_mut().enumerate() {
                let started = Instant::now();
                match stage {
                    0 => drop(shrink(&mut image, &mut square)),
                    1 => border = crop(&mut image, &mut square).unwrap().0,
                    2 => drop(enlarge(&mut image, &mut square).unwrap()),
                    3 => drop(pad(&mut image, &mut square, border).unwrap()),
                    4 => drop(transform(&image, &square, FinalFilter::Box)),
                    _ => drop(transform(&image, &square, FinalFilter::Lanczos)),
                }
                *best = best.min(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        let before: f64 = best[..4].iter().sum();
        let (all_box, all_lanczos) = (before + best[4], before + best[5]);
        if lines {
            println!("align/{0}/box\t{all_box:.2}\nalign/{0}/lanczos\t{all_lanczos:.2}", row.file);
            continue;
        }
        print!("{:12}", row.file);
        for ms in best {
            print!("{ms:9.1}");
        }
        println!("{all_box:14.1}{all_lanczos:14.1}");
    }
}
