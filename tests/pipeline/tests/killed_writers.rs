//! Every command that writes, killed at random moments, again and again: run once more, it ends with what one that was never
//! killed writes.
//!
//! `PGKIT_KILLS=N` sets how many kills there are of each command; a few by default.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "the long form says how much it did")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use pg_testkit::golden::fixture;
use pg_testkit::sandbox::Sandbox;
use support::with_set;

/// Kills of each command in the short form.
const KILLS: u64 = 3;

fn kills() -> u64 {
    std::env::var("PGKIT_KILLS").map_or(KILLS, |text| text.parse().unwrap())
}

/// The next of a sequence of random numbers (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One command that writes.
struct Writer<'w> {
    sandbox: &'w Sandbox,
    tool: &'static str,
    /// Without spaces in its arguments.
    line: String,
    /// What it writes: a file or a folder.
    output: &'static str,
    /// A folder that it uses up, and what that folder is a copy of.
    used_up: Option<(&'static str, &'static str)>,
}

impl Writer<'_> {
    /// Kills the command at random moments until it has been killed often enough. Each time it got to its end, its output is
    /// compared and begun anew.
    fn survives(&self) {
        self.begin_anew();
        let started = Instant::now();
        self.finish();
        let whole = started.elapsed().max(Duration::from_millis(20));
        let expected = self.written();
        assert!(!expected.is_empty(), "`{}` wrote nothing", self.line);
        self.begin_anew();
        let (mut state, mut killed, mut compared, mut runs) = (expected.len() as u64, 0, 0, 0);
        while killed < kills() {
            // Short waits too, so that the beginning is hit and a build is killed several times over.
            let wait = whole.mul_f64((random(&mut state) % 1200) as f64 / 1000.0);
            if self.is_killed_after(wait) {
                killed += 1;
                // Some are killed once, some again and again.
                if random(&mut state).is_multiple_of(2) {
                    continue;
                }
            }
            self.finish();
            self.is_as(&expected, killed, wait);
            compared += 1;
            self.begin_anew();
            runs += 1;
            assert!(runs < 20 * kills() + 20, "hardly any run of `{}` could be killed", self.line);
        }
        self.finish();
        self.is_as(&expected, killed, Duration::ZERO);
        println!("{killed} kills, {} outputs compared: {} {}", compared + 1, self.tool, self.line);
    }

    /// Runs the command and kills it after `wait`; false when it came to its end before.
    fn is_killed_after(&self, wait: Duration) -> bool {
        let mut command = self.sandbox.command(self.tool);
        command.args(self.line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(wait);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        // One killed after its last rename has written its file, which the next one does not replace.
        let was_done = status.code() == Some(2) && self.sandbox.path(self.output).is_file();
        assert!(matches!(status.code(), None | Some(0)) || was_done, "`{}`: {status}", self.line);
        status.code().is_none()
    }

    /// The same command once more, to its end. A command that finds its output whole may ask for `--overwrite`: it was killed
    /// after its work.
    fn finish(&self) {
        let run = self.sandbox.run(self.tool, self.line.split(' '));
        let was_done = run.status == 2 && run.stderr.contains("--overwrite");
        assert!(run.status == 0 || was_done, "`{}`: {} {}", self.line, run.status, run.stderr);
    }

    fn begin_anew(&self) {
        let output = self.sandbox.path(self.output);
        let _ = fs::remove_dir_all(&output);
        let _ = fs::remove_file(&output);
        if let Some((folder, original)) = self.used_up {
            let _ = fs::remove_dir_all(self.sandbox.path(folder));
            for (name, bytes) in self.sandbox.contents(original) {
                self.sandbox.write(Path::new(folder).join(name), bytes);
            }
        }
    }

    /// What it has written, but for times and rates.
    fn written(&self) -> Vec<(String, Vec<u8>)> {
        let output = self.sandbox.path(self.output);
        if output.is_file() {
            return vec![(self.output.to_owned(), fs::read(output).unwrap())];
        }
        let mut files = self.sandbox.contents(self.output);
        if self.tool == "pgtrain" && self.line.starts_with("run") {
            let is_exact = |name: &str| {
                let extension = Path::new(name).extension().unwrap_or_default();
                extension == "safetensors" || extension == "png" || name == "best.json"
            };
            files.retain(|(name, _)| is_exact(name));
        }
        files
    }

    fn is_as(&self, expected: &[(String, Vec<u8>)], killed: u64, wait: Duration) {
        let found = self.written();
        let names = |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
        let when = format!("`{}` after {killed} kills, the last wait {wait:?}", self.line);
        assert_eq!(names(&found), names(expected), "{when}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.1 == expected.1, "{}: {when}", found.0);
        }
        // Of a file that is not complete nothing stays.
        let beside: Vec<String> = fs::read_dir(self.sandbox.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != self.output && name.contains("partial"))
            .collect();
        assert!(beside.is_empty(), "{beside:?} lies there: {when}");
    }
}

