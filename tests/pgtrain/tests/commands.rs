//! What run, sample and plan leave and say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;
use support::{sandbox_with_faces, small_run};

#[test]
fn a_run_folder_holds_settings_log_pictures_and_snapshots() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "1.3")).with_status(0);

    let settings = fs::read_to_string(sandbox.path("run/settings.toml")).unwrap();
    assert!(settings.contains("fmap_max = 8") && settings.contains("gp_lambda = 10.0"), "{settings}");
    let log = fs::read_to_string(sandbox.path("run/log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.len() >= 4);
    for (line, next) in lines.iter().zip(&lines[1..]) {
        assert!(line["kimg"].as_f64() < next["kimg"].as_f64());
        assert!(line["lod"].as_f64() >= next["lod"].as_f64());
        for key in ["d_loss", "g_loss", "gradient_norm", "d_seconds", "g_seconds", "images_per_second"] {
            assert!(line[key].as_f64().is_some_and(f64::is_finite), "{key} in {line}");
        }
    }
    let end = lines.last().unwrap();
    assert_eq!((end["resolution"].as_u64(), end["lod"].as_f64()), (Some(16), Some(0.0)));

    // All sheets have the same size, whatever the level.
    let size = |name: &str| image::image_dimensions(sandbox.path("run").join(name)).unwrap();
    assert_eq!(size("fakes-000000.png"), size("fakes-000001.png"));
    assert_eq!(size("fakes-000001.png"), (12 * 16, 8 * 16));
    assert_eq!(size("reals.png").0, 12 * 16);

    // The first and the last snapshot stay, and those that snapshot_kimg asks for.
    let mut snapshots: Vec<String> = fs::read_dir(sandbox.path("run/snapshots"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    snapshots.sort();
    assert_eq!(snapshots, ["000000", "000001"]);
    let bytes = fs::read(sandbox.path("run/snapshots/000001/generator-ema.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("r0016.conv0_up.weight").unwrap().shape(), [8, 8, 3, 3]);
}

#[test]
fn image_k_is_the_same_whatever_else_is_sampled() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.5")).with_status(0);
    let _ = sandbox
        .run("pgtrain", ["sample", "run", "-o", "many", "--count", "20", "--device", "cpu"])
        .with_status(0);
    let few = ["sample", "run", "-o", "few", "--seeds", "3,17-18", "--device", "cpu", "--threads", "2"];
    let _ = sandbox.run("pgtrain", few).with_status(0);
    for name in ["000003.png", "000017.png", "000018.png"] {
        let read = |folder: &str| fs::read(sandbox.path(folder).join(name)).unwrap();
        assert!(read("many") == read("few"), "{name}");
    }
    assert_eq!(sandbox.contents("many").len(), 20);

    let grid = ["sample", "run", "-o", "grid.png", "--seeds", "0-5", "--grid", "3x2", "--device", "cpu"];
    let _ = sandbox.run("pgtrain", grid).with_status(0);
    let side = image::image_dimensions(sandbox.path("many/000000.png")).unwrap().0;
    assert_eq!(image::image_dimensions(sandbox.path("grid.png")).unwrap(), (3 * side, 2 * side));
}

#[test]
fn plan_prints_the_published_schedule_without_data() {
    let sandbox = pg_testkit::sandbox::Sandbox::new();
    let plan = sandbox.run("pgtrain", ["plan", "--preset", "paper-celebahq", "--json"]).with_status(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let phases = plan["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 17);
    assert_eq!(phases[16]["resolution"], 1024);
    assert_eq!(phases[16]["learning_rate"], 0.0015);
    assert_eq!((&phases[1]["from_kimg"], &phases[1]["phase"]), (&600.0.into(), &"fade in".into()));
}

#[test]
fn a_probed_plan_adds_time_and_memory() {
    let sandbox = pg_testkit::sandbox::Sandbox::new();
    let mut arguments = vec!["plan", "--preset", "tiny", "--kimg", "12", "--probe", "--device", "cpu"];
    arguments.extend(["--set", "resolution=8", "--set", "fmap_max=8", "--threads", "1"]);
    let plan = sandbox.run("pgtrain", arguments.iter().chain(&["--json"])).with_status(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let phases = plan["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 3);
    let seconds: f64 = phases.iter().map(|phase| phase["seconds"].as_f64().unwrap()).sum();
    assert!(seconds > 0.0 && (plan["total_seconds"].as_f64().unwrap() - seconds).abs() < 1e-6 * seconds);
    assert!(plan["memory"]["weight_bytes"].as_u64() > Some(0));

    let table = sandbox.run("pgtrain", &arguments).with_status(0);
    assert!(table.stdout.lines().all(|line| line.chars().count() <= 100), "{}", table.stdout);
    assert!(table.stdout.contains("images/s") && table.stdout.contains("in all"), "{}", table.stdout);
}

#[test]
fn bench_measures_the_levels_asked_for_and_refuses_others() {
    let sandbox = pg_testkit::sandbox::Sandbox::new();
    let mut arguments = vec!["bench", "--preset", "tiny", "--device", "cpu", "--threads", "1"];
    arguments.extend(["--set", "resolution=16", "--set", "fmap_max=8", "--levels", "4,16"]);
    let speeds = sandbox.run("pgtrain", arguments.iter().chain(&["--json"])).with_status(0);
    let speeds: Value = serde_json::from_str(&speeds.stdout).unwrap();
    let levels = speeds["levels"].as_array().unwrap();
    let sides: Vec<u64> = levels.iter().filter_map(|level| level["resolution"].as_u64()).collect();
    assert_eq!(sides, [4, 16]);
    let rate = |index: usize| levels[index]["images_per_second"].as_f64().unwrap();
    assert!(rate(0) > rate(1) && rate(1) > 0.0, "{levels:?}");
    assert_eq!(speeds["provenance"]["settings"]["fmap_max"], 8);

    let table = sandbox.run("pgtrain", &arguments).with_status(0);
    assert_eq!(table.stdout.lines().count(), 3, "{}", table.stdout);
    arguments.extend(["--levels", "32"]);
    let refused = sandbox.run("pgtrain", &arguments).with_status(2);
    assert!(refused.stderr.contains("32 is no level of these networks; expected some of [4, 8, 16]"));
}

#[test]
fn progress_shows_kimg_level_rate_and_time_left() {
    // A rate needs half a second of work: a run that is short anywhere would be too short for it on a fast machine.
    let sandbox = sandbox_with_faces();
    let mut child = sandbox
        .command("pgtrain")
        .args(small_run("run", "1000"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The first lines may come before the cost of a level is known, on which the time left depends.
    let is_whole = |line: &String| {
        ["images/s", "of 1000 kimg", "lod ", "px), ETA "].iter().all(|expected| line.contains(expected))
    };
    let mut shown = Vec::new();
    for line in lines.filter(|line| line.starts_with("train: ")).take(20) {
        shown.push(line);
        if shown.last().is_some_and(is_whole) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shown.last().is_some_and(is_whole), "{shown:?}");
}

#[test]
fn what_cannot_run_exits_2_and_says_why() {
    let sandbox = sandbox_with_faces();
    sandbox.write("file", "not a dataset");
    fs::create_dir(sandbox.path("empty")).unwrap();
    support::align_faces(&sandbox, "fine", &["--levels", "8..16"]);
    let cases: [(&[&str], &str); 12] = [
        (&["run", "fine", "-o", "run", "--preset", "tiny", "--device", "cpu"], "--set start_resolution=8"),
        (&["run", "missing", "-o", "run"], "missing"),
        (&["run", "empty", "-o", "run"], "make one of it with `pgprep pack empty -o DATASET`"),
        (&["run", "faces", "-o", "file/run", "--device", "cpu"], "file/run"),
        (&["run", "faces", "-o", "run", "--preset", "huge"], "paper-celebahq"),
        (&["run", "faces", "-o", "run", "--set", "minibach=4"], "`minibatch`"),
        (
            &["run", "faces", "-o", "run", "--preset", "tiny", "--set", "resolution=64"],
            "at most the dataset's finest level, 16",
        ),
        // The preset's own resolution, asked for all the same.
        (
            &["run", "faces", "-o", "run", "--preset", "tiny", "--set", "resolution=32"],
            "at most the dataset's finest level, 16",
        ),
        (&["run", "faces", "-o", "photos", "--preset", "tiny", "--device", "cpu"], "is no run folder"),
        (&["run", "faces", "-o", "run", "--device", "tpu"], "expected auto, cpu"),
        (&["resume", "empty"], "no run folder"),
        (&["sample", "empty", "-o", "x", "--count", "4", "--device", "cpu"], "no snapshot"),
    ];
    for (arguments, expected) in cases {
        let finished = sandbox.run("pgtrain", arguments).with_status(2);
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
    assert!(!sandbox.path("run").exists());

    // Into the dataset itself, which stays as it is.
    let before = sandbox.contents("faces");
    let refused = sandbox.run("pgtrain", ["run", "faces", "-o", "faces", "--preset", "tiny"]).with_status(2);
    assert!(refused.stderr.contains("faces is no run folder: it holds"), "{}", refused.stderr);
    assert!(before == sandbox.contents("faces"));
}
