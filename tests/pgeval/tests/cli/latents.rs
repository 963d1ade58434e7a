//! Perceptual path length and linear separability, of generators whose scores have closed forms (`fixtures/latents`), and
//! every way in which they can be asked for wrongly.

use std::f64::consts::PI;
use std::fmt::Write as _;

use pg_testkit::golden;
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{json_of, pgeval};

fn fixture(name: &str) -> String {
    golden::fixture(&format!("latents/{name}")).display().to_string()
}

fn ppl(sandbox: &Sandbox, generator: &str, more: &[&str]) -> Value {
    let (generator, distance) = (fixture(generator), fixture("squares.onnx"));
    json_of(sandbox, &[&["ppl", &generator, "--lpips", &distance, "--json"], more].concat())
}

fn ls(sandbox: &Sandbox, generator: &str, more: &[&str]) -> Value {
    let (generator, classifier) = (fixture(generator), fixture("signs.onnx"));
    json_of(sandbox, &[&["ls", &generator, "--classifier", &classifier, "--json"], more].concat())
}

#[track_caller]
fn refused(sandbox: &Sandbox, command: &[&str], said: &[&str]) {
    let error = pgeval(sandbox, command).with_status(2).stderr;
    for said in said {
        assert!(error.contains(said), "{said:?} not in {error}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The mean of `value` over the density `density` from 0 to `end`, without the first and the last hundredth.
fn trimmed_mean(end: f64, density: impl Fn(f64) -> f64, value: impl Fn(f64) -> f64) -> f64 {
    const STEPS: usize = 100_000;
    let places: Vec<f64> = (0..STEPS).map(|k| (k as f64 + 0.5) / STEPS as f64 * end).collect();
    let total: f64 = places.iter().map(|&x| density(x)).sum();
    let (mut below, mut weight, mut sum) = (0.0, 0.0, 0.0);
    for &x in &places {
        let share = density(x) / total;
        if (0.01..=0.99).contains(&below) {
            weight += share;
            sum += share * value(x);
        }
        below += share;
    }
    sum / weight
}

/// Latents of 8 numbers, images whose mean square is |z|^2 / (8 * 256).
const SCALE: f64 = 1.0 / (8.0 * 256.0);

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn path_lengths_of_linear_generators_are_known() {
    let sandbox = Sandbox::new();
    // On a sphere of radius sqrt(8) a path of angle a has the speed a sqrt(8); angles have the density sin^6.
    let turned = trimmed_mean(PI, |a| a.sin().powi(6), |a| a * a * 8.0 * SCALE);
    // |3 (z' - z)|^2 is 18 times a chi-squared number of 8 degrees.
    let straight = trimmed_mean(60.0, |x| x.powi(3) * (-x / 2.0).exp(), |x| 18.0 * x * SCALE);
    for (generator, space, expected) in
        [("linear.onnx", "z", turned), ("tripled.onnx", "z", 9.0 * turned), ("tripled.onnx", "w", straight)]
    {
        for sampling in ["full", "end"] {
            let asked = ["--space", space, "--sampling", sampling, "--samples", "20000", "--seed", "3"];
            let found = ppl(&sandbox, generator, &asked);
            assert_eq!(found["metric"], format!("ppl-{space}-{sampling}"));
            let (value, low, high) = (
                number(&found["value"]),
                number(&found["interval"]["low"]),
                number(&found["interval"]["high"]),
            );
            assert!(
                (value / expected - 1.0).abs() < 0.01,
                "{generator} {space} {sampling}: {value} {expected}"
            );
            // 1.3 times the interval's half-width: seeds are fixed, and all of them are inside.
            let half = 0.65 * (high - low);
            assert!((value - expected).abs() < half && half < 0.02 * expected, "{found}");
            assert_eq!(
                (&found["counts"]["paths"], &found["protocol"]["epsilon"]),
                (&20000.into(), &1e-4.into())
            );
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_path_stays_within_its_class() {
    let sandbox = Sandbox::new();
    // Half of the paths are of images three times as strong; a path from one to the other would be far longer.
    let found = ppl(&sandbox, "labelled.onnx", &["--space", "z", "--sampling", "end", "--samples", "20000"]);
    let plain = ppl(&sandbox, "linear.onnx", &["--space", "z", "--sampling", "end", "--samples", "20000"]);
    let ratio = number(&found["value"]) / number(&plain["value"]);
    assert!((ratio / 5.0 - 1.0).abs() < 0.04, "{ratio}");
    assert_eq!(found["protocol"]["classes"], 2);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn numbers_depend_on_the_seed_and_not_on_batches_or_threads() {
    let sandbox = Sandbox::new();
    let measure = |more: &[&str]| {
        let asked = ["--space", "w", "--sampling", "full", "--samples", "1000", "--crop", "none"];
        let found = ppl(&sandbox, "bent.onnx", &[&asked, more].concat());
        (found["value"].clone(), found["interval"].clone())
    };
    let first = measure(&[]);
    for more in
        [&["--batch", "1"][..], &["--batch", "3", "--threads", "1"], &["--batch", "99", "--threads", "3"]]
    {
        assert_eq!(measure(more), first, "{more:?}");
    }
    assert_ne!(measure(&["--seed", "1"]), first);
    let points = |more: &[&str]| {
        let found = ls(&sandbox, "bent.onnx", &[&["--space", "w", "--samples", "600"], more].concat());
        (found["value"].clone(), found["attributes"].clone())
    };
    let first = points(&[]);
    for more in [&["--batch", "1"][..], &["--batch", "5", "--threads", "1"], &["--threads", "3"]] {
        assert_eq!(points(more), first, "{more:?}");
    }
    assert_ne!(points(&["--seed", "1"]), first);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn separated_attributes_score_1_and_those_that_no_plane_tells_2_each() {
    let sandbox = Sandbox::new();
    let asked = |space| ["--space", space, "--samples", "6000"];
    // Two attributes that are two numbers of z.
    let found = ls(&sandbox, "linear.onnx", &asked("z"));
    assert_eq!((&found["metric"], number(&found["value"])), (&"ls-z".into(), 1.0));
    assert_eq!((&found["attributes"][1]["name"], &found["counts"]["kept"]), (&"two".into(), &3000.into()));
    // The first is whether a number is far from 0: told in w, but for the noise of images, and not in z.
    let in_w = ls(&sandbox, "bent.onnx", &asked("w"));
    assert!((1.0..1.06).contains(&number(&in_w["value"])), "{in_w}");
    let in_z = ls(&sandbox, "bent.onnx", &asked("z"));
    let bits = |place: usize| number(&in_z["attributes"][place]["bits"]);
    // The surest half: those far above 0, and those that are nearest to 0 from both sides.
    let share = number(&in_z["attributes"][0]["share"]);
    let entropy = -(share * share.log2() + (1.0 - share) * (1.0 - share).log2());
    assert!((bits(0) - entropy).abs() < 0.02 && bits(1) < 0.02, "{in_z}");
    assert!((number(&in_z["value"]) - (bits(0) + bits(1)).exp2()).abs() < 1e-9);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn labels_of_another_program_take_the_place_of_a_classifier() {
    let sandbox = Sandbox::new();
    let generator = fixture("linear.onnx");
    let asked = ["ls", &generator, "--space", "z", "--samples", "4000", "--json"];
    let said = json_of(&sandbox, &[&asked[..], &["--images-to", "drawn"]].concat());
    assert_eq!(said["samples"], 4000);
    // The other program: pixel 1, which is z1, in log-odds; and a coin that falls on one side in a quarter of all cases.
    let mut table = "file,bright,coin\n".to_owned();
    let (mut coins, mut random) = (0_u32, 1_u32);
    for index in (0..4000).rev() {
        let name = format!("{index:06}.png");
        let picture = image::open(sandbox.path("drawn").join(&name)).expect("a drawn image").to_rgb8();
        let pixel = i32::from(picture.get_pixel(1, 0).0[0]) * 2 - 255;
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let coin = random >> 30 == 0;
        coins += u32::from(coin);
        writeln!(table, "drawn/{name},{pixel},{}", if coin { 1 } else { -1 }).expect("text");
    }
    sandbox.write("labels.csv", table.as_bytes());
    let with_labels = [&asked[..], &["--labels", "labels.csv", "--keep", "4000"]].concat();
    let found = json_of(&sandbox, &with_labels);
    let bits = |place: usize| number(&found["attributes"][place]["bits"]);
    assert!(bits(0) < 0.02, "{found}");
    // Independent of z: all that the entropy is. A plane fits chance a little.
    let share = f64::from(coins) / 4000.0;
    let entropy = -(share * share.log2() + (1.0 - share) * (1.0 - share).log2());
    assert!((bits(1) - entropy).abs() < 0.01, "{} {entropy}", bits(1));
    assert!((0.24..0.26).contains(&share) && number(&found["attributes"][1]["share"]) == share);

    // Again: nothing is drawn twice; another seed is refused.
    let before = std::fs::metadata(sandbox.path("drawn/000007.png")).and_then(|file| file.modified());
    std::fs::remove_file(sandbox.path("drawn/000033.png")).expect("a file");
    let _ = json_of(&sandbox, &[&asked[..], &["--images-to", "drawn"]].concat());
    assert!(sandbox.path("drawn/000033.png").is_file());
    let after = std::fs::metadata(sandbox.path("drawn/000007.png")).and_then(|file| file.modified());
    assert_eq!(before.ok(), after.ok());
    let other = [&asked[..], &["--images-to", "drawn", "--seed", "1"]].concat();
    refused(&sandbox, &other, &["another generator, seed or number", "give another folder"]);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn what_was_measured_can_be_kept_for_numpy() {
    let sandbox = Sandbox::new();
    let _ = ppl(
        &sandbox,
        "tripled.onnx",
        &["--space", "w", "--sampling", "end", "--samples", "50", "--save", "paths.npz"],
    );
    let _ = ls(&sandbox, "linear.onnx", &["--space", "z", "--samples", "100", "--save", "points.npz"]);
    for (file, arrays) in [
        ("paths.npz", ["first.npy", "second.npy", "distances.npy"]),
        ("points.npz", ["points.npy", "log_odds.npy", "said.npy"]),
    ] {
        let bytes = std::fs::read(sandbox.path(file)).expect("the file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(bytes.starts_with(b"PK") && arrays.iter().all(|name| text.contains(name)), "{file}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn doubtful_numbers_come_with_warnings() {
    let sandbox = Sandbox::new();
    let (generator, random) = (fixture("linear.onnx"), fixture("random.onnx"));
    let command = [
        "ppl",
        &generator,
        "--lpips",
        &random,
        "--space",
        "z",
        "--sampling",
        "end",
        "--samples",
        "20",
        "--json",
    ];
    let codes = |found: &Value| -> Vec<Value> {
        found["warnings"].as_array().into_iter().flatten().map(|warning| warning["code"].clone()).collect()
    };
    assert_eq!(codes(&json_of(&sandbox, &command)), ["random-weights", "few-paths"]);
    let few = ls(&sandbox, "linear.onnx", &["--space", "z", "--samples", "100"]);
    assert_eq!(codes(&few), ["few-samples"]);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn wrong_networks_spaces_and_sizes_are_refused() {
    let sandbox = Sandbox::new();
    let [linear, tripled, squares, signs] =
        ["linear.onnx", "tripled.onnx", "squares.onnx", "signs.onnx"].map(fixture);
    let walk = ["--space", "z", "--sampling", "full", "--samples", "10"];
    let paths = |generator: &str, distance: &str, more: &[&str]| -> Vec<String> {
        let start = ["ppl", generator, "--lpips", distance];
        start.iter().chain(more).map(|&word| word.to_owned()).collect()
    };
    let check = |command: &[String], said: &[&str]| {
        refused(&sandbox, &command.iter().map(String::as_str).collect::<Vec<_>>(), said);
    };
    let in_w = ["--space", "w", "--sampling", "full"];
    check(&paths(&linear, &squares, &in_w), &["linear.onnx has no space w", "use --space z"]);
    check(&paths(&signs, &squares, &walk), &["pgtrain export"]);
    check(&paths(&linear, &signs, &walk), &["--lpips", "1 inputs", "two inputs"]);
    check(&paths("none.onnx", &squares, &walk), &["none.onnx"]);
    check(
        &paths(&linear, &squares, &[&walk[..], &["--crop", "faces"]].concat()),
        &["at least 16", "leave --crop out"],
    );
    check(&paths(&linear, &squares, &["--space", "z"]), &["--sampling"]);
    check(&paths(&linear, &squares, &[&walk[..], &["--epsilon", "0"]].concat()), &["above 0 and below 1"]);
    // A part of other weights, as after half an export.
    for name in ["tripled.onnx", "tripled.mapping.onnx"] {
        std::fs::copy(fixture(name), sandbox.path(name)).expect("a copy");
    }
    check(&paths("tripled.onnx", &squares, &walk), &["tripled.synthesis.onnx"]);
    std::fs::copy(fixture("bent.synthesis.onnx"), sandbox.path("tripled.synthesis.onnx")).expect("a copy");
    check(&paths("tripled.onnx", &squares, &walk), &["made from bent", "export again"]);

    let planes = |more: &[&str], said: &[&str]| {
        refused(&sandbox, &[&["ls", &tripled, "--space", "w"], more].concat(), said);
    };
    planes(&[], &["--classifier"]);
    planes(&["--classifier", &signs, "--labels", "a.csv"], &["cannot be used with"]);
    planes(&["--classifier", &signs, &signs], &["two answers are called \"one\""]);
    planes(&["--classifier", &signs, "--samples", "10", "--keep", "11"], &["--keep 11"]);
    planes(&["--labels", "none.csv"], &["none.csv"]);
    sandbox.write("short.csv", b"index,a\n0,1\n1,-1\n");
    planes(&["--labels", "short.csv", "--samples", "3"], &["no row for image 2"]);
    planes(&["--classifier", &squares], &["2 inputs"]);
}
