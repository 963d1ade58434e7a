//! What `--version` says: the build, what is in it, and which libraries it would use here.

use std::io;

use crate::Output;

/// Whether the command line asks for `--version` and nothing else. `-V` is answered by clap, with one short line.
#[must_use]
pub fn asks_for_version() -> bool {
    let mut words = std::env::args_os().skip(1);
    words.next().is_some_and(|word| word == "--version") && words.next().is_none()
}

/// Prints name, version and commit; the `features` that the build has and those that it lacks; the `libraries`, one a line.
///
/// # Errors
/// Write errors
pub fn print_version(
    (name, version): (&str, &str),
    features: &[(&str, bool)],
    libraries: &[String],
) -> io::Result<()> {
    let commit = option_env!("PGKIT_COMMIT").map_or_else(String::new, |commit| format!(" (commit {commit})"));
    Output.line(format_args!("{name} {version}{commit}"))?;
    let named = |is_built_in: bool| {
        let names: Vec<&str> =
            features.iter().filter(|(_, is)| *is == is_built_in).map(|&(name, _)| name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    Output.line(format_args!("features: {}; not built in: {}", named(true), named(false)))?;
    libraries.iter().try_for_each(|library| Output.line(library))
}
