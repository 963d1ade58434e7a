//! `pgeval all` as a user meets it.

use serde_json::Value;

use crate::support::{draw_folder, json_of, pgeval};
use pg_testkit::sandbox::Sandbox;

const SMALL: [&str; 6] = ["--patches-per-image", "16", "--directions-per-repeat", "16", "--repeats", "2"];

fn all<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["all", "real", "fake", "-o", "result.json"].iter().chain(more).chain(&SMALL).copied().collect()
}

fn drawn() -> Sandbox {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 7, 32, 0);
    draw_folder(&sandbox, "fake", 7, 32, 50);
    sandbox
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.path(name)).unwrap()
}

#[test]
fn the_file_holds_what_each_metric_s_own_command_prints() {
    let sandbox = drawn();
    let printed = json_of(&sandbox, &all(&["--json", "--seed", "3"]));
    let file: Value = serde_json::from_str(&read(&sandbox, "result.json")).unwrap();
    assert_eq!(file, printed);
    let swd = [&["swd", "real", "fake", "--json", "--seed", "3"][..], &SMALL].concat();
    let alone = [json_of(&sandbox, &swd), json_of(&sandbox, &["ms-ssim", "fake", "--consecutive", "--json"])];
    for (metric, alone) in file["metrics"].as_array().unwrap().iter().zip(&alone) {
        for member in ["metric", "value", "unit", "direction", "levels", "interval", "counts", "protocol"] {
            assert_eq!(metric[member], alone[member], "{member}");
        }
    }
    assert_eq!(file["metrics"].as_array().unwrap().len(), 2);
    assert_eq!(file["provenance"]["counts"]["images_read"], 14);
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let sandbox = drawn();
    let run = |threads: &str| {
        drop(
            pgeval(&sandbox, &all(&["--threads", threads, "--report", "report.html", "--overwrite"]))
                .with_status(0),
        );
        let result: Value = serde_json::from_str(&read(&sandbox, "result.json")).unwrap();
        result["metrics"].as_array().unwrap().iter().map(|m| m["value"].to_string()).collect::<Vec<_>>()
    };
    let expected = run("1");
    assert_eq!(run("2"), expected);
    assert_eq!(run("3"), expected);
}

#[test]
fn the_page_stands_alone_and_the_gate_takes_the_file() {
    let sandbox = drawn();
    let said = pgeval(&sandbox, &all(&["--report", "report.html"])).with_status(0).stdout;
    assert!(said.contains("ms-ssim") && said.contains("report.html"), "{said}");
    let page = read(&sandbox, "report.html");
    assert!(page.contains("data:image/png;base64,") && page.contains("ms-ssim"));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
    drop(pgeval(&sandbox, &["gate", "result.json", "--baseline", "result.json"]).with_status(0));
    // Fakes far worse than those of the baseline.
    draw_folder(&sandbox, "flat", 7, 32, 0);
    for entry in std::fs::read_dir(sandbox.path("flat")).unwrap() {
        image::RgbImage::from_pixel(32, 32, image::Rgb([9, 9, 9])).save(entry.unwrap().path()).unwrap();
    }
    let worse = [&["all", "real", "flat", "-o", "worse.json"][..], &SMALL].concat();
    drop(pgeval(&sandbox, &worse).with_status(0));
    let said = pgeval(&sandbox, &["gate", "worse.json", "--baseline", "result.json"]).with_status(1).stdout;
    assert!(said.contains("swd"), "{said}");
}

#[test]
fn a_file_that_cannot_be_written_is_named_with_its_flag() {
    let sandbox = drawn();
    let arguments: Vec<&str> =
        ["all", "real", "fake", "-o", "none/result.json"].iter().chain(&SMALL).copied().collect();
    let error = pgeval(&sandbox, &arguments).with_status(2).stderr;
    assert!(error.contains("none/result.json (-o)"), "{error}");
}
