//! Images that are no squares, of other sizes, of too few kinds: what is made of them.

use pg_testkit::sandbox::Sandbox;

use crate::support::{draw_folder, json_of, pgeval, save, waves};

const SMALL: [&str; 6] = ["--patches-per-image", "16", "--directions-per-repeat", "16", "--repeats", "2"];

fn mixed_sizes(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.path("mixed")).unwrap();
    for (i, (width, height)) in [(90, 70), (64, 64), (100, 130), (90, 70)].into_iter().enumerate() {
        save(&sandbox.path(format!("mixed/{i}.png")), &waves(i as u32, width, height));
    }
}

#[test]
fn images_of_any_size_are_brought_to_one_and_that_is_reported() {
    let sandbox = Sandbox::new();
    mixed_sizes(&sandbox);
    draw_folder(&sandbox, "fake", 4, 64, 20);
    for fit in ["crop", "pad", "stretch"] {
        let arguments = [&["swd", "mixed", "fake", "--json", "--fit", fit][..], &SMALL].concat();
        let finished = pgeval(&sandbox, &arguments).with_status(0);
        assert!(finished.stderr.contains("REAL mixed has images of 3 sizes"), "{}", finished.stderr);
        assert!(finished.stderr.contains("2 of 90x70") && finished.stderr.contains("brought to 64x64"));
        let result: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        // The largest power of two in the first image.
        assert_eq!(result["protocol"]["resolution"], 64);
        assert_eq!(result["protocol"]["fit"], fit);
        assert_eq!(result["provenance"]["settings"]["real"]["sizes"]["100x130"], 1);
    }
    let arguments = ["ms-ssim", "mixed", "--json", "--fit", "crop", "--resolution", "32"];
    assert_eq!(json_of(&sandbox, &arguments)["protocol"]["width_px"], 32);
}

#[test]
fn without_fit_other_sizes_are_errors_that_name_it() {
    let sandbox = Sandbox::new();
    mixed_sizes(&sandbox);
    draw_folder(&sandbox, "fake", 4, 64, 20);
    let stderr = pgeval(&sandbox, &["swd", "mixed", "fake"]).with_status(2).stderr;
    assert!(stderr.contains("mixed/0.png has 90x70 pixels") && stderr.contains("--fit crop"), "{stderr}");
    let stderr = pgeval(&sandbox, &["swd", "fake", "fake", "--resolution", "32"]).with_status(2).stderr;
    assert!(stderr.contains("64x64") && stderr.contains("32x32") && stderr.contains("--fit"), "{stderr}");
    for wrong in ["0", "48", "8", "8192", "x"] {
        let arguments = ["swd", "fake", "fake", "--fit", "crop", "--resolution", wrong];
        let stderr = pgeval(&sandbox, &arguments).with_status(2).stderr;
        assert!(stderr.contains("expected a power of two from 16 to 4096"), "{stderr}");
    }
}

#[test]
fn levels_are_picked_and_each_has_its_interval() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 5, 64, 0);
    draw_folder(&sandbox, "fake", 5, 64, 20);
    let levels = |more: &[&str]| {
        let arguments = [&["swd", "real", "fake", "--json"][..], &SMALL, more].concat();
        json_of(&sandbox, &arguments)["levels"].as_array().unwrap().clone()
    };
    let all = levels(&[]);
    // A level's value does not depend on the others.
    assert_eq!(levels(&["--levels", "64,16"]), [all[0].clone(), all[2].clone()]);
    assert_eq!(levels(&["--levels", "..32"]), all[1..]);
    for level in all {
        let [value, low, high] = [&level["value"], &level["interval"]["low"], &level["interval"]["high"]]
            .map(|number| number.as_f64().unwrap());
        assert!(low < value && value < high);
    }
    let stderr = pgeval(&sandbox, &["swd", "real", "fake", "--levels", "8"]).with_status(2).stderr;
    assert!(stderr.contains("16 px is the coarsest level, 8 is below"), "{stderr}");
}

