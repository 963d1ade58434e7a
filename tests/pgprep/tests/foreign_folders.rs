//! Nothing that this tool did not write is changed: every command that writes, into folders and files of other tools.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

/// Files of other tools, under names that files of ours have or had.
const FOREIGN: [(&str, &str); 15] = [
    ("dataset.json", "{\"labels\": null}"),
    ("part.json", "{}"),
    ("align.json", "[]"),
    ("select.json", "{\"selected\": 3}"),
    ("export.json", "not JSON"),
    ("extract.json", "{}"),
    ("synth.json", "{}"),
    ("failed.jsonl", "mine"),
    ("build.json", "{\"steps\": []}"),
    ("build.lock", "mine"),
    ("build/main.o", "mine"),
    ("repair/notes.txt", "mine"),
    ("pgkit-build.json", "mine too"),
    ("pgkit-build/notes.txt", "mine too"),
    ("images/000000.png", "mine"),
];

fn with_inputs() -> Sandbox {
    let sandbox = with_portraits(8);
    let _ = pgprep(&sandbox, "pack in/images --fit crop --resolution 64 -o set -q").with_status(0);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o parts --part 1/2 -q")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o parts --part 2/2 -q")).with_status(0);
    sandbox
}

const COMMANDS: [&str; 11] = [
    "pack in/images --fit crop -o proj",
    "pack in/images --fit crop -o proj --part 1/1",
    "align in/images --landmarks in/list_landmarks.txt --size 32 --format shards -o proj",
    "align in/images --landmarks in/list_landmarks.txt --size 32 -o proj",
    "merge parts -o proj",
    "select in/images --keep 2 -o proj",
    "extract set -o proj",
    "export set --format tfrecord -o proj/faces",
    "synth -o proj --count 2",
    "verify proj --repair --source in/images",
    "export set --format zip -o proj",
];

#[test]
fn a_folder_of_foreign_files_is_refused_and_left_as_it_is() {
    let sandbox = with_inputs();
    for command in COMMANDS {
        // All of them, then each alone: one of them could be what keeps a command from touching the others.
        let alone = FOREIGN.iter().map(std::slice::from_ref);
        for foreign in [&FOREIGN[..]].into_iter().chain(alone) {
            let _ = fs::remove_dir_all(sandbox.path("proj"));
            for (name, text) in foreign {
                sandbox.write(format!("proj/{name}"), text);
                sandbox.write(format!("proj/part-1-of-1/{name}"), text);
                sandbox.write(format!("proj/faces/{name}"), text);
            }
            let before = sandbox.contents("proj");
            for overwrite in ["", " --overwrite"] {
                let typed = format!("{command}{overwrite}");
                let finished = pgprep(&sandbox, &typed);
                assert_eq!(finished.status, 2, "{typed} with {foreign:?}: {}", finished.stderr);
                assert!(before == sandbox.contents("proj"), "{typed} with {foreign:?}: {}", finished.stderr);
            }
        }
    }
}

#[test]
fn a_build_without_any_image_is_no_success_and_leaves_nothing() {
    let sandbox = with_portraits(4);
    for i in 0..3 {
        sandbox.write(format!("bad/{i}.png"), b"\x89PNG\r\n\x1a\n and no more");
    }
    // Larger than the images, without a way to enlarge them; and images that cannot be read.
    for (command, images) in
        [("pack in/images --resolution 4096 -o out", 4), ("select bad --keep 2 -o out", 3)]
    {
        let finished = pgprep(&sandbox, command).with_status(1);
        let expected = format!("none of the {images} images could be used: nothing was written to out");
        assert!(finished.stderr.contains(&expected), "{command}: {}", finished.stderr);
        assert!(!sandbox.path("out").exists(), "{command}");
    }
    let _ = pgprep(&sandbox, "pack in/images --fit crop -o out").with_status(0);
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_written_to_or_refused_and_never_replaced() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let sandbox = with_inputs();
    symlink("/dev/null", sandbox.path("null")).unwrap();
    symlink("sheet-there.png", sandbox.path("sheet.png")).unwrap();
    for command in ["view set -o null", "export set --format zip -o null", "view set -o /dev/null"] {
        let finished = pgprep(&sandbox, command);
        assert!([0, 2].contains(&finished.status), "{command}: {}", finished.stderr);
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device(), "{command}");
        assert!(sandbox.path("null").is_symlink(), "{command}");
    }
    let _ = pgprep(&sandbox, "view set -o sheet.png").with_status(0);
    assert!(sandbox.path("sheet.png").is_symlink() && sandbox.path("sheet-there.png").is_file());
}
