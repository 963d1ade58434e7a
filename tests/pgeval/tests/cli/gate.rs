//! `pgeval gate` as a user or a CI job meets it.

use pg_testkit::sandbox::{Finished, Sandbox};
use serde_json::{Value, json};

use crate::support::{draw_folder, pgeval};

fn metric(name: &str, value: f64, half_width: f64) -> Value {
    json!({
        "metric": name,
        "value": value,
        "unit": if name == "swd" { "x1e-3" } else { "1" },
        "direction": if name == "is" { "higher" } else { "lower" },
        "interval": { "level": 0.95, "low": value - half_width, "high": value + half_width },
        "counts": { "images": 100 },
        "protocol": { "seed": 0, "images_available": 100 },
        "provenance": {},
    })
}

fn all(metrics: &[Value]) -> String {
    json!({ "metrics": metrics, "provenance": {} }).to_string()
}

/// The baseline `baseline.json`, and `result.json` with SWD and IS worse, MS-SSIM as before, FID
/// missing and KID new.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let before = [
        metric("swd", 12.0, 0.3),
        metric("ms-ssim", 0.28, 0.004),
        metric("is", 8.5, 0.1),
        metric("fid", 21.5, 0.5),
    ];
    sandbox.write("baseline.json", all(&before));
    let after = [
        metric("swd", 12.6, 0.4),
        metric("ms-ssim", 0.2841, 0.004),
        metric("is", 8.1, 0.1),
        metric("kid", 3.2, 0.1),
    ];
    sandbox.write("result.json", all(&after));
    sandbox
}

fn gate(sandbox: &Sandbox, more: &[&str]) -> Finished {
    let arguments: Vec<&str> =
        ["gate", "result.json", "--baseline", "baseline.json"].iter().chain(more).copied().collect();
    pgeval(sandbox, &arguments)
}

#[track_caller]
fn refuses(sandbox: &Sandbox, more: &[&str], expected: &[&str]) {
    let finished = gate(sandbox, more).with_status(2);
    assert_eq!(finished.stdout, "");
    for text in expected {
        assert!(finished.stderr.contains(text), "{text:?} not in\n{}", finished.stderr);
    }
}

#[test]
fn a_worse_result_fails_with_a_table() {
    let finished = gate(&sandbox(), &[]).with_status(1);
    assert_eq!(finished.stderr, "");
    insta::assert_snapshot!(finished.stdout);
}

#[test]
fn annotations_come_before_the_last_line() {
    insta::assert_snapshot!(gate(&sandbox(), &["--github"]).with_status(1).stdout);
}

#[test]
fn the_json_is_one_object_with_every_verdict() {
    let finished = gate(&sandbox(), &["--json", "--max-increase", "swd=1%"]).with_status(1);
    let mut object: Value = serde_json::from_str(&finished.stdout).unwrap();
    object["provenance"]["version"] = "VERSION".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&object).unwrap());
}

#[test]
fn a_result_passes_against_itself() {
    let sandbox = sandbox();
    for more in [&[][..], &["--max-increase", "swd=0,fid=0%"]] {
        let arguments: Vec<&str> =
            ["gate", "baseline.json", "--baseline", "baseline.json"].iter().chain(more).copied().collect();
        let finished = pgeval(&sandbox, &arguments).with_status(0);
        let last = finished.stdout.lines().last();
        assert_eq!(last, Some("passed: none of 4 metrics got worse than allowed"));
    }
}

#[test]
fn allowances_are_relative_or_absolute_and_may_be_given_again() {
    let sandbox = Sandbox::new();
    sandbox.write("baseline.json", all(&[metric("swd", 12.0, 0.0), metric("is", 8.5, 0.0)]));
    sandbox.write("result.json", all(&[metric("swd", 12.6, 0.0), metric("is", 8.1, 0.0)]));
    for (allowances, status) in [
        (&[][..], 1),
        (&["swd=5.1%,is=0.41"], 0),
        (&["swd=4.9%,is=0.41"], 1),
        (&["swd=5.1%", "is=0.39"], 1),
        (&["swd=0.61", "is=4.8%"], 0),
        (&["swd=0.61"], 1),
    ] {
        let more: Vec<&str> = allowances.iter().flat_map(|&a| ["--max-increase", a]).collect();
        let finished = gate(&sandbox, &more);
        assert_eq!(finished.status, status, "{allowances:?}\n{}", finished.stdout);
    }
}

