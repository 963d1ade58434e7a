//! What the sources of the libraries must not name: printing, the environment, files and clocks in the
//! pure crates, and random numbers without a seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Outcome;
use super::rust_tokens::{NamedPath, paths, tokens, without_tests};
use crate::workspace::Workspace;

/// Files that may break a rule, with what they name and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    // A switch for tests, which call libraries without a binary around them.
    ("crates/pg-networks/src/compute_path.rs", "std::env::var_os"),
];

/// Libraries that are pure functions: no file system, no clock.
const PURE: &[&str] = &["pg-align", "pg-metrics", "pg-schedule", "pg-synth"];

/// Not bound by the library rules: pg-cli is the binaries' own layer, pg-testkit is part of the tests.
const NOT_LIBRARIES: &[&str] = &["pg-cli", "pg-testkit"];

/// What a rule looks for.
enum Forbidden {
    /// A path that starts with these segments, separated by `::`.
    Path(&'static str),
    /// A segment anywhere in a path.
    Name(&'static str),
    /// A macro call.
    Macro(&'static str),
}

struct Rule {
    forbidden: &'static [Forbidden],
    /// In these crates only; in all libraries when empty.
    crates: &'static [&'static str],
    reason: &'static str,
}

use Forbidden::{Macro, Name, Path as PathTo};

const RULES: &[Rule] = &[
    Rule {
        forbidden: &[Macro("println"), Macro("print"), Macro("eprintln"), Macro("eprint"), Macro("dbg")],
        crates: &[],
        reason: "libraries do not print: return the value and let the binary show it",
    },
    Rule {
        forbidden: &[
            PathTo("std::io::stdout"),
            PathTo("std::io::stderr"),
            PathTo("io::stdout"),
            PathTo("io::stderr"),
        ],
        crates: &[],
        reason: "libraries do not print: return the value and let the binary show it",
    },
    Rule {
        forbidden: &[PathTo("std::env"), PathTo("env::var"), PathTo("env::var_os")],
        crates: &[],
        reason: "libraries do not read the environment: take the value as an argument",
    },
    Rule {
        forbidden: &[PathTo("std::process")],
        crates: &[],
        reason: "libraries neither end the process nor start others",
    },
    Rule {
        forbidden: &[
            PathTo("rand::rng"),
            PathTo("rand::random"),
            PathTo("rand::random_range"),
            PathTo("rand::thread_rng"),
            Name("thread_rng"),
            Name("ThreadRng"),
            Name("from_entropy"),
            Name("from_os_rng"),
            Name("OsRng"),
            Name("SysRng"),
        ],
        crates: &[],
        reason: "random numbers come from a seeded generator that is passed in",
    },
    Rule {
        forbidden: &[
            Name("manual_seed"),
            Name("randn"),
            Name("randn_like"),
            Name("rand_like"),
            Name("randint"),
            Name("randperm"),
            Name("multinomial"),
            Name("bernoulli_"),
            Name("normal_"),
            Name("uniform_"),
        ],
        crates: &["pg-networks", "pg-training"],
        reason: "libtorch's generator is global: draw from a seeded one and copy the numbers over",
    },
    Rule {
        forbidden: &[
            PathTo("std::fs"),
            PathTo("fs::read"),
            PathTo("fs::write"),
            Name("File"),
            Name("OpenOptions"),
            PathTo("pg_image::files"),
        ],
        crates: PURE,
        reason: "this crate is pure computation: the caller reads and writes the files",
    },
    Rule {
        forbidden: &[Name("Instant"), Name("SystemTime")],
        crates: PURE,
        reason: "this crate is pure computation: it knows no clock",
    },
    Rule { forbidden: &[PathTo("std::net")], crates: &[], reason: "nothing here talks to a network" },
];

/// Checks the sources of all libraries.
pub(super) fn check(workspace: &Workspace) -> Result<Outcome> {
    let crates = workspace.root().join("crates");
    let mut complaints = Vec::new();
    for folder in sorted_entries(&crates)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_LIBRARIES.contains(&name.as_str()) || !folder.join("src").is_dir() {
            continue;
        }
        let mut files = Vec::new();
        collect_rust_files(&folder.join("src"), &mut files)?;
        let mut sources = Vec::new();
        for file in files {
            let source =
                fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
            sources.push((file, source));
        }
        for (file, line, text) in complaints_in_crate(&name, &sources) {
            let shown = file.strip_prefix(workspace.root()).unwrap_or(&file).display().to_string();
            if EXCEPTIONS
                .iter()
                .any(|(file, named)| *file == shown && text.starts_with(&format!("`{named}`")))
            {
                continue;
            }
            complaints.push(format!("{shown}:{line}: {text}"));
        }
    }
    Ok(Outcome::of_complaints(&complaints))
}

/// Every broken rule in the files of a crate: file, line, text.
fn complaints_in_crate(name: &str, sources: &[(PathBuf, String)]) -> Vec<(PathBuf, usize, String)> {
    let tests_only = test_only_files(sources);
    let mut complaints = Vec::new();
    for (file, source) in sources {
        if tests_only.contains(file) {
            continue;
        }
        let found = complaints_in_source(name, source);
        complaints.extend(found.into_iter().map(|(line, text)| (file.clone(), line, text)));
    }
    complaints
}

fn complaints_in_source(crate_name: &str, source: &str) -> Vec<(usize, String)> {
    let mut complaints = Vec::new();
    for path in paths(&without_tests(&tokens(source)).tokens) {
        let broken = RULES
            .iter()
            .filter(|rule| rule.crates.is_empty() || rule.crates.contains(&crate_name))
            .find(|rule| rule.forbidden.iter().any(|forbidden| matches(forbidden, &path)));
        if let Some(rule) = broken {
            let sign = if path.is_macro { "!" } else { "" };
            complaints.push((path.line, format!("`{}{sign}`: {}", path.segments.join("::"), rule.reason)));
        }
    }
    complaints
}

fn matches(forbidden: &Forbidden, path: &NamedPath) -> bool {
    match forbidden {
        PathTo(start) => {
            let start: Vec<&str> = start.split("::").collect();
            let named = &path.segments[..start.len().min(path.segments.len())];
            // `use std::*` would hide the rest of the path.
            named == start
                || path.segments.last() == Some(&"*")
                    && start.starts_with(&path.segments[..path.segments.len() - 1])
        }
        Name(name) => path.segments.contains(name),
        Macro(name) => path.is_macro && path.segments.last() == Some(name),
    }
}

/// Files of modules that are declared under `#[cfg(test)]`.
fn test_only_files(sources: &[(PathBuf, String)]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for (file, source) in sources {
        let shipped = without_tests(&tokens(source));
        let folder = file.parent().unwrap_or(Path::new(""));
        let stem = file.file_stem().unwrap_or_default();
        let own_folder = if ["lib", "main", "mod"].iter().any(|root| stem == *root) {
            folder.to_owned()
        } else {
            folder.join(stem)
        };
        for module in shipped.test_modules {
            let module = module.trim_start_matches("r#");
            let inside = own_folder.join(module);
            found.insert(own_folder.join(format!("{module}.rs")));
            found.extend(
                sources.iter().map(|(other, _)| other).filter(|other| other.starts_with(&inside)).cloned(),
            );
        }
    }
    found
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .with_context(|| format!("could not list {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn collect_rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in sorted_entries(folder)? {
        if path.is_dir() {
            collect_rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(crate_name: &str, source: &str) -> String {
        let found = complaints_in_source(crate_name, source);
        found.iter().map(|(line, text)| format!("{line}: {text}")).collect::<Vec<_>>().join(
            "
",
        )
    }

    #[test]
    fn libraries_must_not_print() {
        for snippet in ["println!(\"x\")", "std::eprintln!(\"x\")", "dbg!(x)", "io::stdout().lock()"] {
            assert!(
                reasons("pg-shard", &format!("fn f() {{ {snippet}; }}")).contains("do not print"),
                "{snippet}"
            );
        }
    }

    #[test]
    fn libraries_must_not_read_the_environment() {
        for snippet in
            ["use std::env;", "use std::{env, fs};", "fn f() { std::env::args(); }", "use ::std::env::var;"]
        {
            assert!(reasons("pg-onnx", snippet).contains("do not read the environment"), "{snippet}");
        }
        assert_eq!(reasons("pg-onnx", "const V: &str = env!(\"CARGO_PKG_VERSION\");"), "");
    }

    #[test]
    fn libraries_must_not_run_or_end_processes() {
        assert!(reasons("pg-shard", "fn f() { std::process::exit(1) }").contains("neither end the process"));
    }

    #[test]
    fn libraries_must_not_use_a_global_generator() {
        for snippet in ["rand::rng()", "rand::random::<f32>()", "thread_rng()", "ChaCha8Rng::from_os_rng()"] {
            assert!(
                reasons("pg-shard", &format!("fn f() {{ {snippet}; }}")).contains("seeded generator"),
                "{snippet}"
            );
        }
        assert_eq!(reasons("pg-shard", "fn f() { ChaCha8Rng::seed_from_u64(1).random::<f32>(); }"), "");
    }

    #[test]
    fn training_must_not_use_the_generator_of_libtorch() {
        let snippet = "fn f() { Tensor::randn([1], kind); }";
        assert!(reasons("pg-training", snippet).contains("libtorch's generator is global"));
        assert_eq!(reasons("pg-shard", snippet), "");
    }

    #[test]
    fn pure_crates_must_not_touch_files() {
        for snippet in ["use std::fs;", "use std::{fs::File, io};", "use pg_image::files::decode;"] {
            assert!(reasons("pg-align", snippet).contains("reads and writes the files"), "{snippet}");
        }
        assert_eq!(reasons("pg-shard", "use std::fs;"), "");
        assert_ne!(reasons("pg-align", "use std::*;"), "");
    }

    #[test]
    fn pure_crates_must_not_know_a_clock() {
        for crate_name in PURE {
            assert!(reasons(crate_name, "use std::time::{Duration, Instant};").contains("no clock"));
        }
        assert_eq!(reasons("pg-training", "use std::time::Instant;"), "");
    }

    #[test]
    fn nothing_talks_to_a_network() {
        assert!(reasons("pg-sources", "use std::net::TcpStream;").contains("network"));
    }

    #[test]
    fn tests_comments_and_strings_are_free() {
        let source =
            "// println!(\"x\")\nconst A: &str = \"std::env\";\n#[cfg(test)]\nmod tests { use std::env; }";
        assert_eq!(reasons("pg-metrics", source), "");
    }

    #[test]
    fn files_of_test_modules_are_free() {
        let sources = [
            ("src/lib.rs", "mod kernel; #[cfg(test)] mod oracle;"),
            ("src/oracle.rs", "use std::fs;"),
            ("src/oracle/deep.rs", "use std::fs;"),
            ("src/kernel.rs", "#[cfg(test)] mod tests;"),
            ("src/kernel/tests.rs", "use std::fs;"),
            ("src/kernel/other.rs", "use std::fs;"),
        ]
        .map(|(path, source)| (PathBuf::from(path), source.to_owned()));
        let files: Vec<_> =
            complaints_in_crate("pg-metrics", &sources).into_iter().map(|(file, ..)| file).collect();
        assert_eq!(files, [PathBuf::from("src/kernel/other.rs")]);
    }

    #[test]
    fn a_complaint_names_the_line() {
        assert!(reasons("pg-align", "\n\nuse std::fs;").starts_with("3: `std::fs`"));
    }
}
