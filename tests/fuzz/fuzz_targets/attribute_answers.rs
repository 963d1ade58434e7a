//! Answers of another program for `pgeval ls`. The first byte says how many images there are.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_sources::{AnswerKind, attribute_answers};

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&samples, bytes)) = bytes.split_first() else { return };
    let samples = usize::from(samples);
    FOLDER.with(|folder| {
        let path = folder.write("answers.csv", bytes);
        for kind in [AnswerKind::LogOdds, AnswerKind::Probabilities] {
            match attribute_answers(&path, kind, samples) {
                Ok((names, table)) => {
                    assert_eq!(table.dim(), (samples, names.len()));
                    assert!(table.iter().all(|answer| answer.is_finite()));
                }
                Err(error) => drop(error.to_string()),
            }
        }
    });
});
