//! Builds that find too little room, before they start and in the middle.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::process::{Command, Output};

use pg_testkit::sandbox::{Sandbox, built_binary};
use support::{pgprep, with_portraits};

const PACK: &str = "pack in/images --fit crop --resolution 128 --images-per-shard 2 --threads 1 -o";

/// Runs a shell script in the sandbox, `$PGPREP` being the tool.
fn shell(sandbox: &Sandbox, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(sandbox.folder()).env("PGPREP", built_binary("pgprep"));
    command.output().unwrap()
}

/// Runs a script with a small file system mounted at `disk`, where only it and its children see it. `None` where this user
/// may not mount.
fn on_a_disk_of(sandbox: &Sandbox, size: &str, script: &str) -> Option<Output> {
    std::fs::create_dir_all(sandbox.path("disk")).unwrap();
    let mount = format!("mount -t tmpfs -o size={size} tmpfs disk");
    let may = |flags: &str| shell(sandbox, &format!("unshare {flags} sh -c '{mount}'")).status.success();
    let flags = ["-m", "-Urm"].into_iter().find(|flags| may(flags))?;
    sandbox.write("script.sh", format!("{mount} || exit 99\n{script}"));
    Some(shell(sandbox, &format!("unshare {flags} sh script.sh")))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_size_is_said_before_the_build_starts() {
    let sandbox = with_portraits(4);
    let run = pgprep(&sandbox, &format!("{PACK} raw")).with_status(0);
    // 4 x 3 x (128^2 + ... + 4^2) bytes and 12 headers.
    assert!(run.stderr.contains("4 images at 4, 8, 16, 32, 64, 128 px take 258.9 KiB, "), "{}", run.stderr);
    assert!(run.stderr.contains(" are free"), "{}", run.stderr);
    let run = pgprep(&sandbox, &format!("{PACK} small --levels 64.. --codec med-zstd")).with_status(0);
    assert!(run.stderr.contains("4 images at 64, 128 px take about "), "{}", run.stderr);
    let quiet = pgprep(&sandbox, &format!("{PACK} quiet --quiet")).with_status(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn too_little_room_is_refused_before_anything_is_written() {
    let sandbox = with_portraits(8);
    let Some(run) =
        on_a_disk_of(&sandbox, "256k", &format!("$PGPREP {PACK} disk/out; s=$?; ls disk; exit $s"))
    else {
        eprintln!("skipped: this user may mount no file system");
        return;
    };
    let stderr = text(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert_eq!(text(&run.stdout), "", "the disk stays empty");
    assert!(stderr.contains("256.0 KiB are free on that disk, "), "{stderr}");
    assert!(stderr.contains("are missing: free them, choose another folder"), "{stderr}");
}

#[test]
fn a_disk_that_fills_up_keeps_finished_shards_and_the_same_command_goes_on() {
    let sandbox = with_portraits(24);
    let _ = pgprep(&sandbox, &format!("{PACK} straight")).with_status(0);
    // Another program takes the room once two shards are there, and gives it back.
    let script = format!(
        "$PGPREP {PACK} disk/out 2>first.txt &
         while ! test -e disk/out/index/shard-00001.jsonl; do :; done
         dd if=/dev/zero of=disk/hog bs=4k 2>/dev/null
         wait $!; echo first $?
         find disk -name '*.partial' | wc -l
         ls disk/out/index | wc -l
         rm disk/hog
         $PGPREP {PACK} disk/out 2>second.txt; echo second $?
         cp -r disk/out out"
    );
    let Some(run) = on_a_disk_of(&sandbox, "8m", &script) else {
        eprintln!("skipped: this user may mount no file system");
        return;
    };
    let lines: Vec<String> = text(&run.stdout).lines().map(|line| line.trim().to_owned()).collect();
    let first = std::fs::read_to_string(sandbox.path("first.txt")).unwrap();
    assert_eq!(lines[0], "first 2", "{first}");
    assert!(first.contains("no room left in disk/out: "), "{first}");
    assert!(first.contains(" of 12 shards are finished; run the same command again to go on"), "{first}");
    assert_eq!(lines[1], "0", "no partial files");
    assert!(lines[2].parse::<u32>().unwrap() >= 2, "{lines:?}");
    let second = std::fs::read_to_string(sandbox.path("second.txt")).unwrap();
    assert!(lines.contains(&"second 0".to_owned()), "{lines:?} {second}");
    assert!(second.contains("going on after"), "{second}");
    // The name of the output is part of the provenance.
    let without_manifest = |folder: &str| {
        let files = sandbox.contents(folder).into_iter();
        files.filter(|(name, _)| !name.starts_with("dataset.")).collect::<Vec<_>>()
    };
    assert!(without_manifest("out") == without_manifest("straight"));
}

#[test]
fn a_limit_on_the_size_of_files_stops_cleanly_too() {
    let sandbox = with_portraits(6);
    // 64 blocks of 512 bytes: less than a shard of the finest level. The signal that comes with it is ignored.
    let run = shell(&sandbox, &format!("trap '' XFSZ; ulimit -f 64; exec $PGPREP {PACK} out"));
    let stderr = text(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("a quota or the limit of files or of their size was met"), "{stderr}");
    assert!(stderr.contains("0 of 3 shards are finished"), "{stderr}");
    let partial = sandbox.contents("out").into_iter().filter(|(name, _)| name.contains("shard-"));
    assert_eq!(partial.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<String>::new());
    let _ = pgprep(&sandbox, &format!("{PACK} out")).with_status(0);
    let _ = pgprep(&sandbox, "verify out").with_status(0);
}
