//! Sources as people have them: formats that are not read, files of other programs, encodings of text.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use image::RgbImage;
use pg_testkit::sandbox::Sandbox;
use serde_json::{Value, json};
use support::{pgprep, with_portraits};

fn with_squares(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (i, name) in names.iter().enumerate() {
        let path = sandbox.path("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(16, 16, image::Rgb([i as u8, 7, 9])).save(path).unwrap();
    }
    sandbox
}

#[test]
fn images_of_formats_that_are_not_read_fail_by_name_and_other_files_are_counted() {
    let sandbox = with_squares(&["a.png", "@eaDir/a.png", "b/.ipynb_checkpoints/a.png"]);
    for (name, bytes) in [
        ("b.heic", &b"\0\0\0\x18ftypheic\0\0\0\0"[..]),
        ("c.jpg", b"\0\0\0\x14ftypmif1\0\0\0\0heic"),
        ("d.psd", b"8BPS\0\x01"),
        ("e.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("f.dng", b"II*\0\x08\0\0\0"),
        ("notes.txt", b"hello"),
        ("features.npy", b"\x93NUMPY"),
    ] {
        sandbox.write(format!("in/{name}"), bytes);
    }
    let packed = pgprep(&sandbox, "pack in -o set --json").with_status(1);
    for expected in [
        "b.heic is HEIC, which is not read: convert it",
        "c.jpg is HEIC, which is not read",
        "d.psd is PSD",
        "e.jp2 is JPEG 2000",
        "f.dng is a camera's raw file",
        "in: no images, left out: 2 files (\"features.npy\", \"notes.txt\"), 2 hidden or system folders (\"@eaDir\", \"b/.ipynb_checkpoints\")",
    ] {
        assert!(packed.stderr.contains(expected), "{expected}: {}", packed.stderr);
    }
    let json: Value = serde_json::from_str(&packed.stdout).unwrap();
    assert_eq!((json["images"].as_u64(), json["failed"].as_u64()), (Some(1), Some(5)));
    assert_eq!(json["failed_kinds"], json!({ "dng": 1, "heic": 1, "jp2": 1, "jpg": 1, "psd": 1 }));
    let (files, folders) = (&json["left_out"]["files"], &json["left_out"]["folders"]);
    assert_eq!(*files, json!({ "count": 2, "first": ["features.npy", "notes.txt"] }));
    assert_eq!(folders["count"], 2);
    let failed = fs::read_to_string(sandbox.path("set/failed.jsonl")).unwrap();
    assert_eq!(failed.lines().count(), 5);
    let in_words = pgprep(&sandbox, "pack in -o other").with_status(1);
    let kinds = "5 failed (1 dng, 1 heic, 1 jp2, 1 jpg, 1 psd), see other/failed.jsonl";
    assert!(in_words.stdout.contains(kinds), "{}", in_words.stdout);
}

#[test]
fn names_reach_the_terminal_with_their_control_characters_written_out() {
    let sandbox = with_squares(&["a.png"]);
    for name in ["in/clear\u{1b}[2J.png", "in/two\nlines.png", "in/\u{202e}gnp.jpg", "in/bell\u{7}.txt"] {
        sandbox.write(name, b"no picture");
    }
    for command in ["pack in -o set", "pack in/clear\u{1b}[2J.png -o other"] {
        let run = sandbox.run("pgprep", command.split(' '));
        let printed = format!("{}{}", run.stdout, run.stderr);
        let acts = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
        assert_eq!(printed.chars().find(acts), None, "{printed}");
        assert!(printed.contains("clear\\u{1b}[2J.png"), "{printed}");
    }
}

#[test]
fn images_of_equal_bytes_are_said_and_stay() {
    let sandbox = with_squares(&["a.png", "b.png", "c.png"]);
    fs::copy(sandbox.path("in/a.png"), sandbox.path("in/z.png")).unwrap();
    let packed = pgprep(&sandbox, "pack in -o set --json").with_status(0);
    let expected = "1 image has the bytes of another, \"z.png\" those of \"a.png\" for one; all were packed";
    assert!(packed.stderr.contains(expected), "{}", packed.stderr);
    let json: Value = serde_json::from_str(&packed.stdout).unwrap();
    assert_eq!((&json["images"], &json["duplicates"]["count"]), (&json!(4), &json!(1)));
    assert_eq!(json["duplicates"]["first"], json!(["a.png", "z.png"]));
}

#[test]
fn labels_are_read_in_any_encoding_and_other_tools_files_are_no_datasets_of_ours() {
    let labels = "{\"labels\": [[\"0.png\", 1], [\"1.png\", 0]]}";
    let utf_16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(labels.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (text, is_read) in [
        (labels.as_bytes().to_vec(), true),
        (format!("\u{feff}{labels}").into_bytes(), true),
        (utf_16, true),
        (labels.replace("]]", "],]").into_bytes(), false),
        (b"[1, 2]".to_vec(), false),
        (b"{\"format\": \"of another tool\", \"labels\": 3}".to_vec(), false),
        (b"{\"images\": [{\"name\": \"0.png\"}]}".to_vec(), false),
    ] {
        let sandbox = with_squares(&["0.png", "1.png"]);
        sandbox.write("in/dataset.json", &text);
        let packed = pgprep(&sandbox, "pack in -o set").with_status(if is_read { 0 } else { 2 });
        if is_read {
            let info = pgprep(&sandbox, "info set --json").with_status(0);
            let info: Value = serde_json::from_str(&info.stdout).unwrap();
            assert_eq!(info["label_names"].as_array().map(Vec::len), Some(2), "{info}");
        } else {
            assert!(packed.stderr.contains("--labels none packs without"), "{}", packed.stderr);
        }
        let _ = pgprep(&sandbox, "pack in -o other --labels none").with_status(0);
        let _ = pgprep(&sandbox, "view in -o sheet.png").with_status(0);
        let _ = pgprep(&sandbox, "select in --keep 1 -o best").with_status(0);
    }
}

#[test]
fn landmarks_and_lists_of_photos_are_read_in_any_encoding() {
    let sandbox = with_portraits(3);
    let landmarks = fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap();
    let utf_16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(landmarks.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    sandbox.write("points.txt", utf_16);
    let name = landmarks.lines().nth(2).unwrap().split_whitespace().next().unwrap();
    sandbox.write("ids.txt", format!("\u{feff}{name}\r\n"));
    let align = "align in/images --landmarks points.txt --ids ids.txt --size 32 -o faces";
    let aligned = pgprep(&sandbox, align).with_status(0);
    assert!(aligned.stdout.contains("1 aligned image"), "{}", aligned.stdout);
    let endless = pgprep(&sandbox, "align in/images --landmarks /dev/zero --size 32 -o none").with_status(2);
    assert!(endless.stderr.contains("the limit is"), "{}", endless.stderr);
}
