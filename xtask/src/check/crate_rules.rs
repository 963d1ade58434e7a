//! Which crate may know which: the layers of the workspace, held by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Outcome;
use crate::process;
use crate::workspace::Workspace;

/// What each crate of the workspace may depend on, apart from pg-testkit in its tests.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("pg-image", &[]),
    ("pg-align", &["pg-image"]),
    ("pg-shard", &["pg-image"]),
    ("pg-sources", &["pg-image"]),
    ("pg-synth", &["pg-image"]),
    ("pg-metrics", &["pg-image"]),
    ("pg-stats", &["pg-image", "pg-metrics"]),
    ("pg-onnx", &["pg-image", "pg-metrics"]),
    ("pg-schedule", &[]),
    ("pg-threads", &[]),
    ("pg-networks", &["pg-threads"]),
    ("pg-training", &["pg-image", "pg-networks", "pg-schedule", "pg-shard"]),
    ("pg-mpi", &[]),
    ("pg-results", &["pg-metrics"]),
    ("pg-build", &["pg-cloud", "pg-image", "pg-shard"]),
    ("pg-cli", &["pg-build", "pg-cloud", "pg-image", "pg-shard"]),
    ("pg-cloud", &["pg-image", "pg-shard", "pg-sources"]),
    ("pg-testkit", &[]),
    (
        "pgprep",
        &["pg-align", "pg-build", "pg-cli", "pg-cloud", "pg-image", "pg-shard", "pg-sources", "pg-synth"],
    ),
    (
        "pgeval",
        &[
            "pg-build",
            "pg-cli",
            "pg-cloud",
            "pg-image",
            "pg-metrics",
            "pg-onnx",
            "pg-results",
            "pg-shard",
            "pg-sources",
            "pg-stats",
        ],
    ),
    (
        "pgtrain",
        &[
            "pg-cli",
            "pg-image",
            "pg-metrics",
            "pg-mpi",
            "pg-networks",
            "pg-schedule",
            "pg-shard",
            "pg-stats",
            "pg-training",
        ],
    ),
    ("xtask", &[]),
    // The tests look through the binaries: of the libraries they may use only what the user can see too.
    ("tests-pgprep", &["pg-image", "pg-shard"]),
    ("tests-pgeval", &["pg-image", "pg-shard"]),
    // What pgtrain exports is run by the runtime that it is for.
    ("tests-pgtrain", &["pg-image", "pg-onnx", "pg-shard"]),
    ("tests-pipeline", &["pg-image", "pg-shard"]),
    ("tests-cloud", &[]),
];

/// A dependency from outside that only some crates may have, and why.
struct Reserved {
    packages: &'static [&'static str],
    only_in: &'static [&'static str],
    reason: &'static str,
}

/// Crates that talk to a user or a shell; `tests-*` counts among them.
const AT_THE_EDGE: &[&str] = &["pgprep", "pgeval", "pgtrain", "pg-cli", "xtask", "pg-testkit"];

const RESERVED: &[Reserved] = &[
    Reserved {
        packages: &["tch", "torch-sys"],
        only_in: &["pg-networks", "pg-training", "pgtrain"],
        reason: "the other tools must build and run without libtorch",
    },
    Reserved {
        packages: &["ort", "ort-sys"],
        only_in: &["pg-onnx"],
        reason: "pg-onnx is the only door to ONNX Runtime",
    },
    Reserved {
        packages: &["mpi", "mpi-sys"],
        only_in: &["pg-mpi"],
        reason: "pg-mpi is the only door to MPI",
    },
    Reserved {
        packages: &["clap", "anyhow", "indicatif"],
        only_in: AT_THE_EDGE,
        reason: "libraries return typed errors, and parse and print nothing",
    },
    Reserved {
        packages: &["fast_image_resize"],
        only_in: &["pg-image", "pgprep"],
        reason: "resampling has one home",
    },
    Reserved {
        packages: &["object_store", "reqwest", "rustls"],
        only_in: &["pg-cloud"],
        reason: "pg-cloud is the only door to object storage",
    },
    Reserved {
        packages: &["tokio"],
        only_in: &["pg-cloud", "tests-cloud"],
        reason: "all else blocks and has threads",
    },
    Reserved {
        packages: &["hyper", "hyper-util", "s3s", "s3s-fs"],
        only_in: &["tests-cloud"],
        reason: "only tests serve anything",
    },
    Reserved {
        packages: &["attohttpc", "curl", "isahc", "minreq", "ureq"],
        only_in: &[],
        reason: "nothing here downloads: setup leaves that to pip",
    },
];

