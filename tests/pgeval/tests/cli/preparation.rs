//! Sets of images that were prepared differently: every flag of pgprep that decides pixels shows in the scores.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use pg_testkit::golden;
use pg_testkit::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{draw_folder, json_of, pgeval, save, waves};

const PORTRAITS: usize = 12;

/// What becomes of two datasets that differ in one flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A warning that says so.
    Warned(&'static str),
    /// None: the pixels of an image do not depend on the flag.
    Silent,
}
use Expected::{Silent, Warned};

/// A flag, and the words that two datasets are made with.
type Row = (&'static str, [&'static [&'static str]; 2], Expected);

const ALIGN: [Row; 21] = [
    ("--size", [&[], &["--size", "32"]], Warned("size 16 and 32")),
    ("--filter", [&[], &["--filter", "lanczos"]], Warned(r#"filter "box" and "lanczos""#)),
    (
        "--preset",
        [&[], &["--preset", "ffhq", "--landmarks", "ffhq.json"]],
        Warned(r#"preset "celeba" and "ffhq""#),
    ),
    ("--no-rotation", [&[], &["--no-rotation"]], Warned("rotation true and false")),
    ("--no-padding", [&[], &["--no-padding"]], Warned("padding true and false")),
    (
        "--random-shift",
        [&[], &["--random-shift", "0.2"]],
        Warned("random shift null and 0.2, seed null and 0"),
    ),
    (
        "--random-shift",
        [&["--random-shift", "0.1"], &["--random-shift", "0.2"]],
        Warned("random shift 0.1 and 0.2"),
    ),
    (
        "--seed",
        [&["--random-shift", "0.2"], &["--random-shift", "0.2", "--seed", "7"]],
        Warned("seed 0 and 7"),
    ),
    ("--landmarks", [&[], &["--landmarks", "points.csv"]], Silent),
    ("--on-error", [&[], &["--on-error", "fail"]], Silent),
    ("--limit", [&[], &["--limit", "9"]], Silent),
    ("--ids", [&[], &["--ids", "ids.txt"]], Silent),
    ("--images-per-shard", [&[], &["--images-per-shard", "5"]], Silent),
    ("--levels", [&[], &["--levels", "8"]], Silent),
    ("--codec", [&[], &["--codec", "med-zstd"]], Silent),
    ("--part", [&[], &["--part", "1/1"]], Silent),
    ("--parts", [&[], &["--part", "1/1", "--parts", "1"]], Silent),
    ("--max-pixels", [&[], &["--max-pixels", "100000000"]], Silent),
    ("--max-bytes", [&[], &["--max-bytes", "100000000"]], Silent),
    ("--threads", [&[], &["--threads", "1"]], Silent),
    ("--json", [&[], &["--json"]], Silent),
];

const PACK: [Row; 17] = [
    ("--resolution", [&[], &["--resolution", "32"]], Warned("resolution 16 and 32")),
    ("--fit", [&[], &["--fit", "pad"]], Warned(r#"fit "crop" and "pad""#)),
    ("--fit", [&["--fit", "stretch"], &["--fit", "pad"]], Warned(r#"fit "stretch" and "pad""#)),
    ("--channels", [&[], &["--channels", "1"]], Warned("grey false and true")),
    ("--channels", [&[], &["--channels", "3"]], Silent),
    ("--source-format", [&[], &["--source-format", "folder"]], Silent),
    ("--labels", [&[], &["--labels", "folders"]], Silent),
    ("--shuffle", [&[], &["--shuffle", "3"]], Silent),
    ("--images-per-shard", [&[], &["--images-per-shard", "5"]], Silent),
    ("--levels", [&[], &["--levels", "8"]], Silent),
    ("--codec", [&[], &["--codec", "med-zstd"]], Silent),
    ("--part", [&[], &["--part", "1/1"]], Silent),
    ("--parts", [&[], &["--part", "1/1", "--parts", "1"]], Silent),
    ("--max-pixels", [&[], &["--max-pixels", "100000000"]], Silent),
    ("--max-bytes", [&[], &["--max-bytes", "100000000"]], Silent),
    ("--threads", [&[], &["--threads", "1"]], Silent),
    ("--json", [&[], &["--json"]], Silent),
];

/// Flags of both commands that are about no dataset's content.
const OF_NO_CONTENT: [&str; 6] =
    ["--output", "--quiet", "--overwrite", "--retry-failed", "--scratch", "--help"];

fn pgprep(sandbox: &Sandbox, words: &[&str]) {
    let _ = sandbox.run("pgprep", words.iter().chain(&["--quiet"])).with_status(0);
}

/// Makes the dataset `name` by `command`; a part is merged, so that it is a dataset too.
fn make(sandbox: &Sandbox, command: &[&str], name: &str) {
    if !command.contains(&"--part") {
        return pgprep(sandbox, &[command, &["-o", name]].concat());
    }
    let parts = format!("{name}-parts");
    pgprep(sandbox, &[command, &["-o", &parts]].concat());
    pgprep(sandbox, &["merge", &parts, "-o", name]);
}

/// The words of the command with `more`, whose flags replace those there are.
fn with(command: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    let mut words = command.to_vec();
    for flag in more.iter().filter(|word| word.starts_with("--")) {
        if let Some(place) = words.iter().position(|word| word == flag) {
            words.drain(place..=place + 1);
        }
    }
    words.extend(more);
    words
}

/// The texts of the warnings that the two sides were prepared differently.
fn warned(sandbox: &Sandbox, real: &str, fake: &str) -> Vec<String> {
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let score = ["kid", real, fake, "--subsets", "1", "--subset-size", "4", "--model", &model];
    let result = json_of(sandbox, &[&score[..], &["--resize", "pil-bicubic", "--json"]].concat());
    // Without a warning the list is left out.
    let warnings = result["warnings"].as_array().into_iter().flatten();
    let of_code = warnings.filter(|warning| warning["code"] == "different-preprocessing");
    of_code.map(|warning| warning["text"].as_str().unwrap().to_owned()).collect()
}

/// Holds a table against the flags that the command has, and every row of it against pgeval.
fn check(sandbox: &Sandbox, command: &[&'static str], rows: &[Row]) {
    let help = sandbox.run("pgprep", [command[0], "--help"]).with_status(0).stdout;
    let flags: BTreeSet<&str> = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")))
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    let known: BTreeSet<&str> = rows.iter().map(|row| row.0).chain(OF_NO_CONTENT).collect();
    let unknown: Vec<&&str> = flags.difference(&known).collect();
    assert!(unknown.is_empty(), "does the warning come for these flags of pgprep? {unknown:?}");
    for (number, (flag, [a, b], expected)) in rows.iter().enumerate() {
        let names = [format!("{}-{number}-a", command[0]), format!("{}-{number}-b", command[0])];
        make(sandbox, &with(command, a), &names[0]);
        make(sandbox, &with(command, b), &names[1]);
        let [a, b] = names.map(|name| format!("{name}@8"));
        let found = warned(sandbox, &a, &b);
        match expected {
            Silent => assert_eq!(found, [""; 0], "{flag}"),
            Warned(text) => {
                let only =
                    found.len() == 1 && found[0].contains(&format!("were not prepared alike ({text}):"));
                assert!(only, "{flag}: {found:?}");
            }
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn every_flag_of_align_that_decides_pixels_is_warned_of_and_no_other() {
    let sandbox = portraits();
    let command =
        ["align", "in/images", "--landmarks", "in/list_landmarks.txt", "--size", "16", "--format", "shards"];
    // What is no dataset has no record.
    let rows: Vec<Row> = ALIGN
        .into_iter()
        .chain([("--format", [&[][..], &[]], Silent), ("--preview", [&[], &[]], Silent)])
        .collect();
    check(&sandbox, &command, &rows);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn every_flag_of_pack_that_decides_pixels_is_warned_of_and_no_other() {
    let sandbox = Sandbox::new();
    for i in 0..PORTRAITS {
        let name = format!("wide/{}/{i:02}.png", i % 2);
        fs::create_dir_all(sandbox.path(&name).parent().unwrap()).unwrap();
        save(&sandbox.path(name), &waves(i as u32, 48, 32));
    }
    check(&sandbox, &["pack", "wide", "--resolution", "16", "--fit", "crop"], &PACK);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn what_was_done_before_packing_again_and_before_statistics_still_counts() {
    let sandbox = portraits();
    let command =
        ["align", "in/images", "--landmarks", "in/list_landmarks.txt", "--size", "16", "--format", "shards"];
    make(&sandbox, &command, "upright");
    make(&sandbox, &[&command[..], &["--no-rotation", "--no-padding"]].concat(), "tilted");
    for name in ["upright", "tilted"] {
        pgprep(&sandbox, &["pack", name, "-o", &format!("{name}-again")]);
    }
    pgprep(&sandbox, &["pack", "tilted-again", "-o", "tilted-thrice"]);
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let stats = ["stats", "upright@8", "--no-swd", "--model", &model, "--resize", "pil-bicubic"];
    let _ = pgeval(&sandbox, &[&stats[..], &["-o", "upright.pgstats"]].concat()).with_status(0);
    for (real, fake) in [
        ("upright@8", "tilted@8"),
        ("upright-again@8", "tilted-again@8"),
        ("upright@8", "tilted-again@8"),
        ("upright-again@8", "tilted-thrice@8"),
        ("upright.pgstats", "tilted-thrice@8"),
    ] {
        let found = warned(&sandbox, real, fake);
        assert!(
            found.len() == 1 && found[0].contains("rotation true and false, padding true and false"),
            "{found:?}"
        );
    }
    for (real, fake) in [("upright@8", "upright-again@8"), ("tilted-again@8", "tilted-thrice@8")] {
        assert_eq!(warned(&sandbox, real, fake), [""; 0], "{real} {fake}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_folder_of_images_says_nothing_of_how_it_was_prepared() {
    let sandbox = portraits();
    draw_folder(&sandbox, "fakes", 12, 16, 0);
    let align =
        ["align", "in/images", "--landmarks", "in/list_landmarks.txt", "--size", "16", "--format", "shards"];
    make(&sandbox, &align, "real");
    assert_eq!(warned(&sandbox, "real", "fakes"), [""; 0]);
}

/// `in/`: portraits with their landmarks, also as CSV with each point moved and as FFHQ's 68 points.
fn portraits() -> Sandbox {
    let sandbox = Sandbox::new();
    pgprep(&sandbox, &["synth", "-o", "in", "--count", &PORTRAITS.to_string()]);
    let text = fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap();
    let rows: Vec<(String, Vec<f64>)> = text
        .lines()
        .skip(2)
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap().to_owned();
            (name, words.map(|word| word.parse().unwrap()).collect())
        })
        .collect();
    assert_eq!(rows.len(), PORTRAITS);
    let mut csv = "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y\n".to_owned();
    let mut json = serde_json::Map::new();
    for (number, (name, points)) in rows.iter().enumerate() {
        let moved: Vec<String> = points.iter().map(|value| (value + 2.0).to_string()).collect();
        writeln!(csv, "{name},{}", moved.join(",")).unwrap();
        json.insert(number.to_string(), ffhq_entry(name, points));
    }
    sandbox.write("points.csv", csv);
    sandbox.write("ffhq.json", Value::Object(json).to_string());
    let names: Vec<&str> = rows[..9].iter().map(|(name, _)| name.as_str()).collect();
    sandbox.write("ids.txt", names.join("\n"));
    sandbox
}

/// The five points in the places of the 68 that FFHQ's crop looks at; the nose in all others.
fn ffhq_entry(name: &str, points: &[f64]) -> Value {
    let [left, right, nose, mouth_left, mouth_right] =
        [0, 1, 2, 3, 4].map(|point| [points[2 * point], points[2 * point + 1]]);
    let landmarks: Vec<[f64; 2]> = (0..68)
        .map(|place| match place {
            36..=41 => left,
            42..=47 => right,
            48 => mouth_left,
            54 => mouth_right,
            _ => nose,
        })
        .collect();
    json!({ "in_the_wild": { "file_path": name, "face_landmarks": landmarks } })
}
