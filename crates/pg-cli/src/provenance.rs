//! Where a result comes from: recorded in every JSON, manifest and run folder.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Tool, version, command line, seed, settings and counts of a result.
///
/// It holds nothing that may differ between two runs that must give the same bytes: no clock, no
/// host, and the command line without `--threads`, `--scratch` and `--quiet`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// `pgprep`, `pgeval` or `pgtrain`.
    pub tool: String,
    /// The tool's version.
    pub version: String,
    /// The command line: tool, then arguments, without the flags that cannot change the result.
    pub command_line: Vec<String>,
    /// The seed of all random choices; `None` where nothing is random.
    pub seed: Option<u64>,
    /// All settings in force, defaults included.
    pub settings: Map<String, Value>,
    /// Numbers of things read, written, failed.
    pub counts: Map<String, Value>,
}

impl Provenance {
    /// Provenance of this process; `tool` and `version` come from the binary
    /// (`env!("CARGO_PKG_NAME")`, `env!("CARGO_PKG_VERSION")`).
    #[must_use]
    pub fn of_this_process(tool: &str, version: &str, seed: Option<u64>) -> Self {
        let arguments = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
        Self {
            tool: tool.to_owned(),
            version: version.to_owned(),
            command_line: std::iter::once(tool.to_owned()).chain(result_arguments(arguments)).collect(),
            seed,
            settings: Map::new(),
            counts: Map::new(),
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a count.
    #[must_use]
    pub fn count(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.counts.insert(name.to_owned(), value.into());
        self
    }
}

fn result_arguments(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" | "--scratch" => drop(arguments.next()),
            "--quiet" | "-q" => {}
            a if a.starts_with("--threads=") || a.starts_with("--scratch=") => {}
            _ => kept.push(argument),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_cannot_change_the_result_are_left_out() {
        let arguments =
            ["align", "photos", "--threads", "2", "-q", "--threads=3", "--scratch", "/tmp", "-o", "out"];
        let kept = result_arguments(arguments.iter().map(|&a| a.to_owned()));
        assert_eq!(kept, ["align", "photos", "-o", "out"]);
    }
}
