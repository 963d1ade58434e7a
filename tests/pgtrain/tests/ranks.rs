//! Training on several processes, under mpirun. `cargo xtask test` runs these where Open MPI is installed
//! (`cargo xtask setup --mpi`), with a pgtrain that was built for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pg_testkit::sandbox::Sandbox;
use safetensors::SafeTensors;
use support::{sandbox_with_faces, small_run, wait_for_ticks};

/// pgtrain built with the feature `mpi`, beside the one without.
fn pgtrain_with_mpi() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("pgtrain-mpi");
    assert!(
        path.exists(),
        "{} is missing: `cargo xtask test` makes it, or `cargo build -p pgtrain --features mpi` and a copy of that",
        path.display()
    );
    path
}

/// `mpirun` of two ranks on this machine, with flags of its own.
fn mpirun(sandbox: &Sandbox, flags: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        .current_dir(sandbox.folder())
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("NO_COLOR", "1")
        .args(["-n", "2", "--oversubscribe", "--bind-to", "none"])
        .args(flags)
        .arg(pgtrain_with_mpi())
        .args(arguments)
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn finished(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn run_two(sandbox: &Sandbox, arguments: &[&str]) {
    let (status, stderr) = finished(&mpirun(sandbox, &[], arguments).output().unwrap());
    assert_eq!(status, Some(0), "{stderr}");
}

/// Process ids of the ranks, by rank.
fn ranks_of(launcher: &Child) -> Vec<u32> {
    let started = Instant::now();
    loop {
        let listed = format!("/proc/{0}/task/{0}/children", launcher.id());
        let text = fs::read_to_string(listed).unwrap_or_default();
        let rank = |pid: u32| -> Option<(u32, u32)> {
            let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let variables = String::from_utf8_lossy(&variables).into_owned();
            let rank = variables.split('\0').find_map(|v| v.strip_prefix("OMPI_COMM_WORLD_RANK="))?;
            Some((rank.parse().ok()?, pid))
        };
        let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
        let mut ranks: Vec<(u32, u32)> = pids.filter_map(rank).collect();
        ranks.sort_unstable();
        if ranks.len() == 2 {
            return ranks.into_iter().map(|(_, pid)| pid).collect();
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no two ranks: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// The newest snapshot's folder.
fn newest(run: &Path) -> PathBuf {
    let entries = fs::read_dir(run.join("snapshots")).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_none()).max().unwrap()
}

fn assert_same_bytes(sandbox: &Sandbox, one: &str, other: &str) {
    let (one, other) = (newest(&sandbox.path(one)), newest(&sandbox.path(other)));
    assert_eq!(one.file_name(), other.file_name());
    for file in ["generator", "generator-ema", "discriminator", "optimizer"] {
        let name = format!("{file}.safetensors");
        assert!(fs::read(one.join(&name)).unwrap() == fs::read(other.join(&name)).unwrap(), "{name} differs");
    }
}

/// The largest difference of any weight of the two newest snapshots.
fn largest_difference(sandbox: &Sandbox, one: &str, other: &str) -> f32 {
    let (one, other) = (newest(&sandbox.path(one)), newest(&sandbox.path(other)));
    assert_eq!(one.file_name(), other.file_name());
    let mut largest = 0.0_f32;
    for file in ["generator", "generator-ema", "discriminator"] {
        let read = |folder: &Path| fs::read(folder.join(format!("{file}.safetensors"))).unwrap();
        let (a, b) = (read(&one), read(&other));
        let (a, b) = (SafeTensors::deserialize(&a).unwrap(), SafeTensors::deserialize(&b).unwrap());
        for (name, tensor) in a.tensors() {
            let numbers = |bytes: &[u8]| -> Vec<f32> {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
            };
            let (a, b) = (numbers(tensor.data()), numbers(b.tensor(&name).unwrap().data()));
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).is_finite(), "{file} {name}");
                largest = largest.max((a - b).abs());
            }
        }
    }
    largest
}

/// That two runs of [`quiet_run`] differ as one of them does from itself with another number of threads: by what rounding
/// makes on this processor.
fn assert_same_but_for_rounding(sandbox: &Sandbox, one: &str, other: &str) {
    let mut arguments = quiet_run("rounded", "0.8");
    let threads = arguments.iter().position(|&argument| argument == "--threads").unwrap();
    arguments[threads + 1] = "2";
    let _ = sandbox.run("pgtrain", arguments).with_status(0);
    let floor = largest_difference(sandbox, one, "rounded");
    assert!(floor < 1e-4, "rounding makes {floor}");
    let difference = largest_difference(sandbox, one, other);
    // Other sums may round more than these: of a weight near one, to some ten of its last bits.
    assert!(difference <= 10.0 * floor.max(1e-6), "{difference}, by rounding {floor}");
}

/// [`small_run`] with steps a tenth as long and an epsilon above the rounding noise of gradients: else that noise grows
/// from step to step, as any noise does, and Adam makes full steps of it.
fn quiet_run<'a>(output: &'a str, kimg: &'a str) -> Vec<&'a str> {
    let mut arguments = small_run(output, kimg);
    arguments.extend(["--set", "adam_epsilon=0.01", "--set", "learning_rate=0.0001"]);
    arguments
}

#[test]
fn two_processes_train_what_one_trains() {
    let sandbox = sandbox_with_faces();
    // 50 steps of 16 images: stable, fading, stable.
    let _ = sandbox.run("pgtrain", quiet_run("one", "0.8")).with_status(0);
    run_two(&sandbox, &quiet_run("two", "0.8"));
    assert_same_but_for_rounding(&sandbox, "one", "two");
    let images = |run: &str| support::lines(&sandbox, &format!("{run}/log.jsonl")).len();
    assert_eq!(images("one"), images("two"));
}

#[test]
fn a_run_of_two_stopped_by_sigterm_goes_on_bit_for_bit() {
    let sandbox = sandbox_with_faces();
    run_two(&sandbox, &small_run("whole", "1.2"));
    let mut launcher = mpirun(&sandbox, &[], &small_run("stopped", "1.2")).spawn().unwrap();
    wait_for_ticks(&sandbox.path("stopped"), 1);
    // To one rank only: both stop after the same round.
    signal("-TERM", ranks_of(&launcher)[1]);
    let stderr = launcher.stderr.take().unwrap();
    let said = std::io::read_to_string(stderr).unwrap();
    assert_eq!(launcher.wait().unwrap().code(), Some(143), "{said}");
    assert!(said.contains("saved stopped/snapshots/") && said.contains("pgtrain resume stopped"), "{said}");
    run_two(&sandbox, &["resume", "stopped", "--device", "cpu", "--threads", "1"]);
    assert_same_bytes(&sandbox, "whole", "stopped");
}

#[test]
fn sigterm_to_the_launcher_stops_all_ranks_with_a_snapshot() {
    let sandbox = sandbox_with_faces();
    // Open MPI waits so many seconds before it passes SIGTERM on, and as many more before it kills.
    let grace = ["--mca", "odls_base_sigkill_timeout", "4"];
    let launcher = mpirun(&sandbox, &grace, &small_run("run", "100")).spawn().unwrap();
    wait_for_ticks(&sandbox.path("run"), 1);
    signal("-TERM", launcher.id());
    let (_, stderr) = finished(&launcher.wait_with_output().unwrap());
    assert!(stderr.contains("saved run/snapshots/"), "{stderr}");
}

#[test]
fn when_a_rank_dies_the_last_snapshot_is_named_and_the_run_goes_on_from_it() {
    let sandbox = sandbox_with_faces();
    for victim in [0, 1] {
        let run = format!("killed{victim}");
        let launcher = mpirun(&sandbox, &[], &small_run(&run, "60")).spawn().unwrap();
        wait_for_ticks(&sandbox.path(&run), 2);
        signal("-KILL", ranks_of(&launcher)[victim]);
        let (status, stderr) = finished(&launcher.wait_with_output().unwrap());
        assert_ne!(status, Some(0), "{stderr}");
        assert!(stderr.contains(&format!("pgtrain resume {run}")), "rank {victim}: {stderr}");
        assert!(stderr.contains(&format!("the last snapshot is {run}/snapshots/")), "{stderr}");
        // Fewer thousands are left to train than asked for at first.
        let settings = sandbox.path(&run).join("settings.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let before = newest(&sandbox.path(&run));
        let kimg: f64 = before.file_name().unwrap().to_string_lossy().parse().unwrap();
        let shorter = text.replace("total_kimg = 60.0", &format!("total_kimg = {:.1}", kimg + 1.5));
        assert_ne!(shorter, text);
        fs::write(&settings, shorter).unwrap();
        run_two(&sandbox, &["resume", &run, "--device", "cpu", "--threads", "1"]);
        assert!(newest(&sandbox.path(&run)) > before);
    }
}

#[test]
fn a_run_of_two_goes_on_with_one() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", quiet_run("one", "0.8")).with_status(0);
    let launcher = mpirun(&sandbox, &[], &quiet_run("two", "0.8")).spawn().unwrap();
    wait_for_ticks(&sandbox.path("two"), 1);
    signal("-TERM", ranks_of(&launcher)[0]);
    let (status, stderr) = finished(&launcher.wait_with_output().unwrap());
    assert_eq!(status, Some(143), "{stderr}");
    let _ = sandbox.run("pgtrain", ["resume", "two", "--device", "cpu", "--threads", "1"]).with_status(0);
    assert_same_but_for_rounding(&sandbox, "one", "two");
}

#[test]
fn an_error_of_all_is_told_once_and_its_status_is_that_of_one_process() {
    let sandbox = sandbox_with_faces();
    let mut groups = small_run("run", "1");
    groups.extend(["--set", "minibatch=12"]);
    let missing = ["run", "nothing-here", "-o", "run", "--preset", "tiny"];
    for (arguments, text) in [(groups.as_slice(), "multiple of 8"), (&missing, "nothing-here")] {
        let (status, stderr) = finished(&mpirun(&sandbox, &[], arguments).output().unwrap());
        assert_eq!(status, Some(2), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
        assert!(stderr.contains(text), "{stderr}");
    }
}

#[test]
fn other_commands_and_a_pgtrain_without_mpi_refuse_several_processes() {
    let sandbox = sandbox_with_faces();
    let two = [("OMPI_COMM_WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_RANK", "0")];
    let refused = |arguments: &[&str]| {
        let output = sandbox.command("pgtrain").args(arguments).envs(two).output().unwrap();
        let (status, stderr) = finished(&output);
        assert_eq!(status, Some(2), "{stderr}");
        stderr
    };
    assert!(refused(&small_run("run", "1")).contains("--features mpi"));
    assert!(!sandbox.path("run").exists());
    assert!(refused(&["plan", "--preset", "tiny"]).contains("pgtrain resume"));
}

/// A batch job whose ranks srun starts, without mpirun.
#[cfg(feature = "slurm")]
#[test]
#[ignore = "needs Slurm, as root: cargo xtask setup --slurm"]
fn ranks_started_by_slurm_train_what_those_of_mpirun_train() {
    let sandbox = sandbox_with_faces();
    run_two(&sandbox, &small_run("launched", "0.8"));
    let cluster = pg_testkit::slurm::Cluster::start(&sandbox.path("cluster"));
    let program = pgtrain_with_mpi().display().to_string();
    let arguments = small_run("scheduled", "0.8").join(" ");
    let script = format!("#!/bin/sh\nexec srun --mpi=pmix --kill-on-bad-exit=1 '{program}' {arguments}\n");
    let script = sandbox.write("job.sh", script);
    let submitted = cluster
        .command("sbatch")
        .args(["--ntasks=2", "--wait", "--output=job.txt"])
        .arg(script)
        .current_dir(sandbox.folder())
        .output()
        .unwrap();
    let said = fs::read_to_string(sandbox.path("job.txt")).unwrap_or_default();
    assert!(submitted.status.success(), "{submitted:?}\n{said}\n{}", cluster.logs());
    assert!(said.contains("2 ranks, 1 thread each"), "{said}");
    assert_same_bytes(&sandbox, "launched", "scheduled");
}
