//! What `pgeval ls` prints.

use anyhow::Result;
use pg_cli::{ExitStatus, Output, StderrNotes};
use serde_json::{Value, json};

use super::Found;
use crate::args::{AnswersChoice, LatentChoice, LsArgs};
use crate::feature_output::print_values;
use crate::metric_result::say_once;
use crate::metric_result::{MetricResult, members, provenance};

pub(super) fn show(args: &LsArgs, found: &Found, notes: StderrNotes) -> Result<ExitStatus> {
    let result = result(args, found).checked()?;
    say_once(std::slice::from_ref(&result), &[], notes);
    if args.latents.json {
        Output.json(&result)?;
    } else {
        print_table(args, found, &result)?;
    }
    Ok(ExitStatus::Done)
}

pub(super) fn answers_name(answers: AnswersChoice) -> &'static str {
    match answers {
        AnswersChoice::LogOdds => "log-odds",
        AnswersChoice::Probabilities => "probabilities",
    }
}

/// Of each attribute: bits, how many of the samples that count have it, how many its plane tells rightly.
fn attributes(found: &Found) -> Vec<Value> {
    let rows = found.names.iter().zip(&found.score.answers).zip(&found.score.separability.bits);
    rows.map(|((name, answers), bits)| {
        let counts = answers.counts();
        let total = answers.samples.len() as f64;
        json!({
            "name": name,
            "bits": bits,
            "share": (counts[0][1] + counts[1][1]) as f64 / total,
            "told_rightly": (counts[0][0] + counts[1][1]) as f64 / total,
            "counts": counts,
        })
    })
    .collect()
}

fn result(args: &LsArgs, found: &Found) -> MetricResult {
    let mut protocol = members(json!({
        "definition": "arXiv:1812.04948, section 4.2",
        "classifier": "linear support vector machine, squared hinge, C = 1",
        "attributes": found.names,
        "samples": args.samples,
        "kept": found.keep,
        "told_by": found.told_by.clone(),
        "interval": "choice of samples, by their shares in the entropies; planes as they are",
    }));
    protocol.extend(found.generator.protocol(&args.latents));
    let provenance = provenance(Some(args.latents.seed))
        .setting("generator", found.generator.describe())
        .setting("told_by", found.told_by.clone())
        .setting("networks", found.networks.clone())
        .setting("samples", args.samples)
        .setting("keep", found.keep)
        .count("latents_drawn", args.samples);
    MetricResult {
        metric: match args.latents.space {
            LatentChoice::Z => "ls-z",
            LatentChoice::W => "ls-w",
        },
        value: found.score.separability.value,
        std: None,
        unit: "1",
        direction: "lower",
        levels: Vec::new(),
        interval: Some(found.score.separability.interval),
        interval_unknown: None,
        floor: None,
        extrapolated: None,
        attributes: attributes(found),
        counts: members(json!({ "samples": args.samples, "kept": found.keep })),
        protocol,
        warnings: found.warnings.clone(),
        provenance,
    }
}

fn print_table(args: &LsArgs, found: &Found, result: &MetricResult) -> std::io::Result<()> {
    print_values("Linear separability, from 1 up, lower is better", std::slice::from_ref(result))?;
    Output.line("")?;
    Output.line("  attribute               bits    have it    told rightly")?;
    for attribute in &result.attributes {
        let of = |key: &str| attribute[key].as_f64().unwrap_or_default();
        Output.line(format_args!(
            "  {:<20}{:>8.4}{:>9.1} %{:>14.1} %",
            attribute["name"].as_str().unwrap_or_default(),
            of("bits"),
            100.0 * of("share"),
            100.0 * of("told_rightly")
        ))?;
    }
    Output.line("")?;
    Output.line(format_args!("  of {} latents the {} surest count", args.samples, found.keep))?;
    Output.line(format_args!(
        "  generator: {}, {} pixels",
        found.generator.argument, found.generator.resolution_px
    ))
}
