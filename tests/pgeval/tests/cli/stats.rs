//! Statistics files in place of REAL, and merged.

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{draw_folder, json_of, pgeval};

const PROTOCOL: [&str; 2] = ["--patches-per-image", "40"];
const DIRECTIONS: [&str; 4] = ["--directions-per-repeat", "16", "--repeats", "2"];

/// The folders `real`, of the folders `a` and `b`, and `fake`.
fn drawn() -> Sandbox {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real/a", 5, 64, 0);
    draw_folder(&sandbox, "real/b", 4, 64, 20);
    draw_folder(&sandbox, "fake", 9, 64, 50);
    sandbox
}

fn make(sandbox: &Sandbox, real: &str, output: &str, more: &[&str]) -> Value {
    let arguments = [&["stats", real, "-o", output, "--json"], &PROTOCOL[..], more].concat();
    json_of(sandbox, &arguments)
}

fn score(sandbox: &Sandbox, real: &str, more: &[&str]) -> Value {
    let arguments = [&["swd", real, "fake", "--json"], &PROTOCOL[..], &DIRECTIONS[..], more].concat();
    json_of(sandbox, &arguments)
}

#[test]
fn a_statistics_file_scores_as_the_images_that_it_was_made_from() {
    let sandbox = drawn();
    let about = make(&sandbox, "real", "real.pgstats", &[]);
    assert_eq!(about["images"], 9);
    let bytes = std::fs::metadata(sandbox.path("real.pgstats")).unwrap().len();
    assert_eq!(about["bytes"].as_u64(), Some(bytes));
    // The floor of 4 images a side takes images of REAL that the score does not.
    for more in
        [&[][..], &["--floor"], &["--floor", "--images", "4"], &["--images", "6"], &["--levels", "..32"]]
    {
        let (images, stats) = (score(&sandbox, "real", more), score(&sandbox, "real.pgstats", more));
        for member in ["value", "levels", "interval", "floor", "counts"] {
            assert_eq!(images[member], stats[member], "{member} with {more:?}");
        }
        let real = &stats["provenance"]["settings"]["real"];
        assert_eq!((&real["kind"], &real["content"]), (&Value::from("pgstats"), &about["content"]));
    }
}

#[test]
fn merged_parts_are_one_run_over_the_union_of_the_images() {
    let sandbox = drawn();
    let whole = make(&sandbox, "real", "real.pgstats", &[]);
    make(&sandbox, "real/a", "a.pgstats", &[]);
    make(&sandbox, "real/b", "b.pgstats", &[]);
    let merged = json_of(&sandbox, &["stats", "--merge", "a.pgstats", "b.pgstats", "-o", "ab", "--json"]);
    assert_eq!(merged["content"], whole["content"]);
    assert_eq!(merged["images"], 9);
    let members =
        |result: Value| [result["value"].clone(), result["levels"].clone(), result["floor"].clone()];
    // By its first bytes, without the name's ending.
    let [whole, merged] = ["real", "ab"].map(|real| members(score(&sandbox, real, &["--floor"])));
    assert_eq!(merged, whole);
}

#[test]
fn the_file_does_not_depend_on_the_number_of_threads() {
    let sandbox = drawn();
    let bytes = |threads: &str| {
        make(&sandbox, "real", "real.pgstats", &["--threads", threads, "--overwrite"]);
        std::fs::read(sandbox.path("real.pgstats")).unwrap()
    };
    let expected = bytes("1");
    assert_eq!(bytes("2"), expected);
    assert_eq!(bytes("3"), expected);
}

#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str], expected: &[&str]) {
    let stderr = pgeval(sandbox, arguments).with_status(2).stderr;
    for text in expected {
        assert!(stderr.contains(text), "{text:?} not in\n{stderr}");
    }
}