/// One crate of the workspace and what its manifest names.
#[derive(Debug, Default)]
struct Member {
    name: String,
    /// Normal and build dependencies.
    depends_on: BTreeSet<String>,
    dev_depends_on: BTreeSet<String>,
    is_default: bool,
}

/// Checks the manifests of all members.
pub(super) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut command = workspace.cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let text = match process::silent(&mut command)? {
        Ok(text) => text,
        Err(said) => return Ok(Outcome::Failed(said)),
    };
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    Ok(Outcome::of_complaints(&complaints(&members(&metadata)?)))
}

fn members(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let default: BTreeSet<&str> = metadata["workspace_default_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    packages
        .iter()
        .map(|package| {
            let mut member = Member {
                name: package["name"].as_str().context("a package has no name")?.to_owned(),
                is_default: package["id"].as_str().is_some_and(|id| default.contains(id)),
                ..Member::default()
            };
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let name = dependency["name"].as_str().context("a dependency has no name")?.to_owned();
                if dependency["kind"].as_str() == Some("dev") {
                    member.dev_depends_on.insert(name);
                } else {
                    member.depends_on.insert(name);
                }
            }
            Ok(member)
        })
        .collect()
}

/// Every rule that `members` breaks, one line each.
fn complaints(members: &[Member]) -> Vec<String> {
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut complaints = Vec::new();
    for member in members {
        let name = member.name.as_str();
        let Some(may_know) = table.get(name) else {
            complaints.push(format!(
                "{name} stands in no layer: add it, with what it may know, to xtask/src/check/crate_rules.rs"
            ));
            continue;
        };
        for known in member.depends_on.iter().filter(|known| names.contains(known.as_str())) {
            if known == "pg-testkit" {
                // The library of a test package is part of the tests.
                if name.starts_with("tests-") {
                    continue;
                }
                complaints
                    .push(format!("{name} depends on pg-testkit, which is for [dev-dependencies] only"));
            } else if !may_know.contains(&known.as_str()) {
                complaints.push(format!("{name} must not know {known} (it may know: {})", list(may_know)));
            }
        }
        for known in member.dev_depends_on.iter().filter(|known| names.contains(known.as_str())) {
            if known != "pg-testkit" && !may_know.contains(&known.as_str()) {
                complaints.push(format!("the tests of {name} must not know {known}"));
            }
        }
        for known in member.depends_on.union(&member.dev_depends_on) {
            for reserved in RESERVED.iter().filter(|reserved| reserved.packages.contains(&known.as_str())) {
                let at_the_edge = reserved.only_in == AT_THE_EDGE && name.starts_with("tests-");
                if !reserved.only_in.contains(&name) && !at_the_edge {
                    complaints.push(format!("{name} must not depend on {known}: {}", reserved.reason));
                }
            }
        }
        if member.is_default
            && let Some(path) = path_to("tch", name, members)
        {
            complaints.push(format!(
                "{name} is a default member but needs libtorch ({}): take it off the list in the root Cargo.toml",
                path.join(" -> ")
            ));
        }
    }
    complaints
}

