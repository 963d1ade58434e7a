//! What the tools say of themselves, as a report of a fault needs it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use pg_testkit::sandbox::Sandbox;

#[test]
fn version_tells_the_commit_the_features_and_the_libraries() {
    let sandbox = Sandbox::new();
    for (tool, feature, library) in [
        ("pgprep", "cloud", None),
        ("pgeval", "lapack", Some("ONNX Runtime: ")),
        ("pgtrain", "mpi", Some("libtorch 2.11.0 ")),
    ] {
        let long = sandbox.run(tool, ["--version"]).with_status(0);
        let mut lines = long.stdout.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with(&format!("{tool} {}", env!("CARGO_PKG_VERSION"))), "{first}");
        if let Some(commit) = first.split_once(" (commit ") {
            assert!(commit.1.trim_end_matches(')').chars().all(|c| c.is_ascii_hexdigit()), "{first}");
        }
        let features = lines.next().unwrap();
        let (built_in, lacking) = features.split_once("; not built in: ").unwrap();
        assert!(built_in.strip_prefix("features: ").unwrap().contains(feature) != lacking.contains(feature));
        match (lines.next(), library) {
            (Some(line), Some(library)) => assert!(line.starts_with(library) && line.contains('/'), "{line}"),
            (None, None) => {}
            other => panic!("{other:?}"),
        }
        // One line for scripts, as clap has it.
        let short = sandbox.run(tool, ["-V"]).with_status(0);
        assert_eq!(short.stdout, format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
    }
}
