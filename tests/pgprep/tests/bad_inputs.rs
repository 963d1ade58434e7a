//! Bad inputs: exit status and message, never a panic.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_testkit::sandbox::{Finished, Sandbox};
use support::{ALIGN, pgprep, with_portraits};

#[track_caller]
fn refuses(sandbox: &Sandbox, arguments: &str, message: &str) {
    let Finished { stderr, stdout, .. } = pgprep(sandbox, arguments).with_status(2);
    assert!(stderr.contains(message), "expected {message:?} in:\n{stderr}");
    assert!(!stderr.contains("panicked") && stdout.is_empty(), "{stderr}\n{stdout}");
}

#[test]
fn a_missing_landmark_file_is_named_with_its_flag() {
    let sandbox = with_portraits(1);
    refuses(
        &sandbox,
        "align in/images --landmarks nowhere.txt -o out",
        "error: cannot read nowhere.txt (--landmarks)",
    );
    assert!(!sandbox.path("out").exists(), "nothing is left behind");
}

#[test]
fn a_landmark_file_of_another_layout_is_refused_with_the_row() {
    let sandbox = with_portraits(1);
    sandbox.write("bbox.txt", "1\nimage_id x_1 y_1 width height\n000001.jpg 1 2 3 4\n");
    refuses(&sandbox, "align in/images --landmarks bbox.txt -o out", "line 2: expected the column names");
    sandbox.write("binary.txt", [0xFF, 0xFE, 0x00]);
    refuses(&sandbox, "align in/images --landmarks binary.txt -o out", "is no text");
    let cut = fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap().replacen('1', "9", 1);
    sandbox.write("cut.txt", cut);
    refuses(&sandbox, "align in/images --landmarks cut.txt -o out", "line 1 announces 9 rows, found 1");
}

/// The landmark file of the sandbox with every row of points changed.
fn changed_landmarks(sandbox: &Sandbox, change: impl Fn(&mut Vec<String>)) -> String {
    let text = fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap();
    let lines = text.lines().enumerate().map(|(i, line)| {
        let mut columns: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if i >= 2 {
            change(&mut columns);
        }
        columns.join(" ") + "\n"
    });
    lines.collect()
}

#[test]
fn swapped_columns_are_refused_before_anything_is_written() {
    let sandbox = with_portraits(3);
    let swaps: [(&[(usize, usize)], &str); 3] = [
        (&[(1, 3), (2, 4)], "swap the columns of the left and the right eye"),
        (&[(1, 3), (2, 4), (7, 9), (8, 10)], "swap the columns of left and right, of eyes and mouth"),
        (&[(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)], "swap the x and y columns"),
    ];
    for (pairs, remedy) in swaps {
        let text = changed_landmarks(&sandbox, |columns| pairs.iter().for_each(|&(a, b)| columns.swap(a, b)));
        sandbox.write("wrong.txt", text);
        refuses(&sandbox, "align in/images --landmarks wrong.txt -o out", "line 3 (000001.jpg): expected ");
        refuses(&sandbox, "align in/images --landmarks wrong.txt -o out", "; so it is in 3 of 3 rows: ");
        refuses(&sandbox, "align in/images --landmarks wrong.txt -o out", remedy);
    }
    assert!(!sandbox.path("out").exists(), "nothing is left behind");
}

#[test]
fn landmarks_outside_of_most_photos_are_refused() {
    let sandbox = with_portraits(3);
    let text = changed_landmarks(&sandbox, |columns| {
        for value in &mut columns[1..] {
            *value = (value.parse::<f64>().unwrap() + 2000.0).to_string();
        }
    });
    sandbox.write("far.txt", text);
    let message = "so it is in 3 of 3 photos looked at: use the landmarks made for these photos";
    refuses(&sandbox, "align in/images --landmarks far.txt -o out", message);
    assert!(!sandbox.path("out").exists(), "nothing is left behind");
}

#[test]
fn a_single_odd_row_is_warned_about_and_the_rest_is_aligned() {
    let sandbox = with_portraits(3);
    let text = changed_landmarks(&sandbox, |columns| {
        if columns[0].starts_with("000002") {
            columns.swap(1, 3);
            columns.swap(2, 4);
        }
    });
    sandbox.write("odd.txt", text);
    let run = pgprep(&sandbox, "align in/images --landmarks odd.txt --size 32 -o out").with_status(0);
    assert!(run.stderr.contains("1 row of odd.txt (--landmarks) looks like no face"), "{}", run.stderr);
    assert!(run.stderr.contains("line 4 (000002.jpg)"), "{}", run.stderr);
}

