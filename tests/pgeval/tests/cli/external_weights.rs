//! Networks whose weights lie in a file beside the ONNX file: each is told by all its files.

use std::fs;

use pg_testkit::golden;
use pg_testkit::onnx_file::{SplitModel, with_weights_outside};
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{draw_folder, json_of, pgeval};

/// `pictures/` of 16 pixels, and three networks, each as `FOLDER/net.onnx` with its weights in `FOLDER/net.onnx.data`:
/// `one`, `two` with the same ONNX file and other weights, and `copy`, which is `one` again.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "pictures", 12, 16, 0);
    let whole = fs::read(golden::fixture("onnx/tiny_features.onnx")).unwrap();
    let SplitModel { onnx, weights } = with_weights_outside(&whole, "net.onnx.data");
    let mut others = weights.clone();
    // The first kernel's values, with the sign of one turned.
    others[3] ^= 0x80;
    for (folder, weights) in [("one", &weights), ("two", &others), ("copy", &weights)] {
        sandbox.write(format!("{folder}/net.onnx"), &onnx);
        sandbox.write(format!("{folder}/net.onnx.data"), weights);
    }
    sandbox
}

fn stats(sandbox: &Sandbox, network: &str, output: &str) {
    let command = ["stats", "pictures", "--no-swd", "--model", network, "-o", output];
    let _ = pgeval(sandbox, &command).with_status(0);
}

fn sha256(result: &Value) -> String {
    result["protocol"]["network"]["sha256"].as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn statistics_of_one_network_are_not_taken_for_those_of_another_with_the_same_onnx_file() {
    let sandbox = sandbox();
    stats(&sandbox, "one/net.onnx", "one.pgstats");
    for metric in ["fid", "kid", "pr"] {
        let other = [metric, "one.pgstats", "pictures", "--model", "two/net.onnx"];
        let error = pgeval(&sandbox, &other).with_status(2).stderr;
        assert!(error.contains("network"), "{error}");
    }
    // The same network under another name is the same.
    let same = json_of(&sandbox, &["fid", "one.pgstats", "pictures", "--model", "copy/net.onnx", "--json"]);
    assert!(same["value"].as_f64().unwrap_or(1.0).abs() < 1e-6, "{}", same["value"]);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn the_gate_refuses_results_of_two_networks_with_the_same_onnx_file() {
    let sandbox = sandbox();
    draw_folder(&sandbox, "others", 12, 16, 40);
    for network in ["one", "two", "copy"] {
        let model = format!("{network}/net.onnx");
        let result = json_of(&sandbox, &["fid", "pictures", "others", "--model", &model, "--json"]);
        sandbox.write(format!("{network}.json"), result.to_string());
    }
    let gate = |result: &str| pgeval(&sandbox, &["gate", result, "--baseline", "one.json"]);
    let _ = gate("copy.json").with_status(0);
    let refused = gate("two.json").with_status(2);
    assert!(refused.stderr.contains("protocol.network"), "{}", refused.stderr);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn weights_outside_give_the_numbers_of_weights_inside_on_any_number_of_threads() {
    let sandbox = sandbox();
    draw_folder(&sandbox, "others", 12, 16, 40);
    let inside = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let fid = |model: &str, threads: &str| {
        let command = ["fid", "pictures", "others", "--model", model, "--threads", threads, "--json"];
        json_of(&sandbox, &command)
    };
    let (inside, outside) = (fid(&inside, "1"), fid("one/net.onnx", "1"));
    assert_eq!(inside["value"], outside["value"]);
    assert_ne!(sha256(&inside), sha256(&outside));
    let of_three = fid("one/net.onnx", "3");
    assert_eq!((&of_three["value"], sha256(&of_three)), (&outside["value"], sha256(&outside)));
    // A network in one file is told by the plain SHA-256 of it, as in statistics and baselines of earlier versions.
    assert!(sha256(&inside).starts_with("b612eebee357d32e"), "{}", sha256(&inside));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn weights_that_are_missing_cut_or_elsewhere_are_refused_by_their_file() {
    let sandbox = sandbox();
    let fid = || pgeval(&sandbox, &["fid", "pictures", "pictures", "--model", "one/net.onnx"]).with_status(2);
    let whole = fs::read(sandbox.path("one/net.onnx.data")).unwrap();
    sandbox.write("one/net.onnx.data", &whole[..whole.len() - 1]);
    let error = fid().stderr;
    assert!(error.contains("--model") && error.contains("one/net.onnx.data"), "{error}");
    assert!(error.contains("copy both files again"), "{error}");
    fs::remove_file(sandbox.path("one/net.onnx.data")).unwrap();
    let error = fid().stderr;
    assert!(
        error.contains("cannot read `one/net.onnx.data`, which holds weights of `one/net.onnx`"),
        "{error}"
    );
    assert!(error.contains("keep both files in one folder"), "{error}");
    let network = fs::read(golden::fixture("onnx/tiny_features.onnx")).unwrap();
    let absolute = sandbox.path("two/net.onnx.data").display().to_string();
    for location in ["../two/net.onnx.data", &absolute] {
        sandbox.write("one/net.onnx", with_weights_outside(&network, location).onnx);
        let error = fid().stderr;
        // The sandbox shortens its own path.
        assert!(error.contains("/two/net.onnx.data`, which is outside its folder"), "{error}");
    }
}
