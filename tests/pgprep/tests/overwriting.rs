//! `--overwrite`: what is there is replaced, if this tool wrote it, and nothing else ever is.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

fn with_inputs() -> Sandbox {
    let sandbox = with_portraits(6);
    let _ = pgprep(&sandbox, "pack in/images --fit crop --resolution 32 -o set -q").with_status(0);
    for (name, format) in [("shards", "--format shards"), ("files", "")] {
        for part in ["1/2", "2/2"] {
            let command = format!("{ALIGN} {format} -o parts-{name} --part {part} -q");
            let _ = pgprep(&sandbox, &command).with_status(0);
        }
    }
    sandbox
}

#[test]
fn a_file_that_is_there_is_refused_before_any_work_and_replaced_with_overwrite() {
    let sandbox = with_inputs();
    for (command, file) in [
        ("view set -o x/sheet.png", "x/sheet.png"),
        (
            "align in/images --landmarks in/list_landmarks.txt --size 32 --preview -o x/preview.png",
            "x/preview.png",
        ),
        ("export set --format zip -o x/set.zip", "x/set.zip"),
        ("select in/images --keep 2 --report x -o x/kept", "x/best.png"),
    ] {
        sandbox.write(file, "mine");
        let finished = pgprep(&sandbox, command).with_status(2);
        let expected = "exists already: choose another name, or --overwrite";
        assert!(finished.stderr.contains(expected), "{command}: {}", finished.stderr);
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), b"mine", "{command}");
        let overwrite =
            if command.contains("--report") { "--overwrite -o x/kept-again" } else { "--overwrite" };
        let command = command.replace("-o x/kept", "");
        let _ = pgprep(&sandbox, &format!("{command} {overwrite}")).with_status(0);
        assert_ne!(fs::read(sandbox.path(file)).unwrap(), b"mine", "{command}");
    }
    // Of a report, what is there already as it would be written is no obstacle.
    let _ = pgprep(&sandbox, "select in/images --keep 2 --report x -o x/kept-anew").with_status(0);
    // An empty file, such as mktemp makes, holds nothing.
    sandbox.write("empty.png", "");
    let _ = pgprep(&sandbox, "view set -o empty.png").with_status(0);
}

/// Each command, and another one with the same output folder.
const REPLACED: [(&str, &str); 9] = [
    ("pack in/images --fit crop --resolution 32", "pack in/images --fit crop --resolution 64"),
    (
        "pack in/images --fit crop --resolution 32 --part 1/1",
        "pack in/images --fit crop --resolution 64 --part 1/1",
    ),
    (
        "align in/images --landmarks in/list_landmarks.txt --size 32",
        "align in/images --landmarks in/list_landmarks.txt --size 64",
    ),
    (
        "align in/images --landmarks in/list_landmarks.txt --size 32 --part 1/1",
        "align in/images --landmarks in/list_landmarks.txt --size 64 --part 1/1",
    ),
    ("select in/images --keep 2", "select in/images --keep 4"),
    ("extract set", "extract set --resolution 16"),
    ("export set --format tfrecord", "export set --format tfrecord --resolution 16"),
    ("synth --count 2", "synth --count 3 --seed 7"),
    ("merge parts-files", "merge parts-shards"),
];

#[test]
fn a_finished_output_is_replaced_by_what_the_command_writes_elsewhere() {
    let sandbox = with_inputs();
    for (first, second) in REPLACED {
        for at in ["here/out", "there/out"] {
            let _ = fs::remove_dir_all(sandbox.path(at));
        }
        let _ = pgprep(&sandbox, &format!("{first} -o here/out")).with_status(0);
        let before = sandbox.contents("here/out");
        let refused = pgprep(&sandbox, &format!("{second} -o here/out")).with_status(2);
        assert!(before == sandbox.contents("here/out"), "{second}: {}", refused.stderr);

        let _ = pgprep(&sandbox, &format!("{second} -o here/out --overwrite")).with_status(0);
        let _ = pgprep(&sandbox, &format!("{second} -o there/out")).with_status(0);
        let names = |at: &str| sandbox.contents(at).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("here/out"), names("there/out"), "{second}");
        assert_eq!(names("here").len(), names("there").len(), "{second}: something was left beside it");
        // Again, with the same command: it is done anew.
        let again = pgprep(&sandbox, &format!("{second} -o here/out --overwrite")).with_status(0);
        assert!(!again.stderr.contains("complete already"), "{second}: {}", again.stderr);

        let part = if second.contains("--part") { "/part-1-of-1" } else { "" };
        let note = format!("here/out{part}/notes.txt");
        sandbox.write(&note, "mine");
        let before = sandbox.contents("here/out");
        let refused = pgprep(&sandbox, &format!("{first} -o here/out --overwrite")).with_status(2);
        assert!(refused.stderr.contains("was not written by this tool"), "{first}: {}", refused.stderr);
        assert!(before == sandbox.contents("here/out"), "{first}");
    }
}

#[test]
fn a_begun_dataset_of_another_command_is_replaced() {
    let sandbox = with_inputs();
    for i in [1, 2, 4, 5, 6] {
        let name = format!("images/{i:06}.jpg");
        sandbox.write(format!("more/{name}"), fs::read(sandbox.path(format!("in/{name}"))).unwrap());
    }
    let align = ALIGN.replace("in/images", "more/images");
    let _ = pgprep(&sandbox, &format!("{align} --format shards --on-error fail -o out")).with_status(1);
    let other = "pack in/images --fit crop --resolution 64 -o out";
    let _ = pgprep(&sandbox, other).with_status(2);
    let _ = pgprep(&sandbox, &format!("{other} --overwrite")).with_status(0);
    let _ = pgprep(&sandbox, "verify out").with_status(0);
}

#[test]
fn a_command_with_overwrite_that_was_stopped_goes_on() {
    let sandbox = with_inputs();
    for i in [1, 2, 4, 5, 6] {
        let name = format!("images/{i:06}.jpg");
        sandbox.write(format!("more/{name}"), fs::read(sandbox.path(format!("in/{name}"))).unwrap());
    }
    let align = ALIGN.replace("in/images", "more/images");
    for format in
        ["--format shards --images-per-shard 1", "", "--format shards --images-per-shard 1 --part 1/1"]
    {
        let _ = fs::remove_dir_all(sandbox.path("out"));
        // The third photo is missing: it stops there, and it stops there again.
        let command = format!("{align} {format} --on-error fail -o out --overwrite");
        let _ = pgprep(&sandbox, &command).with_status(1);
        let before = sandbox.contents("out");
        let again = pgprep(&sandbox, &command).with_status(1);
        assert!(again.stderr.contains("going on after "), "{format}: {}", again.stderr);
        let after = sandbox.contents("out");
        assert!(before.iter().all(|file| after.contains(file)), "{format}: something is gone");
    }
}

#[test]
fn what_is_read_is_never_removed() {
    let sandbox = with_inputs();
    for command in [
        "pack set -o set",
        "extract set -o set",
        "select set --keep 2 -o set",
        "pack in -o in",
        "merge parts-shards -o parts-shards/part-1-of-2",
        "merge parts-files -o parts-files/part-1-of-2",
    ] {
        let before = sandbox.contents(".");
        let refused = pgprep(&sandbox, &format!("{command} --overwrite")).with_status(2);
        assert!(before == sandbox.contents("."), "{command}: {}", refused.stderr);
    }
}
