//! `cargo xtask bench busy`: training beside other processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use super::done;
use super::peer::{Peer, TORCH};
use super::table::{machine, print_row, print_table};
use crate::process::Verdict;
use crate::setup;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench busy`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, value_name = "S", default_value_t = 8.0)]
    seconds: f64,
    /// A pgtrain of another commit, measured beside this one
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Leave the Python peer out; it needs 5 GB on disk
    #[arg(long)]
    no_peer: bool,
}

/// Other processes on the machine.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    busy: usize,
    runs: usize,
}

const LOADS: [Load; 4] = [
    Load { name: "idle", busy: 0, runs: 1 },
    Load { name: "1 busy process", busy: 1, runs: 1 },
    Load { name: "2 busy processes", busy: 2, runs: 1 },
    Load { name: "2 runs at once, in sum", busy: 0, runs: 2 },
];

const THREADS: [usize; 2] = [1, 2];
const PX: u32 = 32;
/// Images of the measured call of `pgtrain sample`.
const SAMPLES: u32 = 1000;

/// A program that trains.
enum Program {
    Pgtrain { name: String, path: PathBuf },
    Peer(Peer),
}

impl Program {
    fn name(&self) -> &str {
        match self {
            Self::Pgtrain { name, .. } => name,
            Self::Peer(_) => "eager PyTorch",
        }
    }
}

/// Runs `cargo xtask bench busy`.
pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace, arguments)?;
    println!(
        "\n{}; preset tiny at {PX} px; images a second, median of {} (least to most)",
        machine(),
        arguments.rounds
    );
    let columns = bench.programs.iter().flat_map(|program| {
        THREADS.map(|threads| {
            format!("{}, {threads} thread{}", program.name(), if threads == 1 { "" } else { "s" })
        })
    });
    let columns: Vec<String> = std::iter::once("beside".to_owned()).chain(columns).collect();
    print_table(&columns.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    for load in LOADS {
        let mut row = vec![load.name.to_owned()];
        // All programs in turn, so that what else the machine does meets them alike.
        let mut rates = vec![Vec::new(); bench.programs.len() * THREADS.len()];
        for _ in 0..arguments.rounds {
            for (index, rates) in rates.iter_mut().enumerate() {
                let (program, threads) =
                    (&bench.programs[index / THREADS.len()], THREADS[index % THREADS.len()]);
                rates.push(bench.images_per_second(program, threads, load)?);
            }
        }
        row.extend(rates.into_iter().map(spread));
        print_row(&row);
    }
    bench.sampling(arguments.rounds)?;
    fs::remove_dir_all(&bench.scratch).context("cannot remove target/bench/busy")?;
    Ok(Verdict::Good)
}

struct Bench<'a> {
    workspace: &'a Workspace,
    library: setup::NativeLibraries,
    scratch: PathBuf,
    seconds: f64,
    programs: Vec<Program>,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace, arguments: &Arguments) -> Result<Self> {
        let library = setup::ensure(workspace)?;
        println!("building pgprep and pgtrain (release)");
        let mut build = workspace.cargo();
        build.args(["build", "--release", "--quiet", "-p", "pgprep", "-p", "pgtrain"]);
        done(library.apply(&mut build))?;
        let scratch = workspace.root().join("target/bench/busy");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).context("cannot remove target/bench/busy")?;
        }
        fs::create_dir_all(&scratch).context("cannot create target/bench/busy")?;
        let own = workspace.release_binaries().join("pgtrain");
        let mut programs = vec![Program::Pgtrain { name: "pgtrain".to_owned(), path: own }];
        if let Some(path) = &arguments.against {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot find `{}` (--against)", path.display()))?;
            programs.push(Program::Pgtrain { name: "before".to_owned(), path });
        }
        if !arguments.no_peer {
            let folder = workspace.root().join("target/bench");
            programs.push(Program::Peer(Peer::install(workspace, &folder, "train_peer.py", &TORCH)?));
        }
        let bench = Self { workspace, library, scratch, seconds: arguments.seconds, programs };
        bench.make_dataset()?;
        Ok(bench)
    }

    fn make_dataset(&self) -> Result<()> {
        let pgprep = self.workspace.release_binaries().join("pgprep");
        for arguments in [
            "synth -o photos --count 256 --quiet",
            "align photos/images --landmarks photos/list_landmarks.txt --size 64 --format shards -o faces --quiet",
        ] {
            done(Command::new(&pgprep).current_dir(&self.scratch).args(arguments.split(' ')))?;
        }
        Ok(())
    }

    fn pgtrain(&self, path: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(path);
        self.library.apply(command.current_dir(&self.scratch).args(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What `load.runs` runs make together while busy processes are there.
    fn images_per_second(&self, program: &Program, threads: usize, load: Load) -> Result<f64> {
        let _busy = Busy::start(load.busy)?;
        match program {
            Program::Pgtrain { path, .. } => self.rate_of_runs(path, threads, load.runs),
            Program::Peer(peer) => self.rate_of_peers(peer, threads, load.runs),
        }
    }

    fn rate_of_runs(&self, path: &Path, threads: usize, count: usize) -> Result<f64> {
        let mut runs = Vec::new();
        for index in 0..count {
            let run = format!("run{index}");
            let folder = self.scratch.join(&run);
            if folder.exists() {
                fs::remove_dir_all(&folder).context("cannot remove the last run")?;
            }
            let threads = threads.to_string();
            let mut arguments = vec!["run", "faces", "-o", &run, "--device", "cpu", "--threads", &threads];
            arguments.extend(["--preset", "tiny", "--quiet", "--kimg", "100000"]);
            let (from, to) = (format!("start_resolution={PX}"), format!("resolution={PX}"));
            for setting in [from.as_str(), &to, "tick_kimg=100000"] {
                arguments.extend(["--set", setting]);
            }
            runs.push((self.pgtrain(path, &arguments).spawn().context("cannot start pgtrain")?, folder));
        }
        std::thread::sleep(Duration::from_secs_f64(self.seconds));
        for (run, _) in &runs {
            done(Command::new("kill").args(["-INT", &run.id().to_string()]))?;
        }
        let mut sum = 0.0;
        for (mut run, folder) in runs {
            run.wait().context("cannot wait for pgtrain")?;
            let log = fs::read_to_string(folder.join("log.jsonl")).context("the run has no log")?;
            let line = log.lines().last().context("the run's log is empty")?;
            let line: Value = serde_json::from_str(line).context("the run's log is no JSON")?;
            sum += line["images_per_second"].as_f64().context("the run's log has no rate")?;
        }
        Ok(sum)
    }

    fn rate_of_peers(&self, peer: &Peer, threads: usize, count: usize) -> Result<f64> {
        let (threads, seconds, px) = (threads.to_string(), self.seconds.to_string(), PX.to_string());
        let mut runs = Vec::new();
        for _ in 0..count {
            let arguments = ["--threads", &threads, "--seconds", &seconds, "--levels", &px];
            let mut command = peer.command(&self.scratch, &arguments);
            // The networks of the preset tiny.
            command.args([
                "--fmap-base",
                "256",
                "--fmap-max",
                "64",
                "--latent-size",
                "64",
                "--minibatch",
                "16",
            ]);
            runs.push(command.stdout(Stdio::piped()).spawn().context("cannot start the peer")?);
        }
        let mut sum = 0.0;
        for run in runs {
            let output = run.wait_with_output().context("cannot wait for the peer")?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mean =
                text.lines().find_map(|line| line.strip_prefix(&format!("mean/{px}\t"))?.parse::<f64>().ok());
            sum += 1e3 / mean.context("the peer printed no mean")?;
        }
        Ok(sum)
    }

    /// Seconds that `pgtrain sample` takes for a thousand images.
    fn sampling(&self, rounds: usize) -> Result<()> {
        let programs: Vec<(&str, &Path)> = self
            .programs
            .iter()
            .filter_map(|program| match program {
                Program::Pgtrain { name, path } => Some((name.as_str(), path.as_path())),
                Program::Peer(_) => None,
            })
            .collect();
        let header = format!("seconds for {SAMPLES} samples, 2 threads, beside");
        let mut columns = vec![header.as_str()];
        columns.extend(programs.iter().map(|(name, _)| *name));
        print_table(&columns, &[]);
        for load in &LOADS[..3] {
            let mut row = vec![load.name.to_owned()];
            let mut times = vec![Vec::new(); programs.len()];
            for _ in 0..rounds {
                for ((_, path), times) in programs.iter().zip(&mut times) {
                    let fakes = self.scratch.join("fakes");
                    if fakes.exists() {
                        fs::remove_dir_all(&fakes).context("cannot remove the last samples")?;
                    }
                    let _busy = Busy::start(load.busy)?;
                    let (started, count) = (Instant::now(), SAMPLES.to_string());
                    let arguments =
                        ["sample", "run0", "-o", "fakes", "--count", &count, "--threads", "2", "--quiet"];
                    if !self.pgtrain(path, &arguments).status().context("cannot start pgtrain")?.success() {
                        bail!("`pgtrain sample` failed");
                    }
                    times.push(started.elapsed().as_secs_f64());
                }
            }
            row.extend(times.into_iter().map(spread));
            print_row(&row);
        }
        Ok(())
    }
}

/// Processes that compute without end, while it lives.
struct Busy(Vec<Child>);

impl Busy {
    fn start(count: usize) -> Result<Self> {
        let start = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        let processes = (0..count).map(|_| start()).collect::<std::io::Result<_>>();
        Ok(Self(processes.context("cannot start a busy process")?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // It ends with this process at the latest.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// `117 (9.8 to 201)`.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let digits = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    match values.as_slice() {
        [] => "-".to_owned(),
        [only] => digits(*only),
        [least, .., most] => {
            format!("{} ({} to {})", digits(values[values.len() / 2]), digits(*least), digits(*most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_shows_the_median_and_both_ends() {
        assert_eq!(spread(vec![201.0, 9.84, 117.2]), "117 (9.8 to 201)");
        assert_eq!(spread(vec![1.0]), "1.0");
    }
}
