//! Whatever is wrong with an input: exit status 2, a message that names file and remedy, no panic,
//! nothing on stdout.

use crate::support::{draw_folder, pgeval, save, waves};
use pg_testkit::sandbox::Sandbox;

/// Both metrics on `images` fail, and stderr says all of `expected`.
#[track_caller]
fn both_refuse(sandbox: &Sandbox, images: &str, expected: &[&str]) {
    swd_refuses(sandbox, images, expected);
    refuses(sandbox, &["ms-ssim", images], expected);
}

#[track_caller]
fn swd_refuses(sandbox: &Sandbox, images: &str, expected: &[&str]) {
    refuses(sandbox, &["swd", images, "good"], expected);
    refuses(sandbox, &["swd", "good", images], expected);
}

#[track_caller]
fn refuses(sandbox: &Sandbox, arguments: &[&str], expected: &[&str]) {
    let finished = pgeval(sandbox, arguments).with_status(2);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    for text in expected {
        assert!(finished.stderr.contains(text), "{text:?} not in\n{}", finished.stderr);
    }
}

fn sandbox_with_good_images() -> Sandbox {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "good", 3, 32, 0);
    sandbox
}

#[test]
fn a_missing_path() {
    let sandbox = sandbox_with_good_images();
    both_refuse(
        &sandbox,
        "absent",
        &["absent does not exist", "folder of images, a zip of them or a dataset"],
    );
    both_refuse(&sandbox, "absent@64", &["absent@64 does not exist"]);
}

#[test]
fn a_folder_without_images() {
    let sandbox = sandbox_with_good_images();
    sandbox.write("empty/notes.txt", "no image");
    both_refuse(&sandbox, "empty", &["empty holds no images", "give a folder of PNG"]);
}

#[test]
fn a_file_in_place_of_a_folder() {
    let sandbox = sandbox_with_good_images();
    both_refuse(&sandbox, "good/000.png", &["good/000.png is a file", "expected a folder"]);
}

#[test]
fn a_single_image() {
    let sandbox = sandbox_with_good_images();
    draw_folder(&sandbox, "one", 1, 32, 0);
    both_refuse(&sandbox, "one", &["one holds 1 image (one/000.png)", "at least 2"]);
}

#[test]
fn images_of_mixed_sizes() {
    let sandbox = sandbox_with_good_images();
    draw_folder(&sandbox, "mixed", 3, 32, 0);
    save(&sandbox.path("mixed/001b.png"), &waves(1, 48, 32));
    let expected = ["mixed/001b.png has 48x32 pixels, expected 32x32 as mixed/000.png", "--fit crop"];
    both_refuse(&sandbox, "mixed", &expected);
}

#[test]
fn an_image_that_cannot_be_decoded() {
    let sandbox = sandbox_with_good_images();
    draw_folder(&sandbox, "broken", 3, 32, 0);
    let whole = std::fs::read(sandbox.path("broken/001.png")).expect("a drawn picture");
    sandbox.write("broken/001.png", &whole[..whole.len() / 2]);
    both_refuse(&sandbox, "broken", &["broken/001.png"]);
    sandbox.write("broken/001.png", b"");
    both_refuse(&sandbox, "broken", &["broken/001.png is empty"]);
    sandbox.write("broken/000.png", b"not a picture");
    both_refuse(&sandbox, "broken", &["broken/000.png"]);
}

#[test]
fn an_image_beyond_the_pixel_limit() {
    let sandbox = sandbox_with_good_images();
    refuses(
        &sandbox,
        &["ms-ssim", "good", "--max-pixels", "1000"],
        &["good/000.png", "32x32", "--max-pixels"],
    );
}

#[test]
fn sizes_that_have_no_pyramid() {
    let sandbox = sandbox_with_good_images();
    for (folder, width, height) in [("wide", 64, 32), ("odd", 48, 48), ("tiny", 8, 8)] {
        std::fs::create_dir(sandbox.path(folder)).expect("a folder of the sandbox");
        for i in 0..2 {
            save(&sandbox.path(format!("{folder}/{i}.png")), &waves(i, width, height));
        }
        let size = format!("{folder}/0.png has {width}x{height} pixels");
        swd_refuses(&sandbox, folder, &[&size, "power of two of at least 16", "--fit crop"]);
    }
    refuses(&sandbox, &["ms-ssim", "tiny"], &["tiny/0.png has 8x8 pixels", "at least 16"]);
}

#[test]
fn sides_of_different_resolution() {
    let sandbox = sandbox_with_good_images();
    draw_folder(&sandbox, "large", 3, 64, 0);
    swd_refuses(&sandbox, "large", &["64x64", "32x32", "score both at one size", "@32"]);
}

#[test]
fn a_level_of_something_that_is_no_dataset() {
    let sandbox = sandbox_with_good_images();
    both_refuse(&sandbox, "good@32", &["good", "dataset"]);
    both_refuse(&sandbox, "good@33", &["\"33\" is no level", "power of two"]);
}

#[test]
fn a_dataset_whose_manifest_is_broken() {
    let sandbox = sandbox_with_good_images();
    sandbox.write("set/dataset.json", "{\"format\": \"pgkit-dataset\",");
    both_refuse(&sandbox, "set", &["set", "dataset.json"]);
}

#[test]
fn flags_out_of_range() {
    let sandbox = sandbox_with_good_images();
    for arguments in [
        &["swd", "good", "good", "--images", "1"][..],
        &["swd", "good", "good", "--repeats", "0"],
        &["swd", "good", "good", "--threads", "0"],
        &["ms-ssim", "good", "--pairs", "0"],
        &["swd", "good"],
        &["fid", "good", "good"],
    ] {
        refuses(&sandbox, arguments, &[]);
    }
}
