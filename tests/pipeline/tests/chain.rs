//! The whole chain in small: portraits drawn, aligned, packed, trained on, sampled, scored.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pg_testkit::sandbox::{Finished, Sandbox};
use serde_json::Value;

fn step(sandbox: &Sandbox, tool: &str, line: &str) -> Finished {
    sandbox.run(tool, line.split_whitespace()).with_status(0)
}

fn value(sandbox: &Sandbox, line: &str) -> f64 {
    let finished = step(sandbox, "pgeval", line);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    json["value"].as_f64().unwrap()
}

#[test]
fn photos_become_scores_and_training_brings_the_fakes_nearer_to_the_reals() {
    let sandbox = Sandbox::new();
    let faces =
        "align photos/images --landmarks photos/list_landmarks.txt --size 16 --format shards -o faces";
    step(&sandbox, "pgprep", "synth -o photos --count 64");
    step(&sandbox, "pgprep", faces);
    step(&sandbox, "pgprep", "verify faces");

    let settings = "--preset tiny --device cpu --threads 1 --set resolution=16 --set fmap_max=32 --set latent_size=16 --set ema_decay=0.9";
    let schedule = "--set lod_train_kimg=1 --set lod_fade_kimg=1 --kimg 8";
    step(&sandbox, "pgtrain", &format!("run faces -o run {settings} {schedule}"));
    step(&sandbox, "pgtrain", "sample run -o fakes --count 64 --device cpu");
    step(&sandbox, "pgtrain", &format!("run faces -o fresh {settings} --set start_resolution=16 --kimg 0"));
    step(&sandbox, "pgtrain", "sample fresh -o untrained --count 64 --device cpu");

    let trained = value(&sandbox, "swd faces fakes --json");
    let untrained = value(&sandbox, "swd faces untrained --json");
    let floor = value(&sandbox, "swd faces faces --json");
    assert!(floor < trained && trained < 0.6 * untrained, "{floor} {trained} {untrained}");

    let alike = value(&sandbox, "ms-ssim fakes --pairs 100 --json");
    assert!((0.0..1.0).contains(&alike), "{alike}");
}
