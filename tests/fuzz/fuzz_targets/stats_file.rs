//! `.pgstats` files: header, tables and records.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_metrics::FeatureRows as _;
use pg_stats::Stats;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| {
        let stats = match Stats::open(&folder.write("a.pgstats", bytes)) {
            Ok(stats) => stats,
            Err(error) => return drop(error.to_string()),
        };
        let images: Vec<usize> = (0..stats.image_count().min(8)).collect();
        for px in stats.protocol().swd.as_ref().map_or_else(Vec::new, |swd| swd.levels.clone()) {
            if let Err(error) = stats.descriptors(px, &images) {
                let _ = error.to_string();
            }
        }
        if let Some(rows) = stats.features() {
            let mut row = vec![0.0; rows.width()];
            for image in images {
                let _ = rows.read(&[image], &mut row);
            }
        }
    });
});
