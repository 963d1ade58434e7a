//! `cargo xtask bench onnx`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::done;
use super::table::{Best, machine, milliseconds, print_table, row, times};
use crate::process::Verdict;
use crate::setup;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench onnx`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured; the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Images of each size
    #[arg(long, value_name = "N", default_value_t = 96)]
    images: usize,
    /// Leave the Python peer out; it needs 5 GB on disk
    #[arg(long)]
    no_peer: bool,
    /// The network as ONNX, and its weights for the peer [default: random ones, exported by tools/export_inception.py]
    #[arg(long, value_name = "M.onnx W.pth", num_args = 2)]
    network: Option<Vec<PathBuf>>,
    /// Python with torch-fidelity [default: the environment that tools/export_inception.py makes]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

const SIZES: [&str; 3] = ["128", "256", "1024"];
const THREADS: &str = "2";
/// Images whose time is taken off: the network is opened and the memory filled with them.
const WARM_UP: usize = 4;
/// How far both programs' distances may be apart, as a share.
const TOLERANCE: f64 = 1e-6;

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace, arguments)?;
    bench.draw_images()?;
    bench.compare_values()?;
    println!("\n{}; {THREADS} threads each; peer: torch-fidelity 0.4.0, torch 2.11.0, SciPy", machine());
    bench.images_per_second()?;
    bench.distances()?;
    fs::remove_dir_all(&bench.scratch).context("cannot remove target/bench/onnx")?;
    Ok(Verdict::Good)
}

struct Bench<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    scratch: PathBuf,
    library: setup::NativeLibraries,
    python: PathBuf,
    model: PathBuf,
    weights: PathBuf,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace, arguments: &'a Arguments) -> Result<Self> {
        println!("building pgprep, pgeval and the benchmark of pg-metrics (release)");
        done(workspace.cargo().args(["build", "--release", "--quiet", "-p", "pgprep", "-p", "pgeval"]))?;
        done(workspace.cargo().args([
            "bench",
            "--no-run",
            "--quiet",
            "-p",
            "pg-metrics",
            "--bench",
            "features",
        ]))?;
        let folder = workspace.root().join("target/bench");
        let scratch = folder.join("onnx");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).context("cannot remove target/bench/onnx")?;
        }
        fs::create_dir_all(&scratch).context("cannot make target/bench/onnx")?;
        let own = workspace.root().join("target/tools/inception-venv/bin/python");
        let given = arguments.network.as_ref().map(|paths| paths.iter().map(|path| absolute(path)));
        let mut given = given.into_iter().flatten();
        let random = [folder.join("inception-random.onnx"), folder.join("inception-random.pth")];
        let [model, weights] =
            random.map(|random| given.next().transpose().map(|path| path.unwrap_or(random)));
        Ok(Self {
            workspace,
            arguments,
            library: setup::ensure(workspace)?,
            python: arguments.python.as_deref().map(absolute).transpose()?.unwrap_or(own),
            model: model?,
            weights: weights?,
            scratch,
        })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.workspace.release_binaries().join(name));
        self.library.apply(command.current_dir(&self.scratch));
        command
    }

    /// Portraits of each size, and a network that has seen some.
    fn draw_images(&self) -> Result<()> {
        let count = self.arguments.images.to_string();
        done(self.tool("pgprep").args(["synth", "-o", "photos", "--count", &count, "--quiet"]))?;
        let align =
            ["align", "photos/images", "--landmarks", "photos/list_landmarks.txt", "--format", "shards"];
        done(self.tool("pgprep").args(align).args(["-o", "dataset", "--quiet"]))?;
        for size in SIZES {
            let extract = ["extract", "dataset", "--resolution", size, "-o", size, "--quiet"];
            done(self.tool("pgprep").args(extract))?;
        }
        if self.model.exists() {
            return Ok(());
        }
        println!("exporting a network of random weights (the first time, 2.5 GB are fetched for it)");
        let script = self.workspace.root().join("tools/export_inception.py");
        let mut export = Command::new("python3");
        export.current_dir(&self.scratch).arg(script).args(["--random", "0", "--calibrate", "128"]);
        done(export.arg("-o").arg(&self.model).arg("--save-weights").arg(&self.weights))?;
        Ok(())
    }

    fn peer(&self, arguments: &[&str]) -> Result<String> {
        let script = self.workspace.root().join("benches/onnx_peer.py");
        let mut command = Command::new(&self.python);
        done(command.current_dir(&self.scratch).arg(script).args(["--threads", THREADS]).args(arguments))
    }

    /// Stops where the peer finds another distance: its time would say nothing.
    fn compare_values(&self) -> Result<()> {
        if self.arguments.no_peer {
            return Ok(());
        }
        self.peer(&["--save-moments", "a.npz", "b.npz"])?;
        let mut theirs = Best::default();
        theirs.take_lines(&self.peer(&["--moments", "a.npz", "b.npz", "value/"])?);
        let ours = done(self.tool("pgeval").args(["fid", "a.npz", "b.npz", "--json", "--quiet"]))?;
        let ours: serde_json::Value = serde_json::from_str(&ours).context("the JSON of pgeval fid")?;
        let ours = ours["value"].as_f64().context("the value of pgeval fid")?;
        let mut names = theirs.names().peekable();
        if names.peek().is_none() {
            bail!("the peer printed no value/ line to compare with");
        }
        for name in names {
            let far = theirs.get(name).map(|theirs| (ours / theirs - 1.0).abs());
            if far.is_none_or(|far| far > TOLERANCE || far.is_nan()) {
                bail!(
                    "{name} differs: pgkit {ours}, the peer {:?}; no times are shown for different work",
                    theirs.get(name)
                );
            }
        }
        Ok(())
    }

    /// Milliseconds of pgeval for the first `images` of a folder.
    fn described(&self, folder: &str, images: usize) -> Result<f64> {
        let mut command = self.tool("pgeval");
        command.args([
            "stats",
            folder,
            "--no-swd",
            "--images",
            &images.to_string(),
            "-o",
            "x.pgstats",
            "--overwrite",
            "--quiet",
        ]);
        command.args(["--threads", THREADS, "--model"]).arg(&self.model);
        let started = Instant::now();
        done(&mut command)?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }

    fn images_per_second(&self) -> Result<()> {
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        let count = self.arguments.images;
        if count <= WARM_UP {
            bail!("--images {count}: expected more than {WARM_UP}");
        }
        for _ in 0..self.arguments.rounds {
            for size in SIZES {
                let name = format!("inception/{size}");
                let warm_up = self.described(size, WARM_UP)?;
                let all = self.described(size, count)?;
                ours.take(&name, (all - warm_up) / (count - WARM_UP) as f64);
                if !self.arguments.no_peer {
                    let weights = self.weights.display().to_string();
                    let count = count.to_string();
                    theirs.take_lines(&self.peer(&[
                        "--weights",
                        &weights,
                        "--images",
                        size,
                        "--count",
                        &count,
                        "inception",
                    ])?);
                }
            }
        }
        let rows: Vec<Vec<String>> = SIZES
            .iter()
            .map(|size| {
                let name = format!("inception/{size}");
                let (a, b) = (ours.get(&name), theirs.get(&name));
                let rate = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{:.1}", 1e3 / ms));
                vec![(*size).to_owned(), milliseconds(a), rate(a), milliseconds(b), rate(b), times(a, b)]
            })
            .collect();
        let header = ["PNG, px", "pgkit, ms an image", "images/s", "peer, ms an image", "images/s", "times"];
        print_table(&header, &rows);
        Ok(())
    }

    fn distances(&self) -> Result<()> {
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        for _ in 0..self.arguments.rounds {
            let bench =
                ["bench", "--quiet", "-p", "pg-metrics", "--bench", "features", "--", "--threads", THREADS];
            ours.take_lines(&done(self.workspace.cargo().args(bench))?);
            if !self.arguments.no_peer {
                theirs.take_lines(&self.peer(&["--moments", "a.npz", "b.npz", "eig", "sqrtm"])?);
            }
        }
        let distance = ours.get("frechet/2048");
        let (sqrtm, eig) = (theirs.get("sqrtm/2048"), theirs.get("eig/2048"));
        print_table(
            &[
                "Frechet distance, 2048 wide",
                "pgkit, ms",
                "scipy.linalg.sqrtm, ms",
                "times",
                "torch-fidelity, ms",
                "times",
            ],
            &[vec![
                "of two Gaussians".to_owned(),
                milliseconds(distance),
                milliseconds(sqrtm),
                times(distance, sqrtm),
                milliseconds(eig),
                times(distance, eig),
            ]],
        );
        let rest = ours.names().filter(|name| *name != "frechet/2048");
        let rows: Vec<Vec<String>> =
            rest.map(|name| row(name, &ours, &Best::default())[..2].to_vec()).collect();
        print_table(&["features 2048 wide", "pgkit, ms"], &rows);
        Ok(())
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("no path: {}", path.display()))
}
