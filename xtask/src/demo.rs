//! `cargo xtask demo`: the whole chain on drawn photos, from landmarks to scores, kept in `demo/`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::process::{self, Verdict};
use crate::setup::{self, NativeLibraries};
use crate::workspace::Workspace;

/// Portraits drawn; the last [`HELD_BACK`] are never trained on.
const PORTRAITS: usize = 1000;
const HELD_BACK: usize = 200;
/// Side of the aligned images, in pixels.
const ALIGNED_PX: usize = 64;
/// Side of the images that the tiny preset grows to, in pixels.
const TRAINED_PX: u32 = 32;
/// Thousands of images after which it has grown to them; a test of the presets holds it to that.
const GROWN_AT_KIMG: f64 = 18.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Start over: remove demo/ first (without it, a demo that was stopped goes on)
    #[arg(long)]
    fresh: bool,
    /// Thousands of images to train on [default: the tiny preset's]
    #[arg(long, value_name = "K", value_parser = long_enough)]
    kimg: Option<f64>,
}

/// A number of kimg that grows the networks to the resolution that is scored.
fn long_enough(text: &str) -> Result<f64, String> {
    let kimg: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if kimg.is_nan() || kimg < GROWN_AT_KIMG {
        return Err(format!(
            "the tiny preset has grown to {TRAINED_PX} px after {GROWN_AT_KIMG} kimg: give more"
        ));
    }
    Ok(kimg)
}

/// Runs `cargo xtask demo`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let native = setup::ensure(workspace)?;
    println!("building the three tools (minutes the first time)");
    let mut build = workspace.cargo();
    build.args(["build", "--release", "-p", "pgprep", "-p", "pgeval", "-p", "pgtrain"]);
    if !process::succeeds(native.apply(&mut build))? {
        bail!("the build failed (see above)");
    }
    let folder = workspace.root().join("demo");
    if arguments.fresh && folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let demo = Demo { tools: workspace.release_binaries(), native, folder, started: Instant::now() };
    demo.prepare()?;
    demo.train(arguments.kimg)?;
    demo.score()?;
    println!("\nthe whole chain took {}, pictures and numbers are in demo/", clock(demo.started.elapsed()));
    Ok(Verdict::Good)
}

struct Demo {
    tools: PathBuf,
    native: NativeLibraries,
    folder: PathBuf,
    started: Instant,
}

impl Demo {
    /// Photos with landmarks, aligned, packed: a dataset to train on and one to compare with.
    fn prepare(&self) -> Result<()> {
        self.step(
            "draw 1000 portraits, their landmarks in CelebA's format",
            "pgprep",
            &["synth", "-o", "photos", "--count", &PORTRAITS.to_string(), "--seed", "1"],
        )?;
        for (name, ids) in
            [("dataset", 1..=PORTRAITS - HELD_BACK), ("held-back", PORTRAITS - HELD_BACK + 1..=PORTRAITS)]
        {
            let names: Vec<String> = ids.clone().map(|id| format!("{id:06}.jpg")).collect();
            let list_name = format!("{name}.txt");
            fs::write(self.folder.join(&list_name), names.join("\n")).context("cannot write demo/")?;
            let title = format!("align portraits {} to {} into demo/{name}", ids.start(), ids.end());
            self.step(
                &title,
                "pgprep",
                &[
                    "align",
                    "photos/images",
                    "--landmarks",
                    "photos/list_landmarks.txt",
                    "--ids",
                    &list_name,
                    "--size",
                    &ALIGNED_PX.to_string(),
                    "--format",
                    "shards",
                    "-o",
                    name,
                ],
            )?;
        }
        self.step(
            "contact sheet of aligned portraits",
            "pgprep",
            &["view", "dataset", "-o", "aligned.png", "--count", "96", "--cols", "12", "--overwrite"],
        )
    }

    /// The trained generator's samples, and an untrained one's.
    fn train(&self, kimg: Option<f64>) -> Result<()> {
        let kimg = kimg.map(|k| k.to_string());
        let mut train = vec!["run", "dataset", "-o", "run", "--preset", "tiny", "--device", "cpu"];
        train.extend(kimg.iter().flat_map(|k| ["--kimg", k]));
        self.step("train, growing 4 -> 8 -> 16 -> 32 px", "pgtrain", &train)?;
        let count = HELD_BACK.to_string();
        self.step("sample", "pgtrain", &["sample", "run", "-o", "fakes", "--count", &count])?;
        self.step(
            "grid of samples",
            "pgtrain",
            &["sample", "run", "-o", "fakes.png", "--seeds", "0-63", "--grid", "8x8", "--overwrite"],
        )?;
        let start = format!("start_resolution={TRAINED_PX}");
        self.step(
            "the same generator, untrained",
            "pgtrain",
            &[
                "run",
                "dataset",
                "-o",
                "untrained-run",
                "--preset",
                "tiny",
                "--device",
                "cpu",
                "--kimg",
                "0",
                "--set",
                &start,
            ],
        )?;
        self.step(
            "sample it",
            "pgtrain",
            &["sample", "untrained-run", "-o", "untrained", "--count", &count],
        )?;
        self.step(
            "pure noise",
            "pgprep",
            &["synth", "-o", "noise", "--count", &count, "--noise", &TRAINED_PX.to_string()],
        )
    }

