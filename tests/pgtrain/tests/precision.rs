//! `--precision bf16` trains as fp32 does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{lines, sandbox_with_faces, small_run};

/// Mean over ticks of the distance between two runs' values of `key`.
fn apart(a: &[serde_json::Value], b: &[serde_json::Value], key: &str) -> f64 {
    assert_eq!(a.len(), b.len());
    let distance = |(a, b): (&serde_json::Value, &serde_json::Value)| {
        (a[key].as_f64().unwrap() - b[key].as_f64().unwrap()).abs()
    };
    a.iter().zip(b).map(distance).sum::<f64>() / a.len() as f64
}

/// 200 steps through two levels and into a third; a tick is 20 steps.
#[test]
fn losses_in_bf16_track_those_in_fp32_better_than_another_seeds_do() {
    let sandbox = sandbox_with_faces();
    let run = |name: &str, further: &[&str]| {
        let mut arguments = small_run(name, "3.2");
        arguments.extend([
            "--set",
            "lod_train_kimg=0.8",
            "--set",
            "lod_fade_kimg=0.8",
            "--set",
            "tick_kimg=0.32",
        ]);
        arguments.extend(["--set", "fmap_max=32", "--set", "snapshot_kimg=100"]);
        arguments.extend(further);
        let _ = sandbox.run("pgtrain", &arguments).with_status(0);
        lines(&sandbox, &format!("{name}/log.jsonl"))
    };
    let whole = run("fp32", &[]);
    let half = run("bf16", &["--precision", "bf16"]);
    let other = run("seed", &["--seed", "2"]);
    assert!(whole.len() >= 10, "{} ticks", whole.len());
    for key in ["d_loss", "g_loss", "gradient_norm"] {
        let (error, noise) = (apart(&whole, &half, key), apart(&whole, &other, key));
        println!("{key}: {error} from fp32, another seed {noise}");
        assert!(error > 0.0, "{key} is the same to the bit: was it in bf16?");
        assert!(error < noise, "{key}: {error} from fp32, another seed {noise}");
    }
}
