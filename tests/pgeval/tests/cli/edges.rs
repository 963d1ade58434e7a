//! Scores at their edges: collapsed images, few images, statistics of low rank, features that are not finite.

use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{draw_folder, json_of, pgeval, save};

const SMALL: [&str; 6] = ["--patches-per-image", "16", "--directions-per-repeat", "16", "--repeats", "2"];

fn fixture(name: &str) -> String {
    golden::fixture(&format!("fid/edges/{name}")).display().to_string()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Grey pictures of 16 pixels, one for each of `greys`.
fn greys(sandbox: &Sandbox, folder: &str, greys: &[u8]) {
    std::fs::create_dir_all(sandbox.path(folder)).unwrap();
    for (i, &grey) in greys.iter().enumerate() {
        let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([grey; 3]));
        save(&sandbox.path(format!("{folder}/{i:03}.png")), &picture);
    }
}

fn result_of(sandbox: &Sandbox, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.path(file)).unwrap()).unwrap()
}

fn metric<'a>(result: &'a Value, name: &str) -> Option<&'a Value> {
    result["metrics"].as_array()?.iter().find(|metric| metric["metric"] == name)
}

#[test]
fn statistics_at_their_edges_have_the_distances_of_numpy() {
    let sandbox = Sandbox::new();
    let expected = golden::json("fid/edges/expected.json");
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 36);
    for (pair, values) in expected {
        let (a, b) = pair.split_once(' ').unwrap();
        for (real, fake) in [(a, b), (b, a)] {
            let (real, fake) = (fixture(&format!("{real}.npz")), fixture(&format!("{fake}.npz")));
            let found = json_of(&sandbox, &["fid", &real, &fake, "--json"]);
            // A covariance that was rounded has one distance from either side; ours is one of them.
            let found_value = number(&found["value"]);
            let known = ["distance", "swapped", "sqrtm"].map(|way| number(&values[way]));
            let nearest =
                known.into_iter().min_by(|a, b| (a - found_value).abs().total_cmp(&(b - found_value).abs()));
            assert_close(pair, &[found_value], &[nearest.unwrap()], Tolerance::new(1e-7, 1e-6));
            assert_eq!(found["interval_unknown"], "no images on either side");
        }
    }
}

#[test]
fn no_covariance_is_refused_by_side_with_its_eigenvalue_and_advice() {
    let sandbox = Sandbox::new();
    let (good, bad) = (fixture("many.npz"), fixture("negative.npz"));
    for (real, fake, side) in [(&bad, &good, "real"), (&good, &bad, "fake")] {
        let error = pgeval(&sandbox, &["fid", real, fake]).with_status(2).stderr;
        for text in [
            &format!("the {side} images"),
            "negative eigenvalues",
            "the least is -5.000e-1",
            "make these statistics again",
        ] {
            assert!(error.contains(text), "{text:?} not in {error}");
        }
    }
}

