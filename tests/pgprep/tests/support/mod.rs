//! Inputs that several tests share.

use pg_testkit::sandbox::{Finished, Sandbox};

/// A sandbox with `count` synthetic portraits in `in/`.
#[allow(dead_code, reason = "not every test has portraits")]
pub(crate) fn with_portraits(count: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let _ = pgprep(&sandbox, &format!("synth -o in --count {count} --seed 5 -q")).with_status(0);
    sandbox
}

/// Runs pgprep with arguments that hold no spaces.
pub(crate) fn pgprep(sandbox: &Sandbox, arguments: &str) -> Finished {
    sandbox.run("pgprep", arguments.split_whitespace())
}

/// The aligning command that most tests use, without the output flags.
#[allow(dead_code, reason = "not every test aligns")]
pub(crate) const ALIGN: &str = "align in/images --landmarks in/list_landmarks.txt --size 32";
