//! Says to the compiler which commit is built, where this is a clone.

use std::path::Path;
use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    // Git writes there at each commit and checkout. A file that is not there would be asked for at every build.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).is_file());
    println!("cargo:rerun-if-changed={}", log.as_deref().unwrap_or("build.rs"));
    if let Some(commit) = log.and_then(|_| git(&["rev-parse", "--short=12", "HEAD"])) {
        println!("cargo:rustc-env=PGKIT_COMMIT={commit}");
    }
}
