//! Scores of what lies in a bucket are those of the same on disk.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::Value;
use support::is_empty;
use tests_cloud::{Store, WebServer};

/// Two datasets with levels up to 64 px, a folder of samples and a zip-less rest, on disk and in the bucket.
fn store() -> Store {
    let store = Store::with_portraits(8);
    let _ = store.run("pgprep", "synth -o other --count 8 --seed 9 -q").with_status(0);
    let _ = store.run("pgprep", "pack in/images --fit crop --resolution 64 -o real").with_status(0);
    let _ = store.run("pgprep", "pack other/images --fit crop --resolution 64 -o fake").with_status(0);
    let _ = store.run("pgprep", "extract fake -o samples --resolution 32").with_status(0);
    for name in ["real", "fake", "samples"] {
        store.upload(name);
    }
    store
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn value(json: &Value) -> &Value {
    let value = &json["value"];
    assert!(value.is_f64(), "{json}");
    value
}

#[test]
fn distances_of_urls_are_those_of_paths_and_only_the_level_asked_for_is_fetched() {
    let store = store();
    let settings = "--json --directions-per-repeat 8 --repeats 1";
    for (real, fake) in [("real", "fake"), ("real@32", "fake@32"), ("real@32", "samples")] {
        let local = store.run("pgeval", &format!("swd {real} {fake} {settings}")).with_status(0);
        let remote =
            store.run("pgeval", &format!("swd s3://data/{real} s3://data/{fake} {settings}")).with_status(0);
        let (local, json) = (json(&local.stdout), json(&remote.stdout));
        assert_eq!(value(&local), value(&json));
        assert_eq!(local["levels"], json["levels"]);
        assert_eq!(json["provenance"]["settings"]["real"]["path"], format!("s3://data/{real}"));
        assert!(!remote.stdout.contains("pgkit-scratch"), "{}", remote.stdout);
        if real == "real@32" {
            // Of eight files two: the level and the index.
            assert!(remote.stderr.contains("of s3://data/real, 2 files of"), "{}", remote.stderr);
        }
    }
    let missing = store.run("pgeval", "swd s3://data/real@8192 s3://data/fake").with_status(2);
    assert!(missing.stderr.contains("s3://data/real@8192 does not exist"), "{}", missing.stderr);
    let missing = store.run("pgeval", "swd s3://data/real@128 s3://data/fake").with_status(2);
    assert!(missing.stderr.contains("s3://data/real has no level of 128 px"), "{}", missing.stderr);
    assert!(is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn results_reports_and_statistics_are_written_to_a_bucket_and_read_from_there() {
    let store = store();
    let settings = "--directions-per-repeat 8 --repeats 1";
    let local = store.run("pgeval", &format!("all real@32 samples {settings} -o all.json")).with_status(0);
    let remote = store
        .run(
            "pgeval",
            &format!(
                "all s3://data/real@32 s3://data/samples {settings} -o s3://data/all.json --report s3://data/all.html"
            ),
        )
        .with_status(0);
    assert!(remote.stdout.contains("written to s3://data/all.json"), "{}", remote.stdout);
    let table =
        |text: &str| text.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(table(&local.stdout), table(&remote.stdout));
    let result = std::fs::read_to_string(store.bucket().join("all.json")).unwrap();
    assert!(!result.contains("pgkit-scratch") && result.contains("\"s3://data/samples\""), "{result}");
    let page = std::fs::read_to_string(store.bucket().join("all.html")).unwrap();
    assert!(!page.contains("pgkit-scratch"));

    let gate = store.run("pgeval", "gate s3://data/all.json --baseline all.json --junit s3://data/gate.xml");
    assert!(gate.with_status(0).stdout.contains("s3://data/all.json against all.json"));
    assert!(store.bucket().join("gate.xml").is_file());

    let _ = store.run("pgeval", "stats real@32 -o real.pgstats").with_status(0);
    let made = store.run("pgeval", "stats s3://data/real@32 -o s3://data/real.pgstats").with_status(0);
    assert!(made.stdout.contains("written to  s3://data/real.pgstats"), "{}", made.stdout);
    let swd = |real: &str| {
        let done = store.run("pgeval", &format!("swd {real} samples --json {settings}")).with_status(0);
        json(&done.stdout)
    };
    assert_eq!(value(&swd("real.pgstats")), value(&swd("s3://data/real.pgstats")));
    assert!(is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn a_dataset_on_a_plain_web_server_is_scored_by_its_level() {
    let store = store();
    let web = WebServer::start(store.sandbox.folder());
    let settings = "--json --directions-per-repeat 8 --repeats 1";
    let local = store.run("pgeval", &format!("swd real@16 fake@16 {settings}")).with_status(0);
    let url = web.url();
    let remote = store.run("pgeval", &format!("swd {url}/real@16 {url}/fake@16 {settings}")).with_status(0);
    assert_eq!(value(&json(&local.stdout)), value(&json(&remote.stdout)));
}
