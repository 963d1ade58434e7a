//! Landmark files of all three layouts, and the checks that follow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_align::landmark_file::{celeba_text, parse};
use pg_align::{check_inside, check_layout};

fuzz_target!(|text: &str| {
    let file = match parse(text) {
        Ok(file) => file,
        Err(error) => return drop(error.to_string()),
    };
    assert!(!file.rows.is_empty());
    match check_layout(&file) {
        Ok(odd) => assert!(2 * odd.len() <= file.rows.len()),
        Err(error) => drop(error.to_string()),
    }
    let sample: Vec<_> = file.rows.iter().map(|row| (row, [640, 480])).collect();
    if let Err(error) = check_inside(file.layout, &sample) {
        let _ = error.to_string();
    }
    // What was read can be written and read again, unless names would fall apart.
    if file.rows.iter().all(|row| !row.file.contains(char::is_whitespace) && !row.file.is_empty()) {
        let again = parse(&celeba_text(&file.rows)).expect("what is written is read");
        let points = |rows: &[pg_align::landmark_file::LandmarkRow]| {
            rows.iter().map(|row| (row.file.clone(), row.landmarks)).collect::<Vec<_>>()
        };
        assert_eq!(points(&again.rows), points(&file.rows));
    }
});
