//! Sizes from outside, in flags, in settings and in every file that a tool reads: an error that says so, never an abort, a
//! panic or the machine's whole memory. Every command may take 16 GiB of addresses and no more.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::process::Command;

use pg_testkit::sandbox::{Finished, Sandbox, built_binary};
use serde_json::{Value, json};
use support::with_set;

const MOST: &str = "18446744073709551615";

/// libtorch and ONNX Runtime map some gigabytes that they do not use.
fn limited(sandbox: &Sandbox, line: &str) -> Finished {
    let (tool, arguments) = line.split_once(' ').unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 16777216; ulimit -c 0; exec timeout 60 \"$0\" \"$@\""])
        .arg(built_binary(tool))
        .args(arguments.split_whitespace())
        .current_dir(sandbox.folder())
        .env("RUST_BACKTRACE", "0")
        .stdin(std::process::Stdio::null());
    Finished::of(command.output().unwrap(), sandbox.folder())
}

/// Runs the commands; those that neither succeed nor say why not are the result.
fn ended_badly<'l>(sandbox: &Sandbox, lines: impl IntoIterator<Item = &'l str>) -> Vec<String> {
    let mut bad = Vec::new();
    for line in lines {
        let line = line.replace("MOST", MOST);
        let run = limited(sandbox, &line);
        let says_why = run.status == 0 || run.stderr.contains("error:") || run.status == 1;
        if !(0..=2).contains(&run.status) || !says_why || run.stderr.contains("panicked") {
            bad.push(format!("{line}: status {}, {}", run.status, run.stderr));
        }
    }
    bad
}

