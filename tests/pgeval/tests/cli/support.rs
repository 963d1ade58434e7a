//! Inputs for the tests: folders of drawn pictures, and datasets written by hand.

use std::path::Path;

use pg_testkit::sandbox::{Finished, Sandbox};
use serde_json::Value;

/// Runs pgeval quietly in the sandbox.
pub(crate) fn pgeval(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    sandbox.run("pgeval", arguments.iter().chain(&["--quiet"]))
}

/// The JSON object on stdout of a successful run.
#[track_caller]
pub(crate) fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let finished = pgeval(sandbox, arguments).with_status(0);
    serde_json::from_str(&finished.stdout).expect("one JSON object on stdout")
}

/// A picture of waves, different for each `index`; the same on every machine.
pub(crate) fn waves(index: u32, width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let wave =
            |k: u32| (x * (index % 5 + k) + y * (index % 7 + 2 * k) + index * 37 + x * y / (k + 9)) % 256;
        image::Rgb([wave(1) as u8, wave(2) as u8, wave(3) as u8])
    })
}

/// Writes `count` pictures of `side` pixels to `folder`, the first of number `first`.
pub(crate) fn draw_folder(sandbox: &Sandbox, folder: &str, count: u32, side: u32, first: u32) {
    std::fs::create_dir_all(sandbox.path(folder)).expect("a folder of the sandbox");
    for i in 0..count {
        save(&sandbox.path(format!("{folder}/{i:03}.png")), &waves(first + i, side, side));
    }
}

/// Writes one picture, its format told by the name.
pub(crate) fn save(path: &Path, picture: &image::RgbImage) {
    picture.save(path).expect("a picture of the sandbox");
}
