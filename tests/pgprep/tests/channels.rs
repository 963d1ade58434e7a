//! Grey and colour images together.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use image::{GrayImage, RgbImage};
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::pgprep;

fn with_images(grey: &[&str], colour: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("in")).unwrap();
    for name in grey {
        let image = GrayImage::from_fn(8, 8, |x, y| image::Luma([(x * 30 + y) as u8]));
        image.save(sandbox.path("in").join(name)).unwrap();
    }
    for name in colour {
        let image = RgbImage::from_fn(8, 8, |x, y| image::Rgb([(x * 30) as u8, (y * 30) as u8, 77]));
        image.save(sandbox.path("in").join(name)).unwrap();
    }
    sandbox
}

fn info(sandbox: &Sandbox) -> (Value, Value, Value) {
    let info = pgprep(sandbox, "info set --json").with_status(0);
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    (info["channels"].clone(), info["images"].clone(), info["failed"].clone())
}

#[test]
fn one_image_in_colour_makes_the_dataset_rgb_whatever_comes_first() {
    let sandbox = with_images(&["a.png", "b.png", "z.png"], &["m.png"]);
    let packed = pgprep(&sandbox, "pack in -o set").with_status(0);
    assert!(packed.stderr.contains("the first image is grey, m.png is not"), "{}", packed.stderr);
    assert_eq!(info(&sandbox), (3.into(), 4.into(), 0.into()));
    let _ = pgprep(&sandbox, "extract set -o out").with_status(0);
    let [grey, colour] = ["000000.png", "000002.png"]
        .map(|name| image::open(sandbox.path("out").join(name)).unwrap().into_rgb8());
    assert!(grey.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]));
    assert_eq!(colour.get_pixel(1, 2).0, [30, 60, 77]);
}

#[test]
fn grey_images_alone_make_a_grey_dataset_and_the_choice_is_the_user_s() {
    let sandbox = with_images(&["a.png", "b.png"], &[]);
    let packed = pgprep(&sandbox, "pack in -o set").with_status(0);
    assert!(packed.stderr.contains("all images are grey: the dataset has 1 channel"), "{}", packed.stderr);
    assert_eq!(info(&sandbox), (1.into(), 2.into(), 0.into()));
    std::fs::remove_dir_all(sandbox.path("set")).unwrap();
    let _ = pgprep(&sandbox, "pack in -o set --channels 3").with_status(0);
    assert_eq!(info(&sandbox), (3.into(), 2.into(), 0.into()));

    let sandbox = with_images(&["a.png"], &["b.png"]);
    let _ = pgprep(&sandbox, "pack in -o set --channels 1").with_status(0);
    assert_eq!(info(&sandbox), (1.into(), 2.into(), 0.into()));
    let refused = pgprep(&sandbox, "pack in -o other --channels 2").with_status(2);
    assert!(refused.stderr.contains("[possible values: auto, 1, 3]"), "{}", refused.stderr);
}