#[test]
fn equal_statistics_are_0_apart_without_a_sign() {
    let sandbox = Sandbox::new();
    for name in ["many.npz", "few_f32.npz", "constant.npz"] {
        let file = fixture(name);
        let said = pgeval(&sandbox, &["fid", &file, &file]).with_status(0).stdout;
        assert!(!said.contains("-0.0"), "{said}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn what_a_network_says_that_is_not_finite_is_refused_by_side_image_and_output() {
    let sandbox = Sandbox::new();
    greys(&sandbox, "good", &[30, 60, 90, 120, 150, 180]);
    greys(&sandbox, "black", &[30, 60, 90, 0, 150, 0]);
    greys(&sandbox, "dark", &[30, 60, 90, 120, 10, 180]);
    let model = fixture("not_finite.onnx");
    let with = |command: &[&str]| {
        let error = pgeval(&sandbox, &[command, &["--model", &model]].concat()).with_status(2);
        assert_eq!(error.stdout, "");
        error.stderr
    };
    let refused = |command: &[&str], file: &str, role: &str, output: &str| {
        let error = with(command);
        let expected =
            format!("cannot use `{file}` ({role}): output `{output}` of the network (--model) is ");
        assert!(error.contains(&expected), "{expected} not in {error}");
        assert!(!error.contains("either side"), "{error}");
    };
    for command in ["fid", "kid", "pr"] {
        refused(&[command, "good", "black"], "black/003.png", "FAKE", "features");
        refused(&[command, "black", "good"], "black/003.png", "REAL", "features");
        refused(&[command, "dark", "good"], "dark/004.png", "REAL", "logits");
        refused(
            &[command, "good", "black", "--batch", "1", "--threads", "3"],
            "black/003.png",
            "FAKE",
            "features",
        );
    }
    refused(&["is", "dark", "--splits", "1"], "dark/004.png", "IMAGES", "logits");
    for more in [&[][..], &["--no-swd"]] {
        refused(
            &[&["stats", "black", "-o", "x.pgstats"], more].concat(),
            "black/003.png",
            "REAL",
            "features",
        );
        assert!(!sandbox.path("x.pgstats").exists());
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn metrics_that_fail_are_listed_with_their_reasons_and_the_others_are_written() {
    let sandbox = Sandbox::new();
    let model = fixture("not_finite.onnx");
    greys(&sandbox, "good", &[30, 60, 90, 120, 150, 180]);
    greys(&sandbox, "black", &[30, 60, 90, 0, 150, 180]);
    greys(&sandbox, "dark", &[30, 60, 90, 10, 150, 180]);
    let all = |real: &str, fake: &str, file: &str, status: i32| {
        let command =
            ["all", real, fake, "--model", &model, "-o", file, "--report", "page.html", "--overwrite"];
        let finished = pgeval(&sandbox, &[&command[..], &SMALL].concat()).with_status(status);
        (finished, result_of(&sandbox, file))
    };
    let (_, baseline) = all("good", "good", "baseline.json", 0);
    assert_eq!(baseline.get("failed"), None);
    // The class scores alone.
    let (_, result) = all("good", "dark", "dark.json", 1);
    assert_eq!(result["failed"].as_array().unwrap().len(), 1);
    assert!(metric(&result, "fid").is_some() && metric(&result, "is").is_none());
    // Both.
    let (finished, result) = all("good", "black", "black.json", 1);
    let names: Vec<&Value> = result["metrics"].as_array().unwrap().iter().map(|m| &m["metric"]).collect();
    assert_eq!(names, ["swd", "ms-ssim"]);
    let failed = result["failed"].as_array().unwrap();
    let names: Vec<&Value> = failed.iter().map(|m| &m["metric"]).collect();
    assert_eq!(names, ["is", "fid", "kid", "precision", "recall"]);
    for metric in failed {
        let reason = metric["reason"].as_str().unwrap();
        let output = if metric["metric"] == "is" { "logits" } else { "features" };
        assert!(
            reason.contains(&format!("cannot use `black/003.png` (FAKE): output `{output}`")),
            "{reason}"
        );
        assert!(
            finished.stdout.contains("failed  ") && finished.stdout.contains(reason),
            "{}",
            finished.stdout
        );
    }
    let page = std::fs::read_to_string(sandbox.path("page.html")).unwrap();
    assert!(page.contains("Failed metrics") && page.contains("(FAKE): output `logits`"));
    // The gate names each.
    let gate = ["gate", "black.json", "--baseline", "baseline.json"];
    let said = pgeval(&sandbox, &gate).with_status(1).stdout;
    assert!(said.contains("not computed: is, fid, kid, precision, recall"), "{said}");
    let judged = pgeval(&sandbox, &[&gate[..], &["--json"]].concat()).with_status(1).stdout;
    let judged: Value = serde_json::from_str(&judged).unwrap();
    let fid = judged["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "fid").unwrap();
    assert_eq!((&fid["verdict"], fid["result"].is_null()), (&Value::from("failed"), true));
    assert!(fid["reason"].as_str().unwrap().contains("black/003.png"));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_collapsed_generator_has_its_distance_and_an_interval_that_holds_it() {
    let sandbox = Sandbox::new();
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let features = |folder: &str| {
        let command = ["stats", folder, "--no-swd", "--model", &model, "-o", "x.pgstats", "--overwrite"];
        let _ = pgeval(&sandbox, &command).with_status(0);
        let _ = pgeval(&sandbox, &["stats", "x.pgstats", "-o", &format!("{folder}.npz")]).with_status(0);
    };
    draw_folder(&sandbox, "real", 12, 16, 0);
    for (folder, grey) in [("black", 0), ("grey", 128)] {
        greys(&sandbox, folder, &[grey; 12]);
        features(folder);
    }
    features("real");
    for fake in ["black", "grey"] {
        let found = json_of(&sandbox, &["fid", "real", fake, "--model", &model, "--json"]);
        let of_statistics = json_of(&sandbox, &["fid", "real.npz", &format!("{fake}.npz"), "--json"]);
        let value = number(&found["value"]);
        assert_close("npz", &[number(&of_statistics["value"])], &[value], Tolerance::new(1e-6, 1e-9));
        assert!(value > 0.0 && found["warnings"][0]["code"] != Value::Null);
        let [low, high] = ["low", "high"].map(|end| number(&found["interval"][end]));
        assert!(low <= value && value <= high && low < high, "{found}");
    }
    let apart = json_of(&sandbox, &["fid", "black", "grey", "--model", &model, "--json"]);
    let means = number(&apart["value"]);
    let [low, high] = ["low", "high"].map(|end| number(&apart["interval"][end]));
    assert!(means > 0.0 && (high - low).abs() <= 1e-9 * means, "{apart}");
    // All of `all` is written too.
    let command = ["all", "real", "black", "--model", &model, "-o", "r.json"];
    let _ = pgeval(&sandbox, &[&command[..], &SMALL].concat()).with_status(0);
    let result = result_of(&sandbox, "r.json");
    for name in ["swd", "ms-ssim", "is", "fid", "kid", "precision", "recall"] {
        assert!(metric(&result, name).is_some(), "{name}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn two_to_six_images_have_scores_or_reasons() {
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    for images in 2..=6 {
        let sandbox = Sandbox::new();
        draw_folder(&sandbox, "real", images, 16, 0);
        draw_folder(&sandbox, "fake", images, 16, 40);
        let command = ["all", "real", "fake", "--model", &model, "-o", "r.json"];
        // Precision and recall need four.
        let status = i32::from(images < 4);
        let said = pgeval(&sandbox, &[&command[..], &SMALL].concat()).with_status(status).stdout;
        let result = result_of(&sandbox, "r.json");
        let fid = metric(&result, "fid").unwrap();
        assert!(number(&fid["value"]) > 0.0);
        assert_eq!(fid.get("interval").is_some(), images >= 4, "{fid}");
        if images < 4 {
            assert!(said.contains(&format!("not known: {images} images on a side, it takes 4")), "{said}");
            let failed = result["failed"].as_array().unwrap();
            assert_eq!(failed.len(), 2);
            assert!(failed[0]["reason"].as_str().unwrap().contains("needs at least 4"), "{failed:?}");
        }
        // What failed in the baseline too is not judged.
        let _ = pgeval(&sandbox, &["gate", "r.json", "--baseline", "r.json"]).with_status(0);
    }
}
