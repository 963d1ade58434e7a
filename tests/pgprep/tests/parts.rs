//! Datasets and folders made in parts, and merged, are those of one run.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{ALIGN, pgprep, with_portraits};

/// What a merge into `out` gives is what `out` was made by at once.
#[track_caller]
fn assert_same(sandbox: &Sandbox, one: &[(String, Vec<u8>)]) {
    let merged = sandbox.contents("out");
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&merged), names(one));
    for ((name, merged), (_, one)) in merged.iter().zip(one) {
        assert!(merged == one, "{name} differs:\n{}", String::from_utf8_lossy(merged));
    }
}

/// Runs `command` with `-o out`, moves the result away, and gives its files.
fn at_once(sandbox: &Sandbox, command: &str, status: i32) -> Vec<(String, Vec<u8>)> {
    let _ = pgprep(sandbox, &format!("{command} -o out")).with_status(status);
    let contents = sandbox.contents("out");
    fs::rename(sandbox.path("out"), sandbox.path("once")).unwrap();
    contents
}

fn json(sandbox: &Sandbox, arguments: &str, status: i32) -> Value {
    serde_json::from_str(&pgprep(sandbox, arguments).with_status(status).stdout).unwrap()
}

#[test]
fn seven_parts_one_of_them_killed_and_run_again_are_the_dataset_of_one_run() {
    let sandbox = with_portraits(44);
    // One photo is torn: it fails in its part as in the whole.
    fs::write(sandbox.path("in/images/000013.jpg"), b"torn").unwrap();
    let align = format!("{ALIGN} --format shards --images-per-shard 2 --threads 1");
    let once = at_once(&sandbox, &align, 1);
    for part in [7, 2, 3, 1, 5, 6] {
        let holds_the_torn_one = part == 3;
        let _ = pgprep(&sandbox, &format!("{align} -o parts --part {part}/7"))
            .with_status(i32::from(holds_the_torn_one));
    }
    // Part 4, killed after its first shard.
    let arguments = format!("{align} -o parts --part 4/7");
    let mut child = sandbox
        .command("pgprep")
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = sandbox.path("parts/part-4-of-7");
    // Shards 9 to 11 are its own.
    let begun = || folder.join("index/shard-00009.jsonl").exists();
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was in the middle");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("part.json").exists(), "it was killed in the middle");
    let error = pgprep(&sandbox, "merge parts -o out").with_status(2).stderr;
    assert!(error.contains("part-4-of-7 is an unfinished part"), "{error}");

    let again = pgprep(&sandbox, &arguments).with_status(0);
    assert!(again.stderr.contains("going on after"), "{}", again.stderr);
    let merged = pgprep(&sandbox, "merge parts -o out").with_status(1);
    assert!(merged.stdout.contains("43 images at 32, 16, 8, 4 px in out; 1 failed"), "{}", merged.stdout);
    assert_same(&sandbox, &once);
    // No pixel was copied.
    let file = "r0032/shard-00000.safetensors";
    let inode = |folder: &str| fs::metadata(sandbox.path(folder).join(file)).unwrap().ino();
    assert_eq!(inode("out"), inode("parts/part-1-of-7"));
    let _ = pgprep(&sandbox, "verify out").with_status(0);
}

#[test]
fn a_merged_dataset_is_repaired_from_its_sources_as_any() {
    let sandbox = with_portraits(6);
    let align = format!("{ALIGN} --format shards --images-per-shard 2");
    for part in 1..=2 {
        let _ = pgprep(&sandbox, &format!("{align} -o parts --part {part}/2")).with_status(0);
    }
    let _ = pgprep(&sandbox, "merge parts -o out --by copy").with_status(0);
    let before = sandbox.contents("out");
    fs::write(sandbox.path("out/r0032/shard-00001.safetensors"), b"torn").unwrap();
    let _ = pgprep(&sandbox, "verify out --repair").with_status(0);
    assert_same(&sandbox, &before);
}

#[test]
fn pack_in_parts_keeps_labels_order_and_codec() {
    let sandbox = with_portraits(13);
    let mut table = "file,label\n".to_owned();
    for number in 1..=13 {
        writeln!(table, "{number:06}.jpg,{}", number % 3).unwrap();
    }
    sandbox.write("labels.csv", table);
    let pack = "pack in/images --resolution 64 --fit crop --labels labels.csv --shuffle 5 --codec med-zstd --levels 8.. --images-per-shard 2";
    let once = at_once(&sandbox, pack, 0);
    // More parts than shards: some are empty.
    for part in 1..=9 {
        let said = pgprep(&sandbox, &format!("{pack} -o parts --part {part}/9")).with_status(0);
        let empty = said.stdout.starts_with("0 images in 0 shards");
        assert_eq!(said.stderr.contains("--images-per-shard N makes more"), empty, "{}", said.stderr);
    }
    let _ = pgprep(&sandbox, "merge parts -o out --by move").with_status(0);
    assert_same(&sandbox, &once);
    assert!(!sandbox.path("parts/part-2-of-9/index/shard-00000.jsonl").exists());
    // Complete: the same command again has nothing to do.
    let again = pgprep(&sandbox, "merge parts -o out --by move").with_status(0);
    assert!(again.stdout.contains("13 images"), "{}", again.stdout);
}