#[track_caller]
fn none_ends_badly<'l>(sandbox: &Sandbox, lines: impl IntoIterator<Item = &'l str>) {
    let bad = ended_badly(sandbox, lines);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn pictures_whose_headers_claim_more_than_there_is() {
    let sandbox = Sandbox::new();
    let bmp =
        [&b"BM"[..], &[0; 12], &[40, 0, 0, 0], &[0xff, 0xff, 0xff, 0x7f].repeat(2), &[1, 0, 24, 0], &[0; 24]];
    let gif = [&b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;"[..]];
    let jpeg = [
        &b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"[..],
        b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0\xff\xd9",
    ];
    let side = |tag: u8| [tag, 1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0x80];
    let tiff = [
        &b"II*\0\x08\0\0\0\x04\0"[..],
        &side(0),
        &side(1),
        b"\x02\x01\x03\0\x01\0\0\0\x08\0\0\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0",
    ];
    let webp = [&b"RIFF\x1e\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0"[..]];
    for (name, bytes) in [
        ("a.bmp", bmp.concat()),
        ("b.gif", gif.concat()),
        ("c.jpg", jpeg.concat()),
        ("d.tif", tiff.concat()),
        ("e.webp", webp.concat()),
        ("f.ppm", b"P6 4294967295 4294967295 255\n".to_vec()),
        ("g.ppm", b"P6 99999 99999 255\nabc".to_vec()),
        (
            "h.pam",
            b"P7\nWIDTH 4000000000\nHEIGHT 4000000000\nDEPTH 4000000000\nMAXVAL 255\nENDHDR\n".to_vec(),
        ),
    ] {
        sandbox.write(format!("bombs/{name}"), bytes);
    }
    let lines = [
        "pgprep pack bombs -o a",
        "pgprep pack bombs -o b --max-pixels MOST",
        "pgprep select bombs -o c --keep 1 --max-pixels MOST",
        "pgeval ms-ssim bombs --max-pixels MOST",
    ];
    none_ends_badly(&sandbox, lines);
    assert!(!sandbox.path("a").exists() && !sandbox.path("b").exists());
}

#[test]
fn numbers_of_flags() {
    let sandbox = with_set(8);
    let lines = "
        pgprep pack images -o a --resolution MOST
        pgprep pack images -o a --resolution 1073741824 --fit crop
        pgprep pack images -o a --threads 1000000000
        pgprep pack images -o a --part 1/MOST
        pgprep pack images -o b --images-per-shard MOST
        pgprep pack images -o c --levels 4..1000000000
        pgprep synth -o a --count MOST
        pgprep synth -o a --count 2 --noise 1e300
        pgprep select images -o d --keep MOST
        pgprep view set -o a.png --count MOST
        pgprep view set -o b.png --cols 1000000000
        pgprep view set -o c.png --resolution MOST
        pgprep export set --format zip -o a.zip --resolution 1000000000
        pgprep align photos/images --landmarks photos/list_landmarks.txt -o e --size 1000000000
        pgprep align photos/images --landmarks photos/list_landmarks.txt -o e --size 1048576
        pgprep align photos/images --landmarks photos/list_landmarks.txt -o f --size 32 --random-shift 1e300
        pgprep align photos/images --landmarks /dev/zero -o g --size 32
        pgeval swd set set --images MOST
        pgeval swd set set --patches-per-image MOST
        pgeval swd set set --patches-per-image 1000000000
        pgeval swd set set --directions-per-repeat MOST
        pgeval swd set set --repeats 1000000000
        pgeval swd images images --fit resize --resolution 1000000000
        pgeval ms-ssim set --pairs MOST
        pgeval stats set -o a.pgstats --part 1/MOST
        pgeval gate /dev/zero --baseline /dev/zero
        pgeval swd /dev/zero set
        pgtrain run set -o a --config /dev/zero
        pgtrain plan --set total_kimg=1e300
        pgtrain plan --set fade_kimg=1e-300
        pgtrain bench --preset tiny --levels 1000000000
        pgtrain toy -o t.png --steps 1 --minibatch 1000000000
        pgtrain toy -o t.png --steps 1 --width 1000000000";
    none_ends_badly(&sandbox, lines.lines().map(str::trim).filter(|line| !line.is_empty()));
}

#[test]
fn settings_of_a_training() {
    let sandbox = with_set(8);
    let settings = [
        "resolution=0",
        "resolution=1073741824",
        "resolution=4294967296",
        "start_resolution=4294967295",
        "fmap_max=0",
        "fmap_max=1000000000",
        "fmap_base=1e18",
        "minibatch=0",
        "minibatch=1000000000",
        "latent_size=0",
        "latent_size=1000000000",
        "learning_rate=1e300",
        "snapshot_kimg=1e-300",
        "eval_images=18446744073709551615",
        "keep_last=18446744073709551615",
    ];
    let lines = settings
        .map(|set| format!("pgtrain run set -o run --preset tiny --kimg 0.01 --overwrite --set {set}"));
    none_ends_badly(&sandbox, lines.iter().map(String::as_str));
}

const WRONG: [fn() -> Value; 7] = [
    || json!(u64::MAX),
    || json!(u32::MAX),
    || json!(-1),
    || json!(0),
    || json!(1e308),
    || json!([2_147_483_648_u32, 2_147_483_648_u32]),
    || json!("x"),
];

/// `relative` with each of its values replaced in turn, and after each `run`.
fn with_each_value_wrong(sandbox: &Sandbox, relative: &str, lines: &[&str]) {
    let path = sandbox.path(relative);
    let whole = fs::read(&path).unwrap();
    let object: serde_json::Map<String, Value> = serde_json::from_slice(&whole).unwrap();
    let mut bad = Vec::new();
    for key in object.keys() {
        for wrong in WRONG {
            let mut changed = object.clone();
            changed.insert(key.clone(), wrong());
            fs::write(&path, serde_json::to_vec(&changed).unwrap()).unwrap();
            let found = ended_badly(sandbox, lines.iter().copied());
            bad.extend(found.into_iter().map(|text| format!("{key} = {}: {text}", wrong())));
        }
    }
    fs::write(path, whole).unwrap();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn values_of_a_dataset() {
    let sandbox = with_set(8);
    with_each_value_wrong(
        &sandbox,
        "set/dataset.json",
        &["pgprep info set", "pgprep extract set -o out --overwrite"],
    );
    let shard = sandbox.contents("set").into_iter().find(|(name, _)| name.ends_with(".safetensors")).unwrap();
    for length in [u64::MAX, 1 << 63, 1 << 40, 1 << 20, 0] {
        let mut bytes = shard.1.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        sandbox.write(format!("set/{}", shard.0), &bytes);
        let lines = ["pgprep extract set -o out --overwrite", "pgprep verify set", "pgeval swd set set"];
        none_ends_badly(&sandbox, lines);
    }
}

#[test]
fn values_of_a_run() {
    let sandbox = with_set(8);
    let train = "run set -o run --preset tiny --kimg 0.02 --set fmap_max=8 --set resolution=8 --device cpu";
    let _ = sandbox.run("pgtrain", train.split(' ')).with_status(0);
    let snapshot = fs::read_dir(sandbox.path("run/snapshots")).unwrap().next().unwrap().unwrap().file_name();
    let state = format!("run/snapshots/{}/state.json", snapshot.to_str().unwrap());
    for file in ["run/run.json", &state] {
        with_each_value_wrong(&sandbox, file, &["pgtrain sample run -o one --count 1 --overwrite"]);
    }
}