#[test]
fn another_protocol_or_resolution_is_refused_by_name() {
    let sandbox = drawn();
    make(&sandbox, "real", "real.pgstats", &["--levels", "64,16"]);
    draw_folder(&sandbox, "small", 3, 32, 0);
    refused(
        &sandbox,
        &["swd", "real.pgstats", "fake"],
        &["patches per image 40", "has 128", "--patches-per-image 40"],
    );
    let with = |more: &[&'static str]| [&["swd", "real.pgstats", "fake"][..], &PROTOCOL, more].concat();
    refused(
        &sandbox,
        &with(&["--seed", "3"]),
        &["real.pgstats was made with the seed 0", "has 3", "--seed 0"],
    );
    refused(&sandbox, &with(&["--levels", "32"]), &["made without the level 32", "it has 64,16"]);
    let small = [&["swd", "real.pgstats", "small"][..], &PROTOCOL].concat();
    refused(&sandbox, &small, &["64x64", "32x32", "--fit stretch --resolution 32"]);
    let scaled = [&small[..], &["--fit", "stretch", "--resolution", "32"]].concat();
    refused(&sandbox, &scaled, &["made with the resolution 64", "has 32"]);
}

#[test]
fn what_cannot_be_merged_is_named() {
    let sandbox = drawn();
    make(&sandbox, "real/a", "a.pgstats", &[]);
    make(&sandbox, "real/b", "b.pgstats", &["--seed", "1"]);
    let merge = |parts: &[&'static str]| [&["stats", "-o", "ab", "--merge"][..], parts].concat();
    refused(
        &sandbox,
        &merge(&["a.pgstats", "b.pgstats"]),
        &["b.pgstats", "a.pgstats", "its seed is 1, expected 0"],
    );
    refused(&sandbox, &merge(&["a.pgstats", "a.pgstats"]), &["image 0 of a.pgstats is image 0 of a.pgstats"]);
    refused(&sandbox, &merge(&["a.pgstats", "real/b/000.png"]), &["real/b/000.png is no statistics file"]);
    refused(&sandbox, &merge(&["none.pgstats"]), &["cannot open none.pgstats"]);
    assert!(!sandbox.path("ab").exists());
}

#[test]
fn a_statistics_file_holds_no_images() {
    let sandbox = drawn();
    make(&sandbox, "real", "real.pgstats", &[]);
    let say = ["real.pgstats is a statistics file", "as REAL only"];
    refused(&sandbox, &["swd", "fake", "real.pgstats"], &say);
    refused(&sandbox, &["ms-ssim", "real.pgstats"], &say);
    let arguments = [
        &["all", "real.pgstats", "fake", "-o", "result.json", "--report", "page.html", "--floor"][..],
        &PROTOCOL,
        &DIRECTIONS,
    ];
    let finished = sandbox.run("pgeval", arguments.concat()).with_status(0);
    assert!(finished.stderr.contains("no pictures"), "{}", finished.stderr);
    let result: Value = serde_json::from_slice(&std::fs::read(sandbox.path("result.json")).unwrap()).unwrap();
    assert!(result["metrics"][0]["floor"]["value"].is_number());
    assert_eq!(result["metrics"][1].get("floor"), None);
}

#[test]
fn a_damaged_file_is_told_from_a_good_one() {
    let sandbox = drawn();
    make(&sandbox, "real", "real.pgstats", &[]);
    let path = sandbox.path("real.pgstats");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let arguments = [&["swd", "real.pgstats", "fake"][..], &PROTOCOL].concat();
    refused(&sandbox, &arguments, &["real.pgstats is damaged: `swd.16.gaussian` of image 8"]);
    std::fs::write(&path, &bytes[..last]).unwrap();
    refused(&sandbox, &arguments, &["real.pgstats is damaged", &format!("it has {last} bytes")]);
}

#[test]
fn parts_in_any_order_are_the_file_of_one_run() {
    let sandbox = drawn();
    make(&sandbox, "real", "whole.pgstats", &["--images", "8"]);
    let whole = std::fs::read(sandbox.path("whole.pgstats")).unwrap();
    std::fs::rename(sandbox.path("whole.pgstats"), sandbox.path("kept.pgstats")).unwrap();
    for part in ["3/3", "1/3", "2/3"] {
        let about = make(&sandbox, "real", "real.pgstats", &["--images", "8", "--part", part]);
        assert!(
            about["file"]
                .as_str()
                .is_some_and(|file| file.ends_with(&format!("{}-of-3.pgstats", &part[..1])))
        );
    }
    let [one, two, three] = ["1", "2", "3"].map(|part| format!("real.part-{part}-of-3.pgstats"));
    let merge = |files: &[&str]| -> Vec<String> {
        let start = ["stats", "-o", "whole.pgstats", "--overwrite", "--merge"];
        start.iter().chain(files).map(|&word| word.to_owned()).collect()
    };
    let run = |files: &[&str]| {
        let words = merge(files);
        pgeval(&sandbox, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let _ = run(&[&two, &three, &one]).with_status(0);
    let merged = std::fs::read(sandbox.path("whole.pgstats")).unwrap();
    let header = |bytes: &[u8]| {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        String::from_utf8_lossy(&bytes[8..8 + length]).into_owned()
    };
    assert_eq!(header(&merged), header(&whole));
    assert!(merged == whole, "the tables differ");

    let refused = |files: &[&str], expected: &[&str]| {
        let error = run(files).with_status(2).stderr;
        for text in expected {
            assert!(error.contains(text), "{text:?} not in {error}");
        }
    };
    refused(&[&one, &three], &["parts 2 of 3 are missing", "--part I/3"]);
    refused(&[&one, &two, &three, &two], &["are both part 2"]);
    refused(&[&one, "kept.pgstats"], &["kept.pgstats was made without --part"]);
    make(&sandbox, "real", "other.pgstats", &["--images", "7", "--part", "2/3"]);
    refused(&[&one, "other.part-2-of-3.pgstats", &three], &["the number of images differs"]);
    make(&sandbox, "real", "seed.pgstats", &["--images", "8", "--part", "2/3", "--seed", "4"]);
    refused(&[&one, "seed.part-2-of-3.pgstats", &three], &["its seed is 4, expected 0"]);
    let of_file =
        pgeval(&sandbox, &["stats", "kept.pgstats", "-o", "x.npz", "--part", "1/2"]).with_status(2).stderr;
    assert!(of_file.contains("expected images to share out"), "{of_file}");
    let many =
        pgeval(&sandbox, &["stats", "fake", "-o", "x.pgstats", "--part", "5/99"]).with_status(2).stderr;
    assert!(many.contains("holds only 9 images, fewer than parts"), "{many}");
}

#[test]
fn nothing_that_is_there_is_replaced_without_overwrite() {
    let sandbox = drawn();
    make(&sandbox, "real", "real.pgstats", &[]);
    let all: &[&str] = &["all", "real", "fake", "-o", "result.json", "--report", "page.html"];
    let all = [all, &PROTOCOL, &DIRECTIONS].concat();
    let _ = pgeval(&sandbox, &all).with_status(0);
    let gate = ["gate", "result.json", "--baseline", "result.json", "--junit", "junit.xml"];
    let stats = [&["stats", "real", "-o", "x.pgstats"][..], &PROTOCOL].concat();
    let part = [&stats[..], &["--part", "1/2"]].concat();
    for (command, file) in [
        (&all[..], "result.json"),
        (&all, "page.html"),
        (&gate, "junit.xml"),
        (&stats, "x.pgstats"),
        (&part, "x.part-1-of-2.pgstats"),
    ] {
        let before =
            if command == all { std::fs::read(sandbox.path(file)).unwrap() } else { b"mine".to_vec() };
        sandbox.write(file, &before);
        let refused = pgeval(&sandbox, command).with_status(2).stderr;
        assert!(refused.contains("exists already: choose another name, or --overwrite"), "{refused}");
        assert_eq!(std::fs::read(sandbox.path(file)).unwrap(), before, "{command:?}");
        let _ = pgeval(&sandbox, &[command, &["--overwrite"]].concat()).with_status(0);
        assert_ne!(std::fs::read(sandbox.path(file)).unwrap(), b"mine", "{command:?}");
        if command == all {
            std::fs::remove_file(sandbox.path(if file == "page.html" { "result.json" } else { "page.html" }))
                .unwrap();
            let _ = pgeval(&sandbox, command).with_status(2);
            let _ = pgeval(&sandbox, &[command, &["--overwrite"]].concat()).with_status(0);
        }
    }
}

#[test]
fn what_cannot_be_written_is_known_before_anything_is_computed() {
    let sandbox = drawn();
    for (output, report) in
        [("none/r.json", "page.html"), ("r.json", "none/page.html"), ("real", "page.html")]
    {
        let command = ["all", "real", "fake", "-o", output, "--report", report];
        let refused = sandbox.run("pgeval", command).with_status(2);
        assert!(
            refused.stderr.contains("(-o)") || refused.stderr.contains("(--report)"),
            "{}",
            refused.stderr
        );
        assert!(!refused.stderr.contains("describe"), "{}", refused.stderr);
        assert!(!sandbox.path("r.json").exists() && !sandbox.path("page.html").exists());
    }
}
