//! `cargo xtask bench prep`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::done;
use super::peer::{NUMERIC, Peer};
use super::table::{Best, machine, print_table, row};
use crate::process::{Verdict, silent};
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench prep`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured; the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Aligned images of 1024 px for levels and threads (4.2 MB each)
    #[arg(long, value_name = "N", default_value_t = 96)]
    images: usize,
    /// Only photos whose names hold this, for the alignment
    #[arg(long, value_name = "TEXT", default_value = "")]
    photo: String,
    /// Leave the Python peer out
    #[arg(long)]
    no_peer: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace, arguments)?;
    println!("\n{}; peer: {}", machine(), Peer::packages(&["numpy", "scipy", "pillow"]));
    bench.alignment()?;
    bench.draw_photos()?;
    bench.levels()?;
    bench.threads()?;
    fs::remove_dir_all(&bench.scratch).context("cannot remove target/bench/prep")?;
    Ok(Verdict::Good)
}

struct Bench<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    scratch: PathBuf,
    peer: Option<Peer>,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace, arguments: &'a Arguments) -> Result<Self> {
        println!("building pgprep and the benchmark of pg-align (release)");
        done(workspace.cargo().args(["build", "--release", "--quiet", "-p", "pgprep"]))?;
        done(workspace.cargo().args(["bench", "--no-run", "--quiet", "-p", "pg-align"]))?;
        let folder = workspace.root().join("target/bench");
        let scratch = folder.join("prep");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).context("cannot remove target/bench/prep")?;
        }
        fs::create_dir_all(&scratch).context("cannot make target/bench/prep")?;
        let peer = (!arguments.no_peer)
            .then(|| Peer::install(workspace, &folder, "prep_peer.py", &NUMERIC))
            .transpose()?;
        Ok(Self { workspace, arguments, scratch, peer })
    }

    /// pgprep in the scratch folder.
    fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.workspace.release_binaries().join("pgprep"));
        command.current_dir(&self.scratch).args(arguments).arg("--quiet");
        command
    }

    /// Milliseconds that pgprep takes to fill `output`, which is removed.
    fn fill(&self, arguments: &[&str], output: &str) -> Result<f64> {
        let ms = timed(self.tool(arguments).args(["-o", output]))?;
        fs::remove_dir_all(self.scratch.join(output)).with_context(|| format!("cannot remove {output}"))?;
        Ok(ms)
    }

    /// One photo after the other on one thread, without decoding.
    fn alignment(&self) -> Result<()> {
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        let photos = self.workspace.root().join("fixtures/align");
        for _ in 0..self.arguments.rounds {
            let stages = ["bench", "--quiet", "-p", "pg-align", "--bench", "align_stages", "--", "--lines"];
            ours.take_lines(&done(self.workspace.cargo().args(stages).arg(&self.arguments.photo))?);
            if let Some(peer) = &self.peer {
                let mut command = peer.command(&self.scratch, &["align"]);
                theirs.take_lines(&done(command.arg(&photos).arg(&self.arguments.photo))?);
            }
        }
        let rows: Vec<Vec<String>> = ours.names().map(|name| row(name, &ours, &theirs)).collect();
        print_table(&["alignment to 1024 px, 1 thread", "pgkit, ms", "peer, ms", "times"], &rows);
        Ok(())
    }

    /// Synthetic portraits, aligned: as a dataset, and as PNG files.
    fn draw_photos(&self) -> Result<()> {
        let count = self.arguments.images.to_string();
        done(&mut self.tool(&["synth", "-o", "photos", "--count", &count]))?;
        done(&mut self.tool(&[&ALIGN[..], &["-o", "dataset"]].concat()))?;
        done(&mut self.tool(&["extract", "dataset", "-o", "png"]))?;
        Ok(())
    }

    /// All levels from images that need no decoding, against the peer and against copying the same bytes.
    fn levels(&self) -> Result<()> {
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        let per_image = 1.0 / self.arguments.images as f64;
        for _ in 0..self.arguments.rounds {
            let ms = self.fill(&["pack", "dataset", "--threads", "1"], "packed")?;
            ours.take("levels/write", ms * per_image);
            let mut copy = Command::new("sh");
            copy.current_dir(&self.scratch).args(["-c", "cp -r dataset copy && sync -f copy"]);
            theirs.take("levels/copy", timed(&mut copy)? * per_image);
            fs::remove_dir_all(self.scratch.join("copy")).context("cannot remove the copy")?;
            if let Some(peer) = &self.peer {
                let photos = self.workspace.root().join("fixtures/align");
                let mut command = peer.command(&self.scratch, &["levels"]);
                theirs.take_lines(&done(command.arg(&photos).arg("20"))?);
            }
        }
        ours.take("levels/copy", ours.get("levels/write").unwrap_or(f64::NAN));
        let rows: Vec<Vec<String>> = ["levels/write", "levels/copy"]
            .iter()
            .map(|name| {
                let mut row = row(name, &ours, &theirs);
                row.push(ours.get(name).map_or_else(String::new, |ms| format!("{:.0}", 1e3 / ms)));
                row
            })
            .collect();
        let header =
            ["1024 px to all levels, 1 thread", "pgkit, ms", "peer or cp, ms", "times", "pgkit, images/s"];
        print_table(&header, &rows);
        Ok(())
    }

    /// One thread and two.
    fn threads(&self) -> Result<()> {
        let mut best = Best::default();
        for _ in 0..self.arguments.rounds {
            for threads in ["1", "2"] {
                for (name, command) in [("align photos", &ALIGN[..]), ("pack PNG", &["pack", "png"])] {
                    let ms = self.fill(&[command, &["--threads", threads]].concat(), "filled")?;
                    best.take(&format!("{name}/{threads}"), ms);
                }
            }
        }
        let rows: Vec<Vec<String>> = ["align photos", "pack PNG"]
            .iter()
            .map(|name| {
                let of = |threads: &str| best.get(&format!("{name}/{threads}")).unwrap_or(f64::NAN);
                let rate = |ms: f64| format!("{:.1}", 1e3 * self.arguments.images as f64 / ms);
                let times = format!("{:.2}", of("1") / of("2"));
                vec![(*name).to_owned(), rate(of("1")), rate(of("2")), times]
            })
            .collect();
        print_table(&["to shards of 1024 px", "1 thread, images/s", "2 threads, images/s", "times"], &rows);
        Ok(())
    }
}

/// From drawn photos to a dataset of 1024 px.
const ALIGN: [&str; 6] =
    ["align", "photos/images", "--landmarks", "photos/list_landmarks.txt", "--format", "shards"];

/// Milliseconds that `command` takes.
fn timed(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    match silent(command)? {
        Ok(_) => Ok(started.elapsed().as_secs_f64() * 1e3),
        Err(said) => bail!("{command:?} failed:\n{said}"),
    }
}
