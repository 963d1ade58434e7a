//! Inputs that several tests share.

use pg_testkit::sandbox::Sandbox;

/// A sandbox with as many synthetic `photos` as asked for, a dataset `set` of them at 32 px, and the dataset's `images`.
pub(crate) fn with_set(portraits: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let synth = format!("synth -o photos --count {portraits} --seed 1");
    for line in [&synth, "pack photos/images --fit crop --resolution 32 -o set", "extract set -o images"] {
        let _ = sandbox.run("pgprep", line.split(' ')).with_status(0);
    }
    sandbox
}
