//! `cargo xtask bench train`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::peer::{Peer, TORCH};
use super::table::{Best, machine, milliseconds, print_table, times};
use super::{done, feed};
use crate::process::Verdict;
use crate::setup;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench train`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured; the best step counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) rounds: usize,
    /// Seconds that each spends on a level, at least two steps
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(super) seconds: f64,
    /// Only these resolutions
    #[arg(long, value_name = "PX", value_delimiter = ',')]
    levels: Vec<u32>,
    /// Only the part whose name begins so: "512 maps", "64 maps" or "reading"
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Portraits of 1024 px to read (4.2 MB each)
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(super) images: usize,
    /// Whose networks: progressive or style
    #[arg(long, value_name = "NETWORK", default_value = "progressive")]
    network: Network,
    /// Number format of both programs: fp32 or bf16
    #[arg(long, value_name = "FORMAT", default_value = "fp32")]
    precision: String,
    /// Leave the Python peer out; it needs 5 GB on disk
    #[arg(long)]
    pub(super) no_peer: bool,
}

/// Networks that both programs have.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Network {
    /// ProGAN's, with WGAN-GP
    Progressive,
    /// The style-based one, with R1
    Style,
}

impl Network {
    fn name(self) -> &'static str {
        match self {
            Self::Progressive => "progressive",
            Self::Style => "style",
        }
    }

    /// pgtrain's preset of it.
    fn preset(self) -> &'static str {
        match self {
            Self::Progressive => "paper-celebahq",
            Self::Style => "stylegan-celebahq",
        }
    }
}

impl Arguments {
    /// Whether the level is to be measured.
    pub(super) fn has_level(&self, px: u32) -> bool {
        self.levels.is_empty() || self.levels.contains(&px)
    }

    fn has_part(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.starts_with(only))
    }
}

/// Networks and the levels they are measured at, with the minibatch there.
struct Case {
    name: &'static str,
    fmap_base: u32,
    fmap_max: u32,
    levels: &'static [(u32, u32)],
}

const CASES: [Case; 2] = [
    Case {
        name: "512 maps",
        fmap_base: 8192,
        fmap_max: 512,
        levels: &[(4, 16), (8, 16), (16, 16), (32, 16), (64, 16), (128, 4)],
    },
    Case {
        name: "64 maps",
        fmap_base: 512,
        fmap_max: 64,
        levels: &[(4, 16), (8, 16), (16, 16), (32, 16), (64, 16), (128, 16)],
    },
];

const THREADS: &str = "2";
/// How far both programs' numbers of one step may be apart, as a share.
const TOLERANCE: f64 = 1e-4;

/// Runs `cargo xtask bench train`.
pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace, arguments)?;
    println!(
        "{}; {THREADS} threads each; {}; {}; peer: eager PyTorch 2.11.0 (benches/train_peer.py)",
        machine(),
        arguments.network.name(),
        arguments.precision
    );
    for case in CASES.iter().filter(|case| arguments.has_part(case.name)) {
        bench.steps(case)?;
    }
    if arguments.has_part("reading") {
        feed::run(workspace, &bench.folder, &bench.library, arguments)?;
    }
    Ok(Verdict::Good)
}

struct Bench<'a> {
    arguments: &'a Arguments,
    folder: PathBuf,
    library: setup::NativeLibraries,
    /// The benchmark of pg-training, already built.
    own: PathBuf,
    peer: Option<Peer>,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace, arguments: &'a Arguments) -> Result<Self> {
        let library = setup::ensure(workspace)?;
        println!("building the benchmark of pg-training (release)");
        let own = built(workspace, &library, "training_step")?;
        let folder = workspace.root().join("target/bench");
        fs::create_dir_all(&folder).context("cannot make target/bench")?;
        let peer = if arguments.no_peer {
            None
        } else {
            Some(Peer::install(workspace, &folder, "train_peer.py", &TORCH)?)
        };
        Ok(Self { arguments, folder, library, own, peer })
    }

    fn own(&self, case: &Case, (px, minibatch): (u32, u32), more: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.own);
        self.library.apply(&mut command).args(["--threads", THREADS, "--levels", &px.to_string()]).args(more);
        command.args([self.arguments.network.preset(), &format!("minibatch={minibatch}")]);
        command.arg(format!("precision={}", self.arguments.precision));
        command.args([format!("fmap_base={}", case.fmap_base), format!("fmap_max={}", case.fmap_max)]);
        done(&mut command)
    }

    fn peer(&self, peer: &Peer, case: &Case, (px, minibatch): (u32, u32), more: &[&str]) -> Result<String> {
        let mut command = peer.command(&self.folder, &["--threads", THREADS, "--levels", &px.to_string()]);
        command.args(["--minibatch", &minibatch.to_string(), "--precision", &self.arguments.precision]);
        command.args(["--network", self.arguments.network.name()]);
        command.args(["--fmap-base", &case.fmap_base.to_string(), "--fmap-max", &case.fmap_max.to_string()]);
        done(command.args(more))
    }

    /// Stops where the peer finds other losses or gradients: its time would say nothing.
    fn compare_values(&self, peer: &Peer, case: &Case) -> Result<()> {
        let file = self.folder.join("step.safetensors");
        let level = (8, 4);
        let path = file.display().to_string();
        let ours = values(&self.own(case, level, &["--values", &path])?);
        let theirs = values(&self.peer(peer, case, level, &["--values", &path])?);
        fs::remove_file(&file).context("cannot remove target/bench/step.safetensors")?;
        if ours.is_empty() || ours.len() != theirs.len() {
            bail!("the two programs name other values: {ours:?} and {theirs:?}");
        }
        for ((name, a), (other, b)) in ours.iter().zip(&theirs) {
            let far = (a - b).abs() / b.abs().max(0.1);
            if name != other || far.is_nan() || far > TOLERANCE {
                bail!(
                    "{name} differs: pgkit {a}, the peer {b} ({other}); no times are shown for different work"
                );
            }
        }
        Ok(())
    }

    fn steps(&self, case: &Case) -> Result<()> {
        let levels: Vec<(u32, u32)> =
            case.levels.iter().copied().filter(|(px, _)| self.arguments.has_level(*px)).collect();
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        let seconds = ["--seconds", &self.arguments.seconds.to_string()];
        if let Some(peer) = self.peer.as_ref().filter(|_| self.arguments.precision == "fp32") {
            self.compare_values(peer, case)?;
        }
        for _ in 0..self.arguments.rounds {
            for &level in &levels {
                ours.take_lines(&self.own(case, level, &seconds)?);
                if let Some(peer) = &self.peer {
                    theirs.take_lines(&self.peer(peer, case, level, &seconds)?);
                }
            }
        }
        let rate = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{:.2}", 1e3 / ms));
        let rows: Vec<Vec<String>> = levels
            .iter()
            .map(|(px, minibatch)| {
                let name = format!("step/{px}");
                let (a, b) = (ours.get(&name), theirs.get(&name));
                let part = |half: &str| milliseconds(ours.get(&format!("{half}/{px}")));
                vec![
                    px.to_string(),
                    minibatch.to_string(),
                    milliseconds(a),
                    part("D"),
                    part("G"),
                    rate(a),
                    milliseconds(b),
                    rate(b),
                    times(a, b),
                ]
            })
            .collect();
        let of = format!("{}, px", case.name);
        let header =
            [&of, "minibatch", "pgkit, ms an image", "D", "G", "images/s", "peer, ms", "images/s", "times"];
        print_table(&header, &rows);
        Ok(())
    }
}

/// The lines `value/NAME<TAB>value`.
fn values(text: &str) -> Vec<(String, f64)> {
    let value = |line: &str| {
        let (name, value) = line.strip_prefix("value/")?.split_once('\t')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(value).collect()
}

/// A benchmark of pg-training, built.
pub(super) fn built(workspace: &Workspace, library: &setup::NativeLibraries, name: &str) -> Result<PathBuf> {
    let mut build = workspace.cargo();
    build.args(["bench", "--no-run", "-p", "pg-training", "--bench", name]);
    build.args(["--message-format", "json", "--quiet"]);
    let said = done(library.apply(&mut build))?;
    executable(&said).context("cargo named no executable of the benchmark")
}

/// The benchmark's executable, of cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(|path| Path::new(path).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_name_and_other_lines_are_not() {
        let text = "hello\nvalue/d_loss\t8.03e0\nstep/4\t1.0\nvalue/real\t-0.25\n";
        assert_eq!(values(text), [("d_loss".to_owned(), 8.03), ("real".to_owned(), -0.25)]);
    }

    #[test]
    fn the_executable_is_that_of_the_last_message_that_has_one() {
        let text = "{\"executable\":null}\n{\"executable\":\"/a/b\"}\n{\"reason\":\"done\"}";
        assert_eq!(executable(text), Some(PathBuf::from("/a/b")));
    }
}