/// A command, what it writes, and what it uses up.
type Given = (String, &'static str, Option<(&'static str, &'static str)>);

#[track_caller]
fn survive(sandbox: &Sandbox, tool: &'static str, writers: impl IntoIterator<Item = Given>) {
    for (line, output, used_up) in writers {
        Writer { sandbox, tool, line, output, used_up }.survives();
    }
}

#[test]
fn datasets_and_folders_of_images() {
    let sandbox = with_set(16);
    for part in ["1/2", "2/2"] {
        let line = format!(
            "pack photos/images --fit crop --resolution 32 --images-per-shard 2 --part {part} -o whole/{}",
            &part[..1]
        );
        let _ = sandbox.run("pgprep", line.split(' ')).with_status(0);
    }
    let pack = "pack photos/images --fit crop --resolution 128 --images-per-shard 3";
    let align = "align photos/images --landmarks photos/list_landmarks.txt --size 32";
    let by = |line: &str| (line.to_owned(), "out", None);
    survive(
        &sandbox,
        "pgprep",
        [
            by("synth --count 12 --seed 3 -o out"),
            by(&format!("{pack} --threads 2 -o out")),
            by(&format!("{pack} --levels 8.. --codec med-zstd -o out")),
            by(&format!("{align} --format shards --images-per-shard 2 --threads 2 -o out")),
            by(&format!("{align} -o out")),
            by("select images --keep 7 -o out"),
            by("select set --keep 7 -o out"),
            by("extract set -o out"),
            by("export set --format tfrecord -o out"),
            ("export set --format zip -o out.zip".to_owned(), "out.zip", None),
            ("merge parts/1 parts/2 --by move -o out".to_owned(), "out", Some(("parts", "whole"))),
            by("merge whole/1 whole/2 --by copy -o out"),
            ("view set -o out.png".to_owned(), "out.png", None),
        ],
    );
}

#[test]
fn statistics_and_results() {
    let sandbox = with_set(16);
    let model = format!("--model {}", fixture("onnx/tiny_features.onnx").display());
    let latents = |name: &str| fixture("latents").join(name).display().to_string();
    let ls = format!("ls {} --classifier {} --space z", latents("bent.onnx"), latents("signs.onnx"));
    survive(
        &sandbox,
        "pgeval",
        [
            (
                format!("stats images {model} --resize tf1-bilinear --no-swd -o out.pgstats"),
                "out.pgstats",
                None,
            ),
            ("stats images -o out.pgstats".to_owned(), "out.pgstats", None),
            (format!("{ls} --samples 200 --save out.npz"), "out.npz", None),
        ],
    );
}

#[test]
fn runs_and_samples() {
    let sandbox = Sandbox::new();
    for line in [
        "synth -o photos --count 24",
        "align photos/images --landmarks photos/list_landmarks.txt --size 16 --format shards -o faces",
    ] {
        let _ = sandbox.run("pgprep", line.split(' ')).with_status(0);
    }
    let run = "run faces --preset tiny --device cpu --threads 1 --kimg 0.6 --set resolution=16 --set start_resolution=16 \
               --set fmap_max=8 --set latent_size=8 --set tick_kimg=0.2 --set snapshot_kimg=0.2 --keep-last 1 \
               --eval-every 0.3 --keep-best swd";
    let _ = sandbox.run("pgtrain", format!("{run} -o run").split(' ')).with_status(0);
    let of_run =
        |line: &str, output: &'static str| (format!("{line} run --device cpu -o {output}"), output, None);
    survive(
        &sandbox,
        "pgtrain",
        [
            (format!("{run} -o out"), "out", None),
            of_run("sample --count 40", "out"),
            of_run("sample --count 40 --format shards", "out"),
            of_run("sample --count 40 --format zip", "out.zip"),
            of_run("grid", "out.png"),
            ("export run --format onnx -o out.onnx".to_owned(), "out.onnx", None),
            ("export run --format torchscript -o out.pt".to_owned(), "out.pt", None),
        ],
    );
}
