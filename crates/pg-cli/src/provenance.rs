//! Where a result comes from: recorded in every JSON, manifest and run folder.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Tool, version, command line, seed, settings and counts of a result.
///
/// It holds nothing that may differ between two runs that must give the same bytes: no clock, no
/// host, and the command line without `--threads`, `--scratch`, `--quiet`, and what cuts the work into parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// `pgprep`, `pgeval` or `pgtrain`.
    pub tool: String,
    /// The tool's version.
    pub version: String,
    /// The command line for people: tool, then arguments, without the flags that cannot change the result.
    pub command_line: Vec<String>,
    /// What was asked for, for the tool itself: the command's name and its arguments, where the tool can carry it out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
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
            arguments: None,
            seed,
            settings: Map::new(),
            counts: Map::new(),
        }
    }

    /// The same result, written to `output`: what follows `-o` in the command line becomes that.
    #[must_use]
    pub fn with_output(mut self, output: &str) -> Self {
        let mut words = self.command_line.iter_mut();
        while let Some(word) = words.next() {
            if word == "-o" || word == "--output" {
                if let Some(value) = words.next() {
                    output.clone_into(value);
                }
            } else if word.starts_with("--output=") {
                *word = format!("--output={output}");
            } else if word.starts_with("-o") {
                *word = format!("-o{output}");
            }
        }
        self
    }

    /// Adds what was asked for.
    #[must_use]
    pub fn arguments(mut self, command: &str, arguments: &impl Serialize) -> Self {
        self.arguments = serde_json::to_value(arguments).ok().map(|arguments| json!({ command: arguments }));
        self
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

/// Flags with their values that cannot change a result.
const IMMATERIAL: [&str; 4] = ["--threads=", "--scratch=", "--part=", "--parts="];

fn result_arguments(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" | "--scratch" | "--part" | "--parts" => drop(arguments.next()),
            "--quiet" | "--json" | "--overwrite" | "--retry-failed" => {}
            a if IMMATERIAL.iter().any(|flag| a.starts_with(flag)) => {}
            // `-q` alone or before another short flag, as in `-qo OUT`.
            a if a.starts_with("-q") => {
                let rest = a[1..].trim_start_matches('q');
                if !rest.is_empty() {
                    kept.push(format!("-{rest}"));
                }
            }
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
        let of_part = ["--part", "auto", "--parts=4", "--json", "--overwrite", "--retry-failed"];
        let kept = result_arguments(arguments.iter().chain(&of_part).map(|&a| a.to_owned()));
        assert_eq!(kept, ["align", "photos", "-o", "out"]);
        for (before, after) in
            [("-qo out", "-o out"), ("-qoout", "-oout"), ("-qqo out", "-o out"), ("-qq", "")]
        {
            let kept = result_arguments(before.split(' ').map(str::to_owned));
            assert_eq!(kept.join(" "), after);
        }
    }

    #[test]
    fn another_output_takes_the_place_of_the_first() {
        for (before, after) in [
            (&["pack", "a", "-o", "b"][..], &["pack", "a", "-o", "c"][..]),
            (&["pack", "--output", "b", "a"], &["pack", "--output", "c", "a"]),
            (&["pack", "--output=b", "a"], &["pack", "--output=c", "a"]),
            (&["pack", "-ob", "a"], &["pack", "-oc", "a"]),
        ] {
            let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
            let provenance =
                Provenance { command_line: words(before), ..Provenance::of_this_process("", "", None) };
            assert_eq!(provenance.with_output("c").command_line, words(after));
        }
    }
}