#[test]
fn folders_of_png_files_are_merged_as_well() {
    let sandbox = with_portraits(9);
    fs::write(sandbox.path("in/images/000004.jpg"), b"torn").unwrap();
    let once = at_once(&sandbox, ALIGN, 1);
    for part in 1..=4 {
        let _ = pgprep(&sandbox, &format!("{ALIGN} -o parts --part {part}/4"));
    }
    let error = pgprep(&sandbox, "merge parts/part-1-of-4 parts/part-3-of-4 -o out").with_status(2).stderr;
    assert!(error.contains("parts 2, 4 of 4 are missing"), "{error}");
    let said = json(&sandbox, "merge parts -o out --json", 1);
    assert_eq!((&said["files"], &said["failed"]), (&8.into(), &1.into()));
    assert_same(&sandbox, &once);
    // Parts of a dataset do not go with them.
    let shards = format!("{ALIGN} --format shards -o shards --part 1/4");
    let _ = pgprep(&sandbox, &shards);
    let error = pgprep(&sandbox, "merge parts shards -o both").with_status(2).stderr;
    assert!(error.contains("give those of one command"), "{error}");
}

#[test]
fn a_scheduler_says_which_part_when_auto_asks_it() {
    let sandbox = with_portraits(8);
    let align = format!("{ALIGN} --format shards --images-per-shard 2");
    let once = at_once(&sandbox, &align, 0);
    let auto = |variables: &[(&str, &str)], more: &str| {
        let arguments = format!("{align} -o parts --part auto {more}");
        let mut command = sandbox.command("pgprep");
        command.args(arguments.split_whitespace()).envs(variables.iter().copied());
        command.output().unwrap()
    };
    assert!(
        auto(
            &[("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_COUNT", "4"), ("SLURM_ARRAY_TASK_MIN", "7")],
            ""
        )
        .status
        .success()
    );
    assert!(auto(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "4")], "").status.success());
    for index in ["2", "3"] {
        assert!(auto(&[("JOB_COMPLETION_INDEX", index)], "--parts 4").status.success());
    }
    let none = auto(&[], "");
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("finds no scheduler"));
    let _ = pgprep(&sandbox, "merge parts -o out").with_status(0);
    assert_same(&sandbox, &once);

    // Without --part the same environment changes nothing.
    let mut command = sandbox.command("pgprep");
    command.args(format!("{align} -o plain").split_whitespace());
    command.envs([("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "4")]);
    assert!(command.output().unwrap().status.success());
    assert!(sandbox.path("plain/dataset.json").exists());
}

#[test]
fn missing_doubled_and_foreign_parts_are_refused_by_name() {
    let sandbox = with_portraits(8);
    let align = format!("{ALIGN} --format shards --images-per-shard 1");
    for part in 1..=3 {
        let _ = pgprep(&sandbox, &format!("{align} -o parts --part {part}/3")).with_status(0);
    }
    let _ = pgprep(&sandbox, &format!("{align} -o again --part 2/3")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{align} --filter lanczos -o other --part 2/3")).with_status(0);
    let refused = |arguments: &str, expected: &[&str]| {
        let error = pgprep(&sandbox, &format!("merge {arguments} -o out")).with_status(2).stderr;
        for text in expected {
            assert!(error.contains(text), "{text:?} not in {error}");
        }
        assert!(!sandbox.path("out/dataset.json").exists());
    };
    refused("parts/part-1-of-3 again", &["parts 3 of 3 are missing", "--part I/3"]);
    refused("parts again", &["parts/part-2-of-3", "again/part-2-of-3", "are both part 2"]);
    refused("parts/part-1-of-3 other", &["other/part-2-of-3 is no part of what", "filter differs"]);
    refused("in", &["in is no part of a dataset"]);
    refused("nowhere", &["nowhere is no part of a dataset"]);
    // A part is no dataset, and says so; a dataset is no part.
    let error = pgprep(&sandbox, "info parts/part-1-of-3").with_status(2).stderr;
    assert!(error.contains("is a part of a dataset: `pgprep merge`"), "{error}");
    let _ = pgprep(&sandbox, "merge parts -o whole").with_status(0);
    refused("whole", &["whole is no part of a dataset"]);
    // Another part, or the whole, does not go into a part's folder.
    let error =
        pgprep(&sandbox, &format!("{align} --filter lanczos -o parts --part 2/3")).with_status(2).stderr;
    assert!(error.contains("choose another output folder"), "{error}");
    for wrong in ["0/3", "4/3", "2", "x"] {
        let error = pgprep(&sandbox, &format!("{align} -o parts --part {wrong}")).with_status(2).stderr;
        assert!(error.contains("expected I/N"), "{error}");
    }
}

#[test]
fn parts_of_which_nothing_came_merge_to_nothing() {
    let sandbox = with_portraits(4);
    for number in 1..=4 {
        fs::write(sandbox.path(format!("in/images/{number:06}.jpg")), b"torn").unwrap();
    }
    for format in ["", "--format shards --images-per-shard 2"] {
        for part in ["1/2", "2/2"] {
            let _ = pgprep(&sandbox, &format!("{ALIGN} {format} -o parts --part {part}")).with_status(1);
        }
        let merged = pgprep(&sandbox, "merge parts -o merged").with_status(1);
        assert!(merged.stderr.contains("nothing was written to merged"), "{}", merged.stderr);
        assert!(!sandbox.path("merged").exists());
        fs::remove_dir_all(sandbox.path("parts")).unwrap();
    }
}
