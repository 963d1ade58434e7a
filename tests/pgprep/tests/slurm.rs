//! A job array of a real Slurm, started on this machine, makes the parts of a dataset.
#![cfg(feature = "slurm")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::path::PathBuf;

use pg_testkit::sandbox::Sandbox;
use pg_testkit::slurm::Cluster;
use support::{ALIGN, pgprep, with_portraits};

/// Writes `name`, a job of `command`.
fn job(sandbox: &Sandbox, command: &str) -> PathBuf {
    let program = sandbox.command("pgprep").get_program().to_string_lossy().into_owned();
    sandbox.write("job.sh", format!("#!/bin/sh\nexec '{program}' {command}\n"))
}

#[test]
#[ignore = "needs Slurm, as root: cargo xtask setup --slurm"]
fn a_job_array_of_four_makes_the_dataset_that_one_run_makes() {
    let sandbox = with_portraits(24);
    let align = format!("{ALIGN} --format shards --images-per-shard 2");
    let _ = pgprep(&sandbox, &format!("{align} -o out")).with_status(0);
    let once = sandbox.contents("out");
    fs::rename(sandbox.path("out"), sandbox.path("once")).unwrap();

    let cluster = Cluster::start(&sandbox.path("cluster"));
    let script = job(&sandbox, &format!("{align} -o parts --part auto"));
    let submitted = cluster
        .command("sbatch")
        .args(["--array=5-8", "--wait", "--output=task-%a.txt"])
        .arg(script)
        .current_dir(sandbox.folder())
        .output()
        .unwrap();
    let tasks: String = (5..=8)
        .map(|task| fs::read_to_string(sandbox.path(format!("task-{task}.txt"))).unwrap_or_default())
        .collect();
    assert!(submitted.status.success(), "{submitted:?}\n{tasks}\n{}", cluster.logs());
    for part in 1..=4 {
        assert!(tasks.contains(&format!("6 images in 3 shards in parts/part-{part}-of-4")), "{tasks}");
    }
    let _ = pgprep(&sandbox, "merge parts -o out").with_status(0);
    let _ = pgprep(&sandbox, "verify out").with_status(0);
    assert!(sandbox.contents("out") == once, "the merged dataset is not the same");

    // A task that fails can be given again alone.
    fs::remove_dir_all(sandbox.path("parts/part-2-of-4")).unwrap();
    let again = cluster
        .command("sbatch")
        .args(["--array=2", "--wait", "--output=again.txt"])
        .arg(job(&sandbox, &format!("{align} -o parts --part $SLURM_ARRAY_TASK_ID/4")))
        .current_dir(sandbox.folder())
        .status();
    assert!(again.unwrap().success(), "{}", cluster.logs());
    let _ = pgprep(&sandbox, "merge parts -o again").with_status(0);
    let _ = pgprep(&sandbox, "compare again out").with_status(0);
}
