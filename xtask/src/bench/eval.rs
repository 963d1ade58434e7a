//! `cargo xtask bench eval`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::done;
use super::peer::{NUMERIC, Peer};
use super::table::{Best, machine, milliseconds, print_table, row, times};
use crate::process::Verdict;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench eval`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each is measured; the best counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Measure the distance of 2^21 descriptors too (8 GB of memory, minutes)
    #[arg(long)]
    full: bool,
    /// Leave the Python peer out
    #[arg(long)]
    no_peer: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let bench = Bench::prepare(workspace, arguments)?;
    bench.compare_values()?;
    let timings = bench.measure()?;
    let packages = Peer::packages(&["numpy", "scipy"]);
    println!("\n{}; peer: {packages}; as many threads each as the tables say", machine());
    timings.print(arguments.full);
    Ok(Verdict::Good)
}

/// How far two results of the same formula may be apart, as a share of the larger: sums in f32 in another
/// order, and no more.
const TOLERANCE: f64 = 1e-5;

const THREADS: [&str; 2] = ["1", "2"];

/// Peer's name of the distance whose projections lie side by side in memory.
const BY_ROW: &str = "distance-by-row";

struct Bench<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    folder: PathBuf,
    peer: Option<Peer>,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &'a Workspace, arguments: &'a Arguments) -> Result<Self> {
        println!("building the benchmark of pg-metrics (release)");
        let build = ["bench", "--no-run", "--quiet", "-p", "pg-metrics", "--bench", "scores"];
        done(workspace.cargo().args(build))?;
        let folder = workspace.root().join("target/bench");
        fs::create_dir_all(&folder).context("cannot make target/bench")?;
        let install = || Peer::install(workspace, &folder, "eval_peer.py", &NUMERIC);
        let peer = (!arguments.no_peer).then(install).transpose()?;
        Ok(Self { workspace, arguments, folder, peer })
    }

    fn ours(&self, arguments: &[&str]) -> Result<String> {
        let bench = ["bench", "--quiet", "-p", "pg-metrics", "--bench", "scores", "--"];
        done(self.workspace.cargo().args(bench).args(arguments))
    }

    /// Stops where the peer computes something else than we do: its time would say nothing.
    fn compare_values(&self) -> Result<()> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        ours.take_lines(&self.ours(&["value/"])?);
        theirs.take_lines(&done(&mut peer.command(&self.folder, &["value/"]))?);
        must_agree(&ours, &theirs)
    }

    /// Ours and the peer's in turn. What is of one image stays on one thread, so two are for distances only.
    fn measure(&self) -> Result<Timings> {
        let mut timings = Timings::default();
        for _ in 0..self.arguments.rounds {
            for (i, threads) in THREADS.into_iter().enumerate() {
                let mut arguments = vec!["--threads", threads];
                arguments.extend(self.arguments.full.then_some("--full"));
                arguments.extend((i > 0).then_some("distance"));
                timings.ours[i].take_lines(&self.ours(&arguments)?);
                if let Some(peer) = &self.peer {
                    timings.theirs[i].take_lines(&done(&mut peer.command(&self.folder, &arguments))?);
                }
            }
        }
        Ok(timings)
    }
}

/// By number of threads, as in [`THREADS`].
#[derive(Default)]
struct Timings {
    ours: [Best; THREADS.len()],
    theirs: [Best; THREADS.len()],
}

impl Timings {
    fn print(&self, full: bool) {
        let names =
            ["descriptors", "ms-ssim"].map(|what| ["128", "256", "1024"].map(|px| format!("{what}/{px}")));
        let rows: Vec<_> =
            names.as_flattened().iter().map(|name| row(name, &self.ours[0], &self.theirs[0])).collect();
        print_table(&["of an image or a pair, 1 thread", "pgkit, ms", "peer, ms", "times"], &rows);

        let mut rows = Vec::new();
        for size in if full { &["2^18", "2^21"][..] } else { &["2^18"] } {
            for (threads, (ours, theirs)) in THREADS.iter().zip(self.ours.iter().zip(&self.theirs)) {
                let ours = ours.get(&format!("distance/{size}"));
                let by_column = theirs.get(&format!("distance/{size}"));
                let by_row = theirs.get(&format!("{BY_ROW}/{size}"));
                let mut row = vec![(*size).to_owned(), (*threads).to_owned(), milliseconds(ours)];
                row.extend([milliseconds(by_column), times(ours, by_column)]);
                row.extend([milliseconds(by_row), times(ours, by_row)]);
                rows.push(row);
            }
        }
        let header = [
            "descriptors a side, 512 directions",
            "threads",
            "pgkit, ms",
            "peer, ms",
            "times",
            "peer by row, ms",
            "times",
        ];
        print_table(&header, &rows);
    }
}

fn must_agree(ours: &Best, theirs: &Best) -> Result<()> {
    if ours.names().next().is_none() {
        bail!("the benchmark of pg-metrics printed no value/ line to compare with the peer's");
    }
    // The peer computes the distance twice, in two layouts.
    for name in ours.names().chain(theirs.names()) {
        let same_here = name.replace(BY_ROW, "distance");
        let (a, b) = (ours.get(&same_here), theirs.get(name));
        let difference = a.zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(b.abs()));
        if difference.is_none_or(|difference| difference > TOLERANCE || difference.is_nan()) {
            bail!("{name} differs: pgkit {a:?}, the peer {b:?}; no times are shown for different work");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lines: &str) -> Best {
        let mut values = Best::default();
        values.take_lines(lines);
        values
    }

    #[test]
    fn the_peer_must_compute_the_same_in_both_layouts() {
        let ours = values("value/ms-ssim\t0.5\nvalue/distance\t0.02\n");
        let agrees = |lines: &str| must_agree(&ours, &values(lines)).map_err(|error| error.to_string());
        let distances = "value/distance\t0.02000001\nvalue/distance-by-row\t0.02\n";
        assert_eq!(agrees(&format!("value/ms-ssim\t0.500001\n{distances}")), Ok(()));
        for (lines, name) in [
            (format!("value/ms-ssim\t0.50001\n{distances}"), "value/ms-ssim"),
            (format!("value/ms-ssim\tnan\n{distances}"), "value/ms-ssim"),
            (distances.to_owned(), "value/ms-ssim"),
            ("value/ms-ssim\t0.5\nvalue/distance\t0.02\nvalue/distance-by-row\t0.03\n".to_owned(), "by-row"),
            (format!("value/ms-ssim\t0.5\nvalue/new\t1\n{distances}"), "value/new"),
        ] {
            assert!(agrees(&lines).is_err_and(|error| error.contains(name)), "{lines}");
        }
        assert!(must_agree(&Best::default(), &Best::default()).is_err());
    }
}
