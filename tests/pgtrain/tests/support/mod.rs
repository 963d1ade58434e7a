//! What the tests of pgtrain share: a small dataset, a tiny training command, and looks into a run folder.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part; a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

/// Settings small enough for a run of seconds: 4 -> 8 -> 16 px, two fades.
const SMALL: [&str; 14] = [
    "--set",
    "resolution=16",
    "--set",
    "fmap_max=8",
    "--set",
    "latent_size=8",
    "--set",
    "lod_train_kimg=0.2",
    "--set",
    "lod_fade_kimg=0.2",
    "--set",
    "tick_kimg=0.2",
    "--set",
    "snapshot_kimg=0.5",
];

/// A sandbox with the dataset `faces` of 24 portraits at 16 px.
pub(crate) fn sandbox_with_faces() -> Sandbox {
    let sandbox = Sandbox::new();
    let synth = ["synth", "-o", "photos", "--count", "24", "--quiet"];
    let _ = sandbox.run("pgprep", synth).with_status(0);
    align_faces(&sandbox, "faces", &[]);
    sandbox
}

/// Aligns the sandbox's photos at 16 px into the dataset `output`.
pub(crate) fn align_faces(sandbox: &Sandbox, output: &str, further: &[&str]) {
    let mut align = vec!["align", "photos/images", "--landmarks", "photos/list_landmarks.txt"];
    align.extend(["--size", "16", "--format", "shards", "-o", output, "--quiet"]);
    align.extend(further);
    let _ = sandbox.run("pgprep", &align).with_status(0);
}

/// Arguments of a small run into `output` over `kimg` thousand images.
pub(crate) fn small_run<'a>(output: &'a str, kimg: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        "run",
        "faces",
        "-o",
        output,
        "--preset",
        "tiny",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--kimg",
        kimg,
    ];
    arguments.extend(SMALL);
    arguments
}

/// Starts `pgtrain` with `arguments`, quietly.
pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    sandbox
        .command("pgtrain")
        .args(arguments)
        .arg("--quiet")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the run's log has `lines` lines.
pub(crate) fn wait_for_ticks(run: &Path, lines: usize) {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
        if text.lines().count() >= lines {
            return;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "no {lines} ticks: {text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The objects of a file with one per line.
pub(crate) fn lines(sandbox: &Sandbox, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the run's snapshots, sorted.
pub(crate) fn snapshot_names(sandbox: &Sandbox, run: &str) -> Vec<String> {
    let folder = sandbox.path(run).join("snapshots");
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The steps at which TensorBoard's event files in `run` have `tag`, in the order of files and events.
pub(crate) fn steps_of_scalars(run: &Path, tag: &str) -> Vec<u64> {
    let mut files: Vec<_> = fs::read_dir(run).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.display().to_string().contains("tfevents"));
    files.sort();
    let mut steps = Vec::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let event = &bytes[at + 12..at + 12 + length];
            at += length + 16;
            // Nine bytes of wall time, the step's key, the step as a varint.
            let digits = event[10..].iter().enumerate();
            let mut step = 0;
            for (index, &digit) in digits {
                step |= u64::from(digit & 0x7f) << (7 * index);
                if digit < 0x80 {
                    break;
                }
            }
            // A tag is written as its length and its bytes.
            let written = [&[tag.len() as u8], tag.as_bytes()].concat();
            if event.windows(written.len()).any(|window| window == written) {
                steps.push(step);
            }
        }
    }
    steps
}
