//! Every loss trains, on images and on the toy distributions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{sandbox_with_faces, small_run};

const LOSSES: [&str; 11] = [
    "wgan-gp",
    "wgan",
    "lsgan",
    "minimax",
    "non-saturating",
    "hinge",
    "f-kl",
    "f-reverse-kl",
    "f-pearson",
    "f-jensen-shannon",
    "f-squared-hellinger",
];

fn log(sandbox: &Sandbox, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path(run).join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_small_run_with_every_loss_ends_well_with_finite_losses() {
    let sandbox = sandbox_with_faces();
    for loss in LOSSES {
        let assignment = format!("loss={loss}");
        let mut arguments = small_run(loss, "0.3");
        arguments.extend(["--set", &assignment]);
        let _ = sandbox.run("pgtrain", &arguments).with_status(0);
        let lines = log(&sandbox, loss);
        assert!(!lines.is_empty());
        for line in lines {
            for key in ["d_loss", "g_loss", "real_score", "fake_score"] {
                assert!(line[key].as_f64().is_some_and(f64::is_finite), "{loss}: {key} in {line}");
            }
            // Only wgan-gp has a penalty of its own.
            assert_eq!(line["gradient_norm"].is_null(), loss != "wgan-gp", "{loss}: {line}");
        }
    }
}

#[test]
fn a_loss_brings_its_companions_and_assignments_beside_it_win_in_any_order() {
    let sandbox = sandbox_with_faces();
    let mut arguments = small_run("run", "0.1");
    arguments.extend(["--set", "r1_gamma=5", "--set", "gp_lambda=1", "--set", "loss=non-saturating"]);
    let _ = sandbox.run("pgtrain", &arguments).with_status(0);
    let settings = fs::read_to_string(sandbox.path("run/settings.toml")).unwrap();
    for line in ["loss = \"non-saturating\"", "gp_lambda = 1.0", "r1_gamma = 5.0", "drift_weight = 0.0"] {
        assert!(settings.contains(line), "{line} in {settings}");
    }
    assert!(log(&sandbox, "run")[0]["gradient_norm"].as_f64().is_some_and(f64::is_finite));
}

#[test]
fn a_run_with_several_discriminator_steps_resumes_exactly() {
    let sandbox = sandbox_with_faces();
    for (loss, n_critic) in [("lsgan", "n_critic=3"), ("wgan", "n_critic=5")] {
        let assignment = format!("loss={loss}");
        let (whole, parts) = (format!("{loss}-whole"), format!("{loss}-parts"));
        for (run, kimg) in [(&whole, "0.9"), (&parts, "0.3"), (&parts, "0.6"), (&parts, "0.9")] {
            let mut arguments = small_run(run, kimg);
            arguments.extend(["--set", &assignment, "--set", n_critic, "--force"]);
            let _ = sandbox.run("pgtrain", &arguments).with_status(0);
        }
        let read = |run: &str| {
            let of = |name: &str| fs::read(sandbox.path(run).join("snapshots/000000").join(name)).unwrap();
            ["generator", "generator-ema", "discriminator", "optimizer"]
                .map(|name| of(&format!("{name}.safetensors")))
        };
        assert!(read(&whole) == read(&parts), "{loss}");
    }
}

#[test]
fn an_unknown_loss_is_refused_with_the_names_there_are() {
    let sandbox = Sandbox::new();
    let plan = sandbox.run("pgtrain", ["plan", "--set", "loss=wasserstein"]).with_status(2);
    assert!(plan.stderr.contains("non-saturating"), "{}", plan.stderr);
    let toy = ["toy", "--dataset", "8gaussians", "--loss", "wasserstein", "-o", "x.png"];
    let toy = sandbox.run("pgtrain", toy).with_status(2);
    assert!(toy.stderr.contains("f-pearson"), "{}", toy.stderr);
}

#[test]
fn a_toy_run_leaves_a_picture_and_says_what_it_covers() {
    let sandbox = Sandbox::new();
    for (dataset, modes) in [("8gaussians", Some(8)), ("25gaussians", Some(25)), ("swissroll", None)] {
        let run = |output: &str| {
            let toy = ["toy", "--dataset", dataset, "--loss", "hinge", "-o", output, "--overwrite"];
            let further = ["--steps", "5", "--width", "16", "--minibatch", "32", "--json"];
            sandbox.run("pgtrain", toy.iter().chain(&further)).with_status(0)
        };
        let report: Value = serde_json::from_str(&run("one.png").stdout).unwrap();
        assert_eq!(report["modes"].as_u64(), modes);
        assert!(report["high_quality_share"].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)));
        assert_eq!(report["provenance"]["settings"]["optimizer"], "adam");
        assert_eq!(image::image_dimensions(sandbox.path("one.png")).unwrap(), (640, 640));
        run("two.png");
        let read = |name: &str| fs::read(sandbox.path(name)).unwrap();
        assert!(read("one.png") == read("two.png"), "the same seed gives the same picture");
    }
}
