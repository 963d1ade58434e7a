//! Reading shards, as a part of `cargo xtask bench train`: pgkit's feed beside what PyTorch users read with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::done;
use super::peer::{Peer, TORCH};
use super::table::{Best, milliseconds, print_table};
use super::train::{Arguments, built};
use crate::setup::NativeLibraries;
use crate::workspace::Workspace;

const LEVELS: [u32; 5] = [64, 128, 256, 512, 1024];

/// Draws a dataset of `arguments.images` portraits at 1024 px, reads it, and removes it.
pub(super) fn run(
    workspace: &Workspace,
    folder: &Path,
    library: &NativeLibraries,
    arguments: &Arguments,
) -> Result<()> {
    println!(
        "building pgprep and the benchmark of the data feed (release); drawing {} portraits",
        arguments.images
    );
    done(workspace.cargo().args(["build", "--release", "--quiet", "-p", "pgprep"]))?;
    let own = built(workspace, library, "data_feed")?;
    let scratch = folder.join("feed");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).context("cannot remove target/bench/feed")?;
    }
    fs::create_dir_all(&scratch).context("cannot make target/bench/feed")?;
    let levels: Vec<u32> = LEVELS.into_iter().filter(|px| arguments.has_level(*px)).collect();
    let images = draw(workspace, &scratch, arguments.images, &levels, !arguments.no_peer)?;
    let peer = if arguments.no_peer {
        None
    } else {
        Some(Peer::install(workspace, folder, "feed_peer.py", &TORCH)?)
    };
    let (mut ours, mut theirs) = (Best::default(), Best::default());
    let chosen = levels.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    for _ in 0..arguments.rounds {
        let mut command = Command::new(&own);
        library.apply(&mut command).current_dir(&scratch).args(["dataset", "--levels", &chosen]);
        ours.take_lines(&done(command.args(["--seconds", &arguments.seconds.to_string()]))?);
        if let Some(peer) = &peer {
            theirs.take_lines(&done(peer.command(&scratch, &[]).args(&images))?);
        }
    }
    print(&levels, &ours, &theirs);
    fs::remove_dir_all(&scratch).context("cannot remove target/bench/feed")
}

/// `dataset`, and for the peer a folder of PNG files for each level, which it returns.
fn draw(
    workspace: &Workspace,
    scratch: &Path,
    count: usize,
    levels: &[u32],
    png: bool,
) -> Result<Vec<PathBuf>> {
    let tool = |arguments: &[&str]| {
        let mut command = Command::new(workspace.release_binaries().join("pgprep"));
        done(command.current_dir(scratch).args(arguments).arg("--quiet"))
    };
    tool(&["synth", "-o", "photos", "--count", &count.to_string()])?;
    let landmarks = "photos/list_landmarks.txt";
    tool(&[
        "align",
        "photos/images",
        "--landmarks",
        landmarks,
        "-o",
        "dataset",
        "--size",
        "1024",
        "--format",
        "shards",
    ])?;
    let mut folders = Vec::new();
    for px in levels.iter().filter(|_| png).map(u32::to_string) {
        tool(&["extract", "dataset", "-o", &px, "--resolution", &px])?;
        folders.push(PathBuf::from(px));
    }
    Ok(folders)
}

fn print(levels: &[u32], ours: &Best, theirs: &Best) {
    let rows: Vec<Vec<String>> = levels
        .iter()
        .map(|px| {
            let own = |name: &str| ours.get(&format!("{name}/{px}"));
            let (feed, copy) = (own("feed"), own("copy"));
            let share = feed
                .zip(copy)
                .map_or_else(|| "-".to_owned(), |(feed, copy)| format!("{:.0} %", 100.0 * copy / feed));
            let peer = |name: &str| milliseconds(theirs.get(&format!("{name}/{px}")));
            let cells = [
                milliseconds(feed),
                share,
                milliseconds(own("feed-f32")),
                milliseconds(copy),
                peer("loader"),
                peer("webdataset"),
            ];
            std::iter::once(px.to_string()).chain(cells).collect()
        })
        .collect();
    let header = [
        "reading, microseconds an image, px",
        "pgkit, bytes",
        "of memory's speed",
        "pgkit, f32 tensor",
        "copy by 2 threads",
        "DataLoader, PNG",
        "WebDataset",
    ];
    print_table(&header, &rows);
}
