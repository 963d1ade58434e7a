//! What the tests of pgtrain share: a small dataset, and a tiny training command.

use pg_testkit::sandbox::Sandbox;

/// Settings small enough for a run of seconds: 4 -> 8 -> 16 px, two fades.
const SMALL: [&str; 14] = [
    "--set",
    "resolution=16",
    "--set",
    "fmap_max=8",
    "--set",
    "latent_size=8",
    "--set",
    "lod_train_kimg=0.2",
    "--set",
    "lod_fade_kimg=0.2",
    "--set",
    "tick_kimg=0.2",
    "--set",
    "snapshot_kimg=0.5",
];

/// A sandbox with the dataset `faces` of 24 portraits at 16 px.
pub(crate) fn sandbox_with_faces() -> Sandbox {
    let sandbox = Sandbox::new();
    let synth = ["synth", "-o", "photos", "--count", "24", "--quiet"];
    let _ = sandbox.run("pgprep", synth).with_status(0);
    align_faces(&sandbox, "faces", &[]);
    sandbox
}

/// Aligns the sandbox's photos at 16 px into the dataset `output`.
pub(crate) fn align_faces(sandbox: &Sandbox, output: &str, further: &[&str]) {
    let mut align = vec!["align", "photos/images", "--landmarks", "photos/list_landmarks.txt"];
    align.extend(["--size", "16", "--format", "shards", "-o", output, "--quiet"]);
    align.extend(further);
    let _ = sandbox.run("pgprep", &align).with_status(0);
}

/// Arguments of a small run into `output` over `kimg` thousand images.
pub(crate) fn small_run<'a>(output: &'a str, kimg: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        "run",
        "faces",
        "-o",
        output,
        "--preset",
        "tiny",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--kimg",
        kimg,
    ];
    arguments.extend(SMALL);
    arguments
}