    /// The table.
    fn score(&self) -> Result<()> {
        let reals = format!("held-back@{TRAINED_PX}");
        let trained_on = format!("dataset@{TRAINED_PX}");
        let sets = [
            ("other real portraits (the floor)", trained_on.as_str()),
            ("trained generator", "fakes"),
            ("untrained generator", "untrained"),
            ("pure noise (the ceiling)", "noise/images"),
        ];
        let mut table = format!(
            "{:34} {:>10} {:>10} {:>10}   {:>8}\n",
            "against 200 held-back portraits", "SWD 32 px", "SWD 16 px", "SWD mean", "MS-SSIM"
        );
        let mut results = Vec::new();
        println!("\nscore against held-back portraits");
        for (name, set) in sets {
            let count = HELD_BACK.to_string();
            let swd = self.json(&["swd", &reals, set, "--images", &count, "--json"])?;
            let ms_ssim = self.json(&["ms-ssim", set, "--pairs", "1000", "--json"])?;
            let level = |index: usize| number(&swd["levels"][index]["value"]);
            writeln!(
                table,
                "{name:34} {:10.2} {:10.2} {:10.2}   {:8.4}",
                level(0)?,
                level(1)?,
                number(&swd["value"])?,
                number(&ms_ssim["value"])?
            )?;
            results.push(json!({ "set": name, "swd": swd, "ms-ssim": ms_ssim }));
        }
        println!("\n{table}");
        println!("SWD x1e3, lower is nearer to the held-back portraits; MS-SSIM between pairs of one set,");
        println!("lower is more varied, and only of meaning beside the real portraits' value.");
        let text = serde_json::to_string_pretty(&results)? + "\n";
        fs::write(self.folder.join("results.json"), text).context("cannot write demo/results.json")?;
        fs::write(self.folder.join("results.txt"), table).context("cannot write demo/results.txt")
    }

    fn command(&self, tool: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tools.join(tool));
        self.native.apply(&mut command).args(arguments).current_dir(&self.folder);
        command
    }

    fn step(&self, title: &str, tool: &str, arguments: &[&str]) -> Result<()> {
        println!("\n[{}] {title}\n  {tool} {}", clock(self.started.elapsed()), arguments.join(" "));
        if process::succeeds(&mut self.command(tool, arguments))? {
            return Ok(());
        }
        bail!(
            "{tool} failed (see above); run the demo again to go on from here, or with --fresh to start over"
        )
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        println!("  pgeval {}", arguments.join(" "));
        let mut command = self.command("pgeval", arguments);
        let output =
            command.arg("--quiet").stderr(Stdio::inherit()).output().context("could not start pgeval")?;
        if !output.status.success() {
            bail!("pgeval {} failed (see above)", arguments.join(" "));
        }
        serde_json::from_slice(&output.stdout).context("pgeval printed no JSON")
    }
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("expected a number from pgeval, found {value}"))
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The folder of release binaries below `root`, or below cargo's own setting.
pub(crate) fn release_folder(root: &Path, target: Option<&Path>) -> PathBuf {
    target.map_or_else(|| root.join("target"), |t| root.join(t)).join("release")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_folder_of_the_users_own_is_honoured() {
        let root = Path::new("/w");
        assert_eq!(release_folder(root, None), Path::new("/w/target/release"));
        assert_eq!(release_folder(root, Some(Path::new("t"))), Path::new("/w/t/release"));
        assert_eq!(release_folder(root, Some(Path::new("/t"))), Path::new("/t/release"));
    }

    #[test]
    fn a_run_too_short_to_score_is_refused_with_the_least() {
        assert_eq!(long_enough("20"), Ok(20.0));
        for text in ["2", "-1", "NaN"] {
            let _ = long_enough(text).unwrap_err();
        }
        assert!(long_enough("2").unwrap_err().contains("after 18 kimg"));
    }

    #[test]
    fn times_read_as_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(605)), "10:05");
    }
}
