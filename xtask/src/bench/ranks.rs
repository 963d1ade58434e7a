//! `cargo xtask bench ranks`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use super::done;
use super::table::{machine, print_row, print_table};
use crate::process::Verdict;
use crate::setup;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench ranks`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured; the best tick counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Only these resolutions
    #[arg(long, value_name = "PX", value_delimiter = ',')]
    levels: Vec<u32>,
}

/// Networks at a level, and real images in a tick of seconds.
struct Case {
    fmap_base: u32,
    fmap_max: u32,
    px: u32,
    tick_images: u32,
}

const fn case(fmap_base: u32, fmap_max: u32, px: u32, tick_images: u32) -> Case {
    Case { fmap_base, fmap_max, px, tick_images }
}

const CASES: [Case; 7] = [
    case(512, 64, 16, 1600),
    case(512, 64, 32, 800),
    case(512, 64, 64, 400),
    case(512, 64, 128, 160),
    case(8192, 512, 16, 64),
    case(8192, 512, 32, 32),
    case(8192, 512, 64, 16),
];
const MINIBATCH: u32 = 16;
const TICKS: u32 = 3;

/// Ways to train the same minibatches.
struct Way {
    name: &'static str,
    ranks: usize,
    threads: usize,
    further: &'static [&'static str],
}

const WAYS: [Way; 4] = [
    Way { name: "1 process, 1 thread", ranks: 1, threads: 1, further: &[] },
    Way { name: "1 process, 2 threads", ranks: 1, threads: 2, further: &[] },
    Way { name: "2 ranks", ranks: 2, threads: 1, further: &[] },
    Way { name: "2 ranks, sums after backward", ranks: 2, threads: 1, further: &["--sum-after-backward"] },
];

/// Runs `cargo xtask bench ranks`.
pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace)?;
    println!(
        "\n{}; minibatches of {MINIBATCH}, fp32, 1 thread a rank; real images a second, best tick",
        machine()
    );
    let mut header = vec!["maps, px"];
    header.extend(WAYS.iter().map(|way| way.name));
    header.extend(["2 ranks over 1 process", "over 2 threads"]);
    print_table(&header, &[]);
    for case in &CASES {
        if !arguments.levels.is_empty() && !arguments.levels.contains(&case.px) {
            continue;
        }
        let mut best = [0.0_f64; WAYS.len()];
        for _ in 0..arguments.rounds {
            for (way, best) in WAYS.iter().zip(&mut best) {
                *best = best.max(bench.images_per_second(case, way)?);
            }
        }
        let mut row = vec![format!("{}, {}", case.fmap_max, case.px)];
        row.extend(best.iter().map(|rate| format!("{rate:.1}")));
        row.extend([format!("{:.2}", best[2] / best[0]), format!("{:.2}", best[2] / best[1])]);
        // At once: wide networks take minutes.
        print_row(&row);
    }
    fs::remove_dir_all(&bench.scratch).context("cannot remove target/bench/ranks")?;
    Ok(Verdict::Good)
}

struct Bench<'a> {
    workspace: &'a Workspace,
    library: setup::NativeLibraries,
    scratch: PathBuf,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace) -> Result<Self> {
        if !setup::mpi::is_installed() {
            bail!("no Open MPI: cargo xtask setup --mpi");
        }
        let library = setup::ensure(workspace)?;
        println!("building pgprep and pgtrain with MPI (release)");
        let mut build = workspace.cargo();
        build.args(["build", "--release", "--quiet", "-p", "pgprep", "-p", "pgtrain"]);
        done(library.apply(build.args(["--features", "pgtrain/mpi"])))?;
        let scratch = workspace.root().join("target/bench/ranks");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).context("cannot remove target/bench/ranks")?;
        }
        fs::create_dir_all(&scratch).context("cannot make target/bench/ranks")?;
        let bench = Self { workspace, library, scratch };
        let synth = ["synth", "-o", "photos", "--count", "64", "--quiet"];
        done(&mut bench.started("pgprep", 1, &synth))?;
        let align = ["align", "photos/images", "--landmarks", "photos/list_landmarks.txt"];
        let mut align = align.to_vec();
        align.extend(["--size", "128", "--format", "shards", "-o", "faces", "--quiet"]);
        done(&mut bench.started("pgprep", 1, &align))?;
        Ok(bench)
    }

    fn started(&self, program: &str, ranks: usize, arguments: &[&str]) -> Command {
        let program = self.workspace.release_binaries().join(program);
        let mut command = if ranks > 1 {
            let mut command = Command::new("mpirun");
            command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
            command.args(["-n", &ranks.to_string(), "--oversubscribe", "--bind-to", "none"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        self.library.apply(command.current_dir(&self.scratch).args(arguments));
        command
    }

    fn images_per_second(&self, case: &Case, way: &Way) -> Result<f64> {
        let run = self.scratch.join("run");
        if run.exists() {
            fs::remove_dir_all(&run).context("cannot remove the last run")?;
        }
        let kimg = |images: u32| format!("{}", f64::from(images) / 1000.0);
        let (total, threads) = (kimg(case.tick_images * TICKS), way.threads.to_string());
        let mut arguments = vec!["run", "faces", "-o", "run", "--device", "cpu", "--threads", &threads];
        arguments.extend(["--preset", "paper-celebahq", "--quiet", "--kimg", &total]);
        arguments.extend(way.further);
        let settings = [
            format!("resolution={}", case.px),
            format!("start_resolution={}", case.px),
            format!("fmap_base={}", case.fmap_base),
            format!("fmap_max={}", case.fmap_max),
            format!("minibatch={MINIBATCH}"),
            format!("tick_kimg={}", kimg(case.tick_images)),
        ];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        done(&mut self.started("pgtrain", way.ranks, &arguments))?;
        let log = fs::read_to_string(run.join("log.jsonl")).context("the run has no log")?;
        let rate = |line: &str| serde_json::from_str::<Value>(line).ok()?["images_per_second"].as_f64();
        log.lines().filter_map(rate).max_by(f64::total_cmp).context("the run's log has no rates")
    }
}
