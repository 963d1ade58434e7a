//! What the commands write, on real photographs and drawn ones.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::path::PathBuf;

use pg_testkit::sandbox::Sandbox;
use safetensors::SafeTensors;
use support::{ALIGN, pgprep, with_portraits};

fn photos() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/photos")
}

/// A sandbox with the named photographs in `photos/`.
fn with_photos(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in names {
        sandbox.write(format!("photos/{name}"), fs::read(photos().join(name)).unwrap());
    }
    sandbox
}

#[test]
fn the_astronaut_is_upright_and_centred_at_1024() {
    let sandbox = with_photos(&["astronaut.png", "landmarks.txt"]);
    let run = pgprep(&sandbox, "align photos --landmarks photos/landmarks.txt -o out").with_status(0);
    assert!(run.stdout.starts_with("1 aligned image of 1024x1024 px"), "{}", run.stdout);
    let aligned = image::open(sandbox.path("out/astronaut.png")).unwrap().to_rgb8();
    assert_eq!(aligned.dimensions(), (1024, 1024));

    // The same face as a dataset records its geometry: find the points in the aligned square.
    let shards = "align photos --landmarks photos/landmarks.txt --format shards --size 64 -o ds";
    let _ = pgprep(&sandbox, shards).with_status(0);
    let line = fs::read_to_string(sandbox.path("ds/index/shard-00000.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["path"], "astronaut.png");
    let quad = &line["geometry"]["quad"];
    let corner = |i: usize| [0, 1].map(|axis| quad[i][axis].as_f64().unwrap());
    let (nw, sw, ne) = (corner(0), corner(1), corner(3));
    let (across, down) = ([ne[0] - nw[0], ne[1] - nw[1]], [sw[0] - nw[0], sw[1] - nw[1]]);
    let area = across[0] * down[1] - across[1] * down[0];
    // Coordinates in the square, 0..1, of a point of the photo.
    let place = |p: [f64; 2]| {
        let d = [p[0] - nw[0], p[1] - nw[1]];
        [(d[0] * down[1] - d[1] * down[0]) / area, (across[0] * d[1] - across[1] * d[0]) / area]
    };
    let (left, right) = (place([203.7, 100.7]), place([247.0, 103.0]));
    let (mouth_left, mouth_right) = (place([205.5, 140.5]), place([243.7, 141.3]));
    // The bisector of eyes and mouth is upright: what one tilts, the other takes back.
    let tilt = |a: [f64; 2], b: [f64; 2]| (b[1] - a[1]) / (b[0] - a[0]);
    assert!(tilt(left, right).abs() < 0.05 && tilt(mouth_left, mouth_right).abs() < 0.05);
    let middle = (left[0] + right[0] + mouth_left[0] + mouth_right[0]) / 4.0;
    assert!((middle - 0.5).abs() < 0.02, "the face is centred: {middle}");
    assert!((0.40..0.48).contains(&left[1]) && (0.40..0.48).contains(&right[1]), "{left:?} {right:?}");
    assert!((0.60..0.75).contains(&mouth_left[1]), "{mouth_left:?}");
    // Skin where the nose is, not sky or suit.
    let [r, g, b] = aligned.get_pixel(512, 560).0;
    assert!(r > g && g > b && r > 120, "{r} {g} {b}");
}

#[test]
fn ffhqs_points_give_the_square_of_the_same_face() {
    let sandbox = with_photos(&["astronaut.png"]);
    // The astronaut's eyes, nose and mouth corners where FFHQ has them; the other points are not used.
    let mut points = [[220.0, 130.0]; 68];
    points[36..42].fill([203.7, 100.7]);
    points[42..48].fill([247.0, 103.0]);
    points[30] = [228.0, 126.0];
    points[48] = [205.5, 140.5];
    points[54] = [243.7, 141.3];
    let json = format!(
        "{{\"0\": {{\"in_the_wild\": {{\"file_path\": \"in-the-wild-images/astronaut.png\", \"face_landmarks\": {points:?}}}}}}}"
    );
    sandbox.write("ffhq.json", json);
    sandbox.write(
        "five.csv",
        "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y\nastronaut.png,203.7,100.7,247,103,228,126,205.5,140.5,243.7,141.3\n",
    );
    let build = "align photos --size 64 --format shards";
    let _ = pgprep(&sandbox, &format!("{build} --landmarks ffhq.json --preset ffhq -o ffhq")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{build} --landmarks five.csv -o celeba")).with_status(0);
    let geometry = |dataset: &str| {
        let line = fs::read_to_string(sandbox.path(dataset).join("index/shard-00000.jsonl")).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["geometry"].clone()
    };
    let (ffhq, celeba) = (geometry("ffhq"), geometry("celeba"));
    for corner in 0..4 {
        for axis in 0..2 {
            let value = |g: &serde_json::Value| g["quad"][corner][axis].as_f64().unwrap();
            assert!((value(&celeba) - value(&ffhq) - 0.5).abs() < 1e-3, "half a pixel apart");
        }
    }
    assert_eq!((&ffhq["superres"], &celeba["zoom"]), (&1.into(), &ffhq["zoom"]));
}

#[test]
fn a_preview_shows_points_and_crop_and_builds_nothing() {
    let sandbox = with_photos(&["astronaut.png", "landmarks.txt"]);
    let preview = "align photos --landmarks photos/landmarks.txt --preview -o sheet.png";
    let run = pgprep(&sandbox, preview).with_status(0);
    assert!(run.stdout.starts_with("1 of 1 face in sheet.png, 256x256 px"), "{}", run.stdout);
    let sheet = image::open(sandbox.path("sheet.png")).unwrap().to_rgb8();
    // The photo is 512 px and holds its crop, so it is shown at half its size.
    assert_eq!(sheet.get_pixel(102, 50).0, [40, 220, 60], "left eye");
    assert_eq!(sheet.get_pixel(123, 51).0, [240, 60, 60], "right eye");
    assert!(fs::read_dir(sandbox.folder()).unwrap().count() == 2, "photos and the sheet");
    // What would be refused is shown all the same.
    let text = fs::read_to_string(sandbox.path("photos/landmarks.txt")).unwrap();
    let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
    let swapped = [&row[..1], &row[3..5], &row[1..3], &row[5..]].concat().join(" ");
    sandbox.write("photos/landmarks.txt", text.replace(text.lines().last().unwrap(), &swapped));
    let run = pgprep(&sandbox, &format!("{preview} --overwrite")).with_status(1);
    assert!(run.stderr.contains("would be refused: line 3"), "{}", run.stderr);
}

#[test]
fn photographs_of_any_shape_are_packed_by_cropping() {
    let sandbox = with_photos(&["chelsea.png", "coffee.png", "rocket.jpg"]);
    let run = pgprep(&sandbox, "pack photos -o ds --fit crop --resolution 128 --json").with_status(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["images"], &json["failed"]), (&3.into(), &0.into()));
    assert_eq!(json["resolutions"], serde_json::json!([4, 8, 16, 32, 64, 128]));
    assert_eq!(json["provenance"]["tool"], "pgprep");
    let _ = pgprep(&sandbox, "extract ds -o pngs").with_status(0);
    let cat = image::open(sandbox.path("pngs/000000.png")).unwrap();
    assert_eq!((cat.width(), cat.height()), (128, 128));
    let strict = pgprep(&sandbox, "pack photos -o strict --resolution 128").with_status(1);
    assert!(strict.stderr.contains("scale it with --fit crop, pad or stretch"), "{}", strict.stderr);
}

#[test]
fn any_safetensors_reader_opens_a_shard_and_finds_the_extracted_image() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o ds")).with_status(0);
    let _ = pgprep(&sandbox, "extract ds -o pngs --resolution 16").with_status(0);
    let bytes = fs::read(sandbox.path("ds/r0016/shard-00000.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let images = tensors.tensor("images").unwrap();
    assert_eq!((images.dtype(), images.shape()), (safetensors::Dtype::U8, &[3, 3, 16, 16][..]));
    for i in 0..3 {
        let png = image::open(sandbox.path(format!("pngs/00000{i}.png"))).unwrap().to_rgb8();
        for (x, y, pixel) in png.enumerate_pixels() {
            for c in 0..3 {
                let at = ((i * 3 + c) * 16 + y as usize) * 16 + x as usize;
                assert_eq!(images.data()[at], pixel.0[c]);
            }
        }
    }
}

#[test]
fn png_and_shards_hold_the_same_pixels() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o ds")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{ALIGN} -o pngs")).with_status(0);
    let _ = pgprep(&sandbox, "extract ds -o extracted").with_status(0);
    for i in 0..3 {
        let extracted = image::open(sandbox.path(format!("extracted/00000{i}.png"))).unwrap();
        let aligned = image::open(sandbox.path(format!("pngs/00000{}.png", i + 1))).unwrap();
        assert_eq!(extracted, aligned);
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let mut outputs = Vec::new();
    for threads in [1, 2, 3] {
        let sandbox = Sandbox::new();
        for command in [
            "synth -o in --count 7 --seed 3".to_owned(),
            format!("{ALIGN} -o pngs"),
            format!("{ALIGN} --format shards --images-per-shard 3 -o ds"),
            "pack pngs -o packed --shuffle 9".to_owned(),
        ] {
            let _ = pgprep(&sandbox, &format!("{command} --threads {threads}")).with_status(0);
        }
        outputs.push(sandbox.contents(""));
    }
    assert!(outputs[0].len() > 20);
    assert_eq!(outputs[0], outputs[1]);
    assert_eq!(outputs[0], outputs[2]);
}

#[test]
fn a_portrait_is_the_same_whatever_the_count() {
    let (few, many) = (with_portraits(2), with_portraits(5));
    for name in ["000001.jpg", "000002.jpg"] {
        let read = |s: &Sandbox| fs::read(s.path(format!("in/images/{name}"))).unwrap();
        assert_eq!(read(&few), read(&many));
    }
    let rows = |s: &Sandbox| fs::read_to_string(s.path("in/list_landmarks.txt")).unwrap();
    let few: Vec<String> = rows(&few).lines().skip(2).map(str::to_owned).collect();
    assert_eq!(few, rows(&many).lines().skip(2).take(2).collect::<Vec<_>>());
}

#[test]
fn shuffling_depends_on_the_seed_only_and_keeps_every_image() {
    let sandbox = with_portraits(6);
    let paths = |output: &str, seed: u32| {
        let command = format!("pack in/images -o {output} --fit crop --resolution 8 --shuffle {seed}");
        let _ = pgprep(&sandbox, &command).with_status(0);
        let index = fs::read_to_string(sandbox.path(output).join("index/shard-00000.jsonl")).unwrap();
        let lines = index.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        lines.map(|l| l["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (a, b, c) = (paths("a", 1), paths("b", 1), paths("c", 2));
    assert_eq!(a, b);
    assert_ne!(a, c);
    let mut sorted = c;
    sorted.sort();
    assert_eq!(sorted, (1..=6).map(|i| format!("00000{i}.jpg")).collect::<Vec<_>>());
}

#[test]
fn verify_finds_a_flipped_bit_and_names_the_images() {
    let sandbox = with_portraits(5);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards --images-per-shard 2 -o ds")).with_status(0);
    let intact = pgprep(&sandbox, "verify ds").with_status(0);
    assert_eq!(intact.stdout, "15 files intact, 5 images\n");
    let path = sandbox.path("ds/r0008/shard-00001.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let damaged = pgprep(&sandbox, "verify ds").with_status(1);
    let expected = "r0008/shard-00001.safetensors: content changed (checksum differs) (hits images 2 to 3: 000003.jpg, 000004.jpg)";
    assert!(damaged.stdout.starts_with(expected), "{}", damaged.stdout);
}

#[test]
fn ids_and_limit_choose_photos() {
    let sandbox = with_portraits(5);
    sandbox.write("ids.txt", "000004\n000002.jpg\n\n000005\n");
    let run = pgprep(&sandbox, &format!("{ALIGN} --ids ids.txt --limit 2 -o out")).with_status(0);
    assert!(run.stdout.starts_with("2 aligned images"), "{}", run.stdout);
    assert!(sandbox.path("out/000002.png").exists() && sandbox.path("out/000004.png").exists());
    sandbox.write("bad.txt", "000009\n");
    let run = pgprep(&sandbox, &format!("{ALIGN} --ids bad.txt -o out2")).with_status(2);
    assert!(run.stderr.contains("bad.txt (--ids), line 1: \"000009\" has no landmark row"), "{}", run.stderr);
}

#[test]
fn view_lays_out_datasets_and_folders() {
    let sandbox = with_portraits(5);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o ds")).with_status(0);
    let _ = pgprep(&sandbox, "view ds -o a.png --cols 3 --count 4").with_status(0);
    let _ = pgprep(&sandbox, "view in/images -o b.png --cols 2 --resolution 50").with_status(0);
    let size = |name: &str| image::image_dimensions(sandbox.path(name)).unwrap();
    assert_eq!(size("a.png"), (3 * 32 + 4, 2 * 32 + 2));
    assert_eq!(size("b.png"), (102, 154));
}

#[test]
fn info_says_what_a_dataset_holds() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o ds")).with_status(0);
    let json = pgprep(&sandbox, "info ds --json").with_status(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["images"], &json["channels"]), (&3.into(), &3.into()));
    assert_eq!(json["fingerprint"].as_str().unwrap().len(), 64);
    let text = pgprep(&sandbox, "info ds").with_status(0).stdout;
    assert!(text.contains("levels       4, 8, 16, 32 px"), "{text}");
    assert!(text.contains("made by      pgprep align in/images"), "{text}");
}