#[test]
fn images_that_are_all_alike_give_numbers() {
    let sandbox = Sandbox::new();
    for (folder, grey) in [("black", 0), ("white", 255)] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
        for i in 0..4 {
            let plain = image::RgbImage::from_pixel(32, 32, image::Rgb([grey; 3]));
            save(&sandbox.path(format!("{folder}/{i}.png")), &plain);
        }
    }
    draw_folder(&sandbox, "other", 4, 32, 0);
    for (real, fake) in [("black", "black"), ("black", "white"), ("other", "black"), ("black", "other")] {
        let arguments =
            [&["all", real, fake, "-o", "result.json", "--json", "--floor", "--overwrite"][..], &SMALL]
                .concat();
        let result = json_of(&sandbox, &arguments);
        for metric in result["metrics"].as_array().unwrap() {
            let [value, low, high, floor] = [
                &metric["value"],
                &metric["interval"]["low"],
                &metric["interval"]["high"],
                &metric["floor"]["value"],
            ]
            .map(|number| number.as_f64().expect("a number, not NaN, which JSON has not"));
            assert!(low <= value && value <= high && floor >= 0.0, "{real} {fake} {metric}");
        }
    }
}

#[test]
fn the_floor_is_of_the_score_s_own_number_of_images_where_real_has_twice_as_many() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 9, 32, 0);
    draw_folder(&sandbox, "fake", 4, 32, 50);
    let run = |more: &[&str]| {
        let arguments = [&["swd", "real", "fake"][..], &SMALL, more].concat();
        pgeval(&sandbox, &arguments).with_status(0).stdout
    };
    let result: serde_json::Value = serde_json::from_str(&run(&["--json", "--floor"])).unwrap();
    let floor = &result["floor"];
    assert_eq!(floor["counts"], serde_json::json!({ "even": 4, "odd": 4 }));
    assert_eq!((&floor["images"], &floor["comparable"]), (&4.into(), &true.into()));
    assert_eq!(result["counts"], serde_json::json!({ "real": 4, "fake": 4 }));
    assert_eq!(result["provenance"]["counts"]["images_read"], 12);
    let mean: f64 =
        floor["levels"].as_array().unwrap().iter().map(|l| l["value"].as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((floor["value"].as_f64().unwrap() - mean).abs() < 1e-9);
    let table = run(&["--floor"]);
    assert!(table.contains("floor 4 real images against 4 others"), "{table}");
    assert!(table.contains("interval         floor"), "{table}");
    assert!(!run(&[]).contains("loor"));
}

#[test]
fn a_floor_of_fewer_images_is_not_compared_with_the_score() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 9, 32, 0);
    draw_folder(&sandbox, "fake", 8, 32, 50);
    let run = |command: &str, more: &[&str]| {
        let arguments = [&[command, "real", "fake"][..], &SMALL, more].concat();
        pgeval(&sandbox, &arguments).with_status(0).stdout
    };
    let result: serde_json::Value = serde_json::from_str(&run("swd", &["--json", "--floor"])).unwrap();
    let floor = &result["floor"];
    assert_eq!(floor["counts"], serde_json::json!({ "even": 4, "odd": 4 }));
    assert_eq!((&floor["images"], &floor["comparable"]), (&4.into(), &false.into()));
    let table = run("swd", &["--floor"]);
    assert!(
        table.contains(
            "Floor, of 4 real images against 4 others: not comparable with the score, which is of 8 a side"
        ),
        "{table}"
    );
    assert!(!table.contains("interval         floor"), "{table}");
    let table = run("all", &["--floor", "-o", "r.json", "--report", "page.html"]);
    assert!(table.contains("of 4 images a side: not comparable"), "{table}");
    let page = std::fs::read_to_string(sandbox.path("page.html")).unwrap();
    assert!(page.contains("of 4 images a side: not comparable with the value"));
    // MS-SSIM's floor is of as many images as its value.
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("r.json")).unwrap()).unwrap();
    assert_eq!(result["metrics"][1]["floor"]["comparable"], true);
    // With fewer asked for, REAL has enough.
    let three: serde_json::Value =
        serde_json::from_str(&run("swd", &["--json", "--floor", "--images", "3"])).unwrap();
    assert_eq!((&three["floor"]["images"], &three["floor"]["comparable"]), (&3.into(), &true.into()));
    draw_folder(&sandbox, "three", 3, 32, 0);
    let stderr = pgeval(&sandbox, &["swd", "three", "fake", "--floor"]).with_status(2).stderr;
    assert!(stderr.contains("at least 4 images, there are 3"), "{stderr}");
}