/// The crates from `from` to the package `target`, through the workspace; `None` when out of reach.
fn path_to(target: &str, from: &str, members: &[Member]) -> Option<Vec<String>> {
    let mut open = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while let Some(path) = open.pop() {
        let Some(member) = members.iter().find(|member| path.last() == Some(&member.name)) else { continue };
        // What the tests of a crate further down need does not reach the one above.
        let own_tests = if path.len() == 1 { Some(&member.dev_depends_on) } else { None };
        for next in member.depends_on.iter().chain(own_tests.into_iter().flatten()) {
            let mut longer = path.clone();
            longer.push(next.clone());
            if next == target {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                open.push(longer);
            }
        }
    }
    None
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "no crate of the workspace".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, depends_on: &[&str], dev_depends_on: &[&str]) -> Member {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Member {
            name: name.to_owned(),
            depends_on: set(depends_on),
            dev_depends_on: set(dev_depends_on),
            is_default: false,
        }
    }

    fn only_complaint(members: &[Member]) -> String {
        let complaints = complaints(members);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        complaints.into_iter().next().unwrap()
    }

    #[test]
    fn the_allowed_layers_give_no_complaint() {
        let members = [
            member("pg-image", &["image"], &["pg-testkit", "proptest"]),
            member("pg-align", &["pg-image", "thiserror"], &["pg-testkit"]),
            member("pg-testkit", &["image"], &[]),
            member("pgprep", &["pg-align", "pg-image", "anyhow", "clap"], &[]),
        ];
        assert_eq!(complaints(&members), Vec::<String>::new());
    }

    #[test]
    fn the_dataset_format_must_not_know_the_metrics() {
        let members = [member("pg-shard", &["pg-metrics"], &[]), member("pg-metrics", &[], &[])];
        assert!(only_complaint(&members).contains("pg-shard must not know pg-metrics"));
    }

    #[test]
    fn the_networks_must_not_know_the_schedule() {
        let members = [member("pg-networks", &["pg-schedule", "tch"], &[]), member("pg-schedule", &[], &[])];
        assert!(only_complaint(&members).contains("pg-networks must not know pg-schedule"));
    }

    #[test]
    fn tests_must_not_know_what_their_crate_must_not() {
        let members = [member("pg-shard", &[], &["pg-align"]), member("pg-align", &[], &[])];
        assert!(only_complaint(&members).contains("the tests of pg-shard must not know pg-align"));
    }

    #[test]
    fn libtorch_stays_in_its_three_crates() {
        assert!(only_complaint(&[member("pg-schedule", &["tch"], &[])]).contains("must not depend on tch"));
        assert!(only_complaint(&[member("pgeval", &[], &["tch"])]).contains("must not depend on tch"));
    }

    #[test]
    fn onnx_runtime_stays_in_its_one_crate() {
        assert!(only_complaint(&[member("pgeval", &["ort"], &[])]).contains("pgeval must not depend on ort"));
    }

    #[test]
    fn libraries_parse_no_arguments_and_have_typed_errors() {
        assert!(only_complaint(&[member("pg-image", &["clap"], &[])]).contains("must not depend on clap"));
        assert!(
            only_complaint(&[member("pg-image", &["anyhow"], &[])]).contains("must not depend on anyhow")
        );
    }

    #[test]
    fn nobody_downloads() {
        assert!(only_complaint(&[member("xtask", &["ureq"], &[])]).contains("nothing here downloads"));
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        let members = [member("pg-image", &["pg-testkit"], &[]), member("pg-testkit", &[], &[])];
        assert!(only_complaint(&members).contains("[dev-dependencies] only"));
    }

    #[test]
    fn a_new_crate_must_be_given_its_layer() {
        assert!(only_complaint(&[member("pg-new", &[], &[])]).contains("pg-new stands in no layer"));
    }

    #[test]
    fn a_default_member_must_not_reach_libtorch_by_any_way() {
        let mut pipeline = member("tests-pipeline", &[], &["pg-shard"]);
        pipeline.is_default = true;
        let members = [pipeline, member("pg-shard", &["tch"], &[])];
        let complaints = complaints(&members);
        assert!(complaints.iter().any(|c| c.contains("tests-pipeline -> pg-shard -> tch")), "{complaints:?}");
    }
}
