//! `.npz` files of `mu` and `sigma`, whole or only their first array.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_stats::read_npz;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| match read_npz(&folder.write("a.npz", bytes)) {
        Ok(found) => {
            assert_eq!(found.covariance.dim(), (found.mean.len(), found.mean.len()));
            assert!(found.mean.iter().chain(&found.covariance).all(|value| value.is_finite()));
        }
        Err(error) => drop(error.to_string()),
    });
});