#[test]
fn five_points_and_68_are_not_taken_for_each_other() {
    let sandbox = with_portraits(1);
    let points: Vec<[u32; 2]> = (0..68).map(|i| [i, 2 * i]).collect();
    sandbox.write(
        "ffhq.json",
        format!("{{\"0\": {{\"in_the_wild\": {{\"file_path\": \"000001.jpg\", \"face_landmarks\": {points:?}}}}}}}"),
    );
    refuses(
        &sandbox,
        "align in/images --landmarks ffhq.json -o out",
        "ffhq.json (--landmarks) holds 68 points per face, expected 5 for --preset celeba: use --preset ffhq",
    );
    refuses(&sandbox, &format!("{ALIGN} --preset ffhq -o out"), "holds 5 points per face, expected 68");
    let wide = changed_landmarks(&sandbox, |columns| columns.resize(137, "7".to_owned()));
    sandbox.write("wide.txt", wide);
    refuses(&sandbox, "align in/images --landmarks wide.txt -o out", "found 137 columns (68 points)");
}

#[test]
fn a_preview_is_a_png_file() {
    let sandbox = with_portraits(1);
    refuses(&sandbox, &format!("{ALIGN} --preview -o out"), "out (-o) names no PNG file");
}

#[test]
fn missing_and_empty_photo_folders_are_told_apart() {
    let sandbox = with_portraits(1);
    fs::create_dir(sandbox.path("empty")).unwrap();
    refuses(&sandbox, "align none --landmarks in/list_landmarks.txt -o out", "none does not exist");
    refuses(&sandbox, "align empty --landmarks in/list_landmarks.txt -o out", "empty holds no images");
    refuses(&sandbox, "pack empty -o out", "empty holds no images");
    refuses(&sandbox, "view empty -o sheet.png", "empty holds no images");
}

