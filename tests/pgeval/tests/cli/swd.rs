//! `pgeval swd` as a user meets it.

use crate::support::{draw_folder, json_of, pgeval, waves};
use pg_testkit::golden;
use pg_testkit::sandbox::Sandbox;

/// Few patches and directions: quick, and enough for what these tests look at.
const SMALL: [&str; 6] = ["--patches-per-image", "16", "--directions-per-repeat", "16", "--repeats", "2"];

fn with_small<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(SMALL).collect()
}

#[test]
fn the_json_has_the_members_that_scripts_rely_on() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 32, 0);
    draw_folder(&sandbox, "fake", 4, 32, 50);
    let result = json_of(&sandbox, &with_small(&["swd", "real", "fake", "--json", "--seed", "7"]));
    let members: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["metric", "value", "unit", "direction", "levels", "interval", "counts", "protocol", "provenance"]
    );
    assert_eq!((result["metric"].as_str(), result["unit"].as_str()), (Some("swd"), Some("x1e-3")));
    assert_eq!(result["direction"], "lower");
    assert_eq!(result["counts"], serde_json::json!({ "real": 4, "fake": 4 }));
    let levels = result["levels"].as_array().unwrap();
    let resolutions: Vec<u64> = levels.iter().map(|l| l["resolution"].as_u64().unwrap()).collect();
    assert_eq!(resolutions, [32, 16]);
    let value = result["value"].as_f64().unwrap();
    let mean = levels.iter().map(|l| l["value"].as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((value - mean).abs() < 1e-9);
    let interval = &result["interval"];
    assert_eq!(interval["level"], 0.95);
    assert!(interval["low"].as_f64().unwrap() < value && value < interval["high"].as_f64().unwrap());
    assert_eq!(result["protocol"]["patches_per_image"], 16);
    let provenance = &result["provenance"];
    assert_eq!((provenance["tool"].as_str(), provenance["seed"].as_u64()), (Some("pgeval"), Some(7)));
    assert_eq!(provenance["settings"]["real"]["images"], 6);
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 9, 32, 0);
    draw_folder(&sandbox, "fake", 9, 32, 50);
    let run = |threads| {
        let arguments = with_small(&["swd", "real", "fake", "--json", "--threads", threads]);
        pgeval(&sandbox, &arguments).with_status(0).stdout
    };
    let expected = run("1");
    assert_eq!(run("2"), expected);
    assert_eq!(run("3"), expected);
}

#[test]
fn the_reference_program_s_score_is_met() {
    let sandbox = Sandbox::new();
    let (a, b) = (golden::fixture("swd/setA"), golden::fixture("swd/setB"));
    let result = json_of(&sandbox, &["swd", a.to_str().unwrap(), b.to_str().unwrap(), "--json"]);
    let expected = &golden::json("swd/expected.json")["api_defaults"];
    let (mean, deviation) = (golden::numbers(&expected["mean"]), golden::numbers(&expected["std_ddof1"]));
    let values = result["levels"].as_array().unwrap().iter().map(|level| &level["value"]);
    for ((value, mean), deviation) in values.chain([&result["value"]]).zip(mean).zip(deviation) {
        let value = value.as_f64().unwrap();
        assert!((value - mean).abs() <= 3.0 * deviation, "{value} expected {mean} +- 3 * {deviation}");
    }
}

#[test]
fn seeds_change_the_draws_and_images_limits_the_count() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 32, 0);
    draw_folder(&sandbox, "fake", 6, 32, 50);
    let value = |more: &[&str]| {
        let arguments: Vec<&str> = ["swd", "real", "fake", "--json"].iter().chain(more).copied().collect();
        json_of(&sandbox, &with_small(&arguments))
    };
    let first = value(&[]);
    assert_ne!(first["value"], value(&["--seed", "1"])["value"]);
    let fewer = value(&["--images", "3"]);
    assert_eq!(fewer["counts"]["real"], 3);
    assert_ne!(first["value"], fewer["value"]);
}

#[test]
fn the_table_shows_levels_average_and_counts() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 32, 0);
    draw_folder(&sandbox, "fake", 5, 32, 50);
    let arguments = with_small(&["swd", "real", "fake"]);
    let finished = sandbox.run("pgeval", &arguments).with_status(0);
    for expected in ["  32x32 ", "  16x16 ", "  average ", "95 % interval", "real  5 of 6 images, real"] {
        assert!(finished.stdout.contains(expected), "{expected} not in\n{}", finished.stdout);
    }
    let note = "REAL has 6 images, FAKE 5: the first 5 of each are compared";
    assert!(finished.stderr.contains(note), "{}", finished.stderr);
    assert_eq!(pgeval(&sandbox, &arguments).with_status(0).stderr, "");
}

#[test]
fn grey_pictures_count_as_rgb() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "fake", 4, 32, 50);
    for i in 0..4 {
        let grey = image::imageops::grayscale(&waves(i, 32, 32));
        let rgb = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([grey.get_pixel(x, y).0[0]; 3]));
        for folder in ["grey", "rgb"] {
            std::fs::create_dir_all(sandbox.path(folder)).unwrap();
        }
        grey.save(sandbox.path(format!("grey/{i}.png"))).unwrap();
        rgb.save(sandbox.path(format!("rgb/{i}.png"))).unwrap();
    }
    let value = |real| json_of(&sandbox, &with_small(&["swd", real, "fake", "--json"]))["value"].clone();
    assert_eq!(value("grey"), value("rgb"));
}
