//! What cannot be reached or must not be done is an error that names the URL and the remedy.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use support::ALIGN_SHARDS;
use tests_cloud::Store;

/// Runs pgprep, which must end with status 2 and say all of `parts`; nothing of the scratch folder shows.
fn refused(store: &Store, command: &mut std::process::Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in parts {
        assert!(said.contains(part), "expected {part:?} in:\n{said}");
    }
    assert!(!said.contains("pgkit-scratch"), "{said}");
    assert!(support::is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn a_wrong_bucket_a_wrong_key_and_an_empty_place_are_told_apart() {
    let store = Store::new();
    for (url, part) in [
        ("s3://nowhere/photos", "the bucket of s3://nowhere/photos does not exist: create it"),
        ("s3://data/photos", "s3://data/photos does not exist: check the spelling"),
        ("s3:///photos", "s3:///photos cannot be used: it has no bucket, expected s3://BUCKET/KEY"),
    ] {
        refused(&store, &mut store.command("pgprep", &format!("pack {url} -o out")), &[part]);
    }
    let info = &mut store.command("pgprep", "info s3://data/faces");
    refused(&store, info, &["s3://data/faces is no dataset: expected a folder that holds dataset.json"]);
}

#[test]
fn wrong_credentials_and_none_are_errors_that_name_the_variables() {
    let store = Store::with_portraits(1);
    let wrong = |command: &str| {
        let mut command = store.command("pgprep", command);
        command.env("AWS_SECRET_ACCESS_KEY", "guessed");
        command
    };
    let parts = ["no permission to", "s3://data/in/images", "AWS_SECRET_ACCESS_KEY"];
    refused(&store, &mut wrong("pack s3://data/in/images -o out"), &parts);
    let parts = ["cannot write to s3://data/out (-o)", "no permission to", "AWS_SECRET_ACCESS_KEY"];
    refused(&store, &mut wrong("pack in/images --fit crop -o s3://data/out"), &parts);
    let unsigned = &mut store.command("pgprep", "pack s3://data/in/images -o out");
    unsigned
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_SKIP_SIGNATURE", "true");
    refused(&store, unsigned, &["no permission to", "s3://data/in/images"]);
}

#[test]
fn a_server_that_is_not_there_is_an_error_that_names_the_endpoint() {
    let store = Store::new();
    // Nobody listens on the port of a listener that is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = &mut store.command("pgprep", "pack s3://data/photos -o out");
    command.env("AWS_ENDPOINT", format!("http://{gone}"));
    refused(
        &store,
        command,
        &["the server of s3://data/photos/dataset.json cannot be reached", "AWS_ENDPOINT"],
    );
    let command = &mut store.command("pgprep", "pack s3://data/photos -o out");
    command.env_remove("AWS_ALLOW_HTTP");
    refused(&store, command, &["s3://data/photos", "AWS_ALLOW_HTTP=true"]);
}

#[test]
fn a_server_that_goes_away_stops_the_build_and_fails_no_photo() {
    let store = Store::with_portraits(8);
    let command = "pack s3://data/in/images --fit crop --resolution 16 --images-per-shard 4 -o s3://data/out --threads 1";
    store.server.fail_reads_of(Some("000006"));
    let broken = &mut store.command("pgprep", command);
    refused(
        &store,
        broken,
        &[
            "the object storage failed: 1 of 2 shards are finished; run the same command again",
            "000006.jpg: status 500",
        ],
    );
    store.server.fail_reads_of(None);
    let done = store.run("pgprep", command).with_status(0);
    assert!(done.stdout.contains("8 images"), "{}", done.stdout);
}

#[test]
fn a_damaged_dataset_is_refused_by_the_name_of_the_file_and_verify_tells_all() {
    let store = Store::with_portraits(5);
    let _ = store
        .run("pgprep", &format!("align in/images --landmarks in/list_landmarks.txt {ALIGN_SHARDS} -o ds"))
        .with_status(0);
    let file = store.sandbox.path("ds/r0016/shard-00001.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    store.upload("ds");
    let extract = &mut store.command("pgprep", "extract s3://data/ds --resolution 16 -o out");
    let parts =
        ["s3://data/ds/r0016/shard-00001.safetensors is not what the manifest says", "expected BLAKE3"];
    refused(&store, extract, &parts);
    // The other levels can be used.
    let _ = store.run("pgprep", "extract s3://data/ds --resolution 32 -o out").with_status(0);
    std::fs::remove_file(store.bucket().join("ds/r0004/shard-00000.safetensors")).unwrap();
    std::fs::remove_file(store.sandbox.path("ds/r0004/shard-00000.safetensors")).unwrap();
    let (local, remote) = (
        store.run("pgprep", "verify ds").with_status(1),
        store.run("pgprep", "verify s3://data/ds").with_status(1),
    );
    assert_eq!(local.stdout, remote.stdout);
    let repair = &mut store.command("pgprep", "verify s3://data/ds --repair");
    refused(&store, repair, &["s3://data/ds (DATASET) is a URL: --repair works on disks"]);
}

#[test]
fn an_output_inside_the_photos_is_refused() {
    let store = Store::with_portraits(1);
    let align = "align s3://data/in --landmarks in/list_landmarks.txt -o s3://data/in/aligned";
    refused(
        &store,
        &mut store.command("pgprep", align),
        &["s3://data/in/aligned (-o) lies inside s3://data/in"],
    );
}