#[test]
fn broken_photos_are_left_out_listed_and_make_the_status_1() {
    let sandbox = with_portraits(4);
    let jpeg = fs::read(sandbox.path("in/images/000001.jpg")).unwrap();
    sandbox.write("in/images/000001.jpg", &jpeg[..jpeg.len() / 2]);
    sandbox.write("in/images/000002.jpg", "");
    fs::remove_file(sandbox.path("in/images/000003.jpg")).unwrap();
    for (format, files) in [("png", "1 aligned image"), ("shards", "1 image at 32")] {
        let run = pgprep(&sandbox, &format!("{ALIGN} --format {format} -o {format}")).with_status(1);
        assert!(run.stdout.starts_with(files) && run.stdout.contains("3 failed"), "{}", run.stdout);
        assert!(run.stderr.contains("000001.jpg is a truncated JPEG file"), "{}", run.stderr);
        let failed = fs::read_to_string(sandbox.path(format).join("failed.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> =
            failed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let paths: Vec<_> = lines.iter().map(|l| l["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["000001.jpg", "000002.jpg", "000003.jpg"]);
        let reason = |i: usize| lines[i]["reason"].as_str().unwrap();
        assert!(reason(0).contains("truncated JPEG"), "{}", reason(0));
        assert!(reason(1).contains("is empty (0 bytes)"), "{}", reason(1));
        assert!(reason(2).contains("not among the photos"), "{}", reason(2));
    }
    let stopped = pgprep(&sandbox, &format!("{ALIGN} --on-error fail -o strict")).with_status(1);
    assert!(stopped.stderr.contains("stopped at the first failure"), "{}", stopped.stderr);
}

#[test]
fn a_photo_without_landmarks_is_noted_once_and_no_failure() {
    let sandbox = with_portraits(2);
    fs::copy(sandbox.path("in/images/000001.jpg"), sandbox.path("in/images/extra.jpg")).unwrap();
    let run = pgprep(&sandbox, &format!("{ALIGN} -o out")).with_status(0);
    assert_eq!(run.stderr.matches("1 photo without a landmark row left aside").count(), 1, "{}", run.stderr);
}

#[test]
fn landmarks_of_other_photos_are_refused_as_a_whole() {
    let sandbox = with_portraits(1);
    let other =
        fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap().replace("000001.jpg", "x.jpg");
    sandbox.write("other.txt", other);
    refuses(&sandbox, "align in/images --landmarks other.txt -o out", "the first row names \"x.jpg\"");
}

#[test]
fn unwritable_outputs_are_named_with_their_flag() {
    let sandbox = with_portraits(1);
    sandbox.write("file", "in the way");
    for output in ["file", "file/below", "/proc/pgprep"] {
        for format in ["png", "shards"] {
            let command = format!("{ALIGN} --format {format} -o {output}");
            refuses(&sandbox, &command, &format!("cannot write to {output} (-o)"));
        }
        refuses(&sandbox, &format!("synth --count 1 -o {output}"), "(-o)");
        refuses(&sandbox, &format!("pack in/images --fit crop --resolution 8 -o {output}"), "(-o)");
    }
    refuses(&sandbox, "view in/images -o file/sheet.png", "cannot write file/sheet.png (-o)");
}

#[test]
fn an_output_folder_with_other_things_in_it_is_refused() {
    let sandbox = with_portraits(1);
    sandbox.write("full/thesis.tex", "years of work");
    refuses(&sandbox, &format!("{ALIGN} -o full"), "is not empty and holds no dataset of this tool");
}

#[test]
fn an_output_inside_the_photos_is_refused() {
    let sandbox = with_portraits(1);
    for output in ["in/images", "in/images/aligned", "in/../in/images/a/b"] {
        refuses(&sandbox, &format!("{ALIGN} -o {output}"), "would be taken for photos");
    }
}

#[test]
fn sizes_that_are_no_power_of_two_are_refused_with_their_flag() {
    let sandbox = with_portraits(1);
    refuses(
        &sandbox,
        "align in/images --landmarks in/list_landmarks.txt --size 100 -o out",
        "--size 100 cannot be used",
    );
    refuses(&sandbox, "pack in/images --resolution 100 -o out", "--resolution 100 cannot be used");
}

#[test]
fn image_bombs_are_refused_and_the_limit_has_a_flag() {
    let sandbox = with_portraits(1);
    let run = pgprep(&sandbox, &format!("{ALIGN} --max-pixels 100 -o out")).with_status(1);
    assert!(run.stderr.contains("the limit is 100") && run.stderr.contains("--max-pixels"), "{}", run.stderr);
}

#[test]
fn a_folder_that_is_no_dataset_is_refused() {
    let sandbox = with_portraits(1);
    for command in ["info in", "verify in", "extract in -o out"] {
        refuses(&sandbox, command, "in is no dataset: expected a folder that holds dataset.json");
    }
}

#[test]
fn photos_that_would_share_a_png_are_refused() {
    let sandbox = with_portraits(2);
    fs::create_dir(sandbox.path("in/images/b")).unwrap();
    fs::rename(sandbox.path("in/images/000002.jpg"), sandbox.path("in/images/b/000001.jpg")).unwrap();
    let landmarks = fs::read_to_string(sandbox.path("in/list_landmarks.txt")).unwrap();
    sandbox.write("in/list_landmarks.txt", landmarks.replace("000002.jpg", "b/000001.jpg"));
    refuses(&sandbox, &format!("{ALIGN} -o out"), "both would become `000001.png`");
}

#[test]
fn a_url_where_only_paths_go_or_of_a_foreign_scheme_is_refused_before_anything_is_written() {
    let sandbox = with_portraits(2);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o parts --part 1/1")).with_status(0);
    let before = sandbox.contents(".");
    for (command, flag) in [
        ("merge parts -o s3://bucket/out", "--output <OUT>"),
        ("merge S3://bucket/part -o out", "<PART>..."),
        ("pack in/images --fit crop -o ftp://host/out", "--output <DATASET>"),
        ("pack FILE:///in/images -o out", "<SOURCE>"),
        ("synth -o azure+x.1://out --count 1", "--output <FOLDER>"),
        ("info parts --scratch s3://bucket/scratch", "--scratch <DIR>"),
    ] {
        let run = pgprep(&sandbox, command).with_status(2);
        let (said, url) = (&run.stderr, command.split(' ').find(|word| word.contains("://")).unwrap());
        assert!(said.contains(flag) && said.contains(url), "{command}: {said}");
        assert!(said.contains("this is a URL") && said.contains("; "), "{command}: {said}");
    }
    assert!(sandbox.contents(".") == before, "something was written");
    // A path may look like one all the same.
    let _ = pgprep(&sandbox, "merge parts -o ./s3:/bucket").with_status(0);
    assert!(sandbox.path("s3:/bucket/dataset.json").is_file());
}
