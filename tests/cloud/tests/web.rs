//! Plain web servers: files and datasets, whose manifest names all of their files.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use tests_cloud::{Store, WebServer};

#[test]
fn a_dataset_and_a_zip_are_read_from_a_plain_web_server() {
    let store = Store::with_portraits(5);
    let _ = store.run("pgprep", "pack in/images --fit crop --resolution 32 -o ds").with_status(0);
    let web = WebServer::start(store.sandbox.folder());
    let url = web.url();
    let (local, remote) =
        (store.run("pgprep", "verify ds").with_status(0), store.run("pgprep", &format!("verify {url}/ds")));
    assert_eq!(local.stdout, remote.with_status(0).stdout);
    let same = store.run("pgprep", &format!("compare ds {url}/ds/")).with_status(0);
    assert!(same.stdout.starts_with("same: 5 images at 4, 8, 16, 32 px"), "{}", same.stdout);
    support::fixture(&store, "sources/stylegan.zip");
    let _ = store.run("pgprep", "pack sources/stylegan.zip -o local").with_status(0);
    let _ = store.run("pgprep", &format!("pack {url}/sources/stylegan.zip -o fetched")).with_status(0);
    support::assert_same_dataset(&store.sandbox.contents("local"), &store.sandbox.contents("fetched"));
}

#[test]
fn a_folder_on_a_plain_web_server_is_refused_with_what_is_possible() {
    let store = Store::with_portraits(1);
    let web = WebServer::start(store.sandbox.folder());
    let url = format!("{}/in/images", web.url());
    let refused = store.run("pgprep", &format!("pack {url} -o out")).with_status(2);
    let expected = format!("{url} cannot be listed: over http only single files and datasets can be read");
    assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
    let refused = store.run("pgprep", &format!("pack in/images --fit crop -o {url}/out")).with_status(2);
    assert!(refused.stderr.contains("cannot be listed"), "{}", refused.stderr);
}