#[test]
fn junit_has_a_case_per_metric_and_a_failure_for_what_fails() {
    let sandbox = sandbox();
    let _ = gate(&sandbox, &["--junit", "gate.xml"]).with_status(1);
    let xml = std::fs::read_to_string(sandbox.path("gate.xml")).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let counts = ["tests", "failures", "skipped"].map(|name| suite.attribute(name));
    assert_eq!(counts, [Some("5"), Some("3"), Some("1")]);
    let failed: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("failure"))
        .map(|node| (node.parent().unwrap().attribute("name").unwrap(), node.attribute("type").unwrap()))
        .collect();
    assert_eq!(failed, [("swd", "worse"), ("is", "worse"), ("fid", "missing")]);
    let refused = gate(&sandbox, &["--junit", "absent/gate.xml"]).with_status(2);
    assert!(refused.stderr.contains("cannot write absent/gate.xml (--junit)"), "{}", refused.stderr);
}

#[test]
fn results_measured_in_different_ways_are_refused_by_name() {
    let sandbox = sandbox();
    let mut swd = metric("swd", 12.0, 0.3);
    swd["protocol"]["seed"] = 1.into();
    swd["counts"]["images"] = 50.into();
    swd["protocol"]["images_available"] = 7.into();
    sandbox.write("result.json", swd.to_string());
    insta::assert_snapshot!(gate(&sandbox, &[]).with_status(2).stderr);
    let allowed = gate(&sandbox, &["--allow-protocol", "seed,counts.images"]).with_status(1);
    assert!(allowed.stdout.contains("failed: of 4 metrics, missing: ms-ssim, is, fid"), "{}", allowed.stdout);
    swd["unit"] = "1".into();
    sandbox.write("result.json", swd.to_string());
    let expected = [r#"unit is "x1e-3" in the baseline, "1" in the result"#];
    refuses(&sandbox, &["--allow-protocol", "seed,counts.images"], &expected);
}

#[test]
fn unknown_names_are_errors_that_list_those_there() {
    let sandbox = sandbox();
    refuses(&sandbox, &["--max-increase", "sdw=5%"], &["--max-increase sdw", "swd, ms-ssim, is, fid"]);
    refuses(
        &sandbox,
        &["--allow-protocol", "sed"],
        &["--allow-protocol sed", "there are seed, counts.images"],
    );
    refuses(&sandbox, &["--max-increase", "swd"], &["expected METRIC=CHANGE"]);
    refuses(&sandbox, &["--json", "--github"], &["cannot be used with"]);
}

#[test]
fn files_that_are_no_results_are_refused() {
    let sandbox = sandbox();
    for (text, expected) in [
        ("", "it is no JSON"),
        ("[1]", "expected a JSON object, found a list"),
        (
            r#"{"metric":"swd","value":null,"unit":"1","direction":"lower"}"#,
            "`value` is null, expected a number",
        ),
        (r#"{"metric":"swd","value":NaN}"#, "it is no JSON"),
    ] {
        sandbox.write("result.json", text);
        refuses(&sandbox, &[], &["RESULT result.json is no result of pgeval", expected]);
    }
    std::fs::remove_file(sandbox.path("result.json")).unwrap();
    refuses(&sandbox, &[], &["read RESULT", "result.json"]);
}

#[test]
fn a_measured_score_passes_its_gate_until_the_fakes_degrade() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 24, 32, 0);
    draw_folder(&sandbox, "fake", 24, 32, 3);
    // The same pictures, each half painted over.
    std::fs::create_dir(sandbox.path("degraded")).unwrap();
    for i in 0..24 {
        let mut picture = image::open(sandbox.path(format!("fake/{i:03}.png"))).unwrap().to_rgb8();
        for (x, _, pixel) in picture.enumerate_pixels_mut() {
            if x >= 16 {
                *pixel = image::Rgb([200, 40, 40]);
            }
        }
        picture.save(sandbox.path(format!("degraded/{i:03}.png"))).unwrap();
    }
    for (fake, file) in [("fake", "baseline.json"), ("degraded", "result.json")] {
        let arguments = ["swd", "real", fake, "--json", "--directions-per-repeat", "16", "--repeats", "2"];
        sandbox.write(file, pgeval(&sandbox, &arguments).with_status(0).stdout);
    }
    let _ = pgeval(&sandbox, &["gate", "baseline.json", "--baseline", "baseline.json"]).with_status(0);
    let finished = gate(&sandbox, &[]).with_status(1);
    assert!(
        finished.stdout.ends_with("failed: of 1 metric, worse than allowed: swd\n"),
        "{}",
        finished.stdout
    );
}
