//! `pgtrain export`: the averaged generator as a file for other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use pg_cli::{CommonArgs, ExitStatus, Output, Provenance, StderrNotes};
use pg_training::Sampler;
use pg_training::export::{DEFAULT_OPSET, ExportFormat, GeneratorExport, OPSETS, part_paths};
use serde::Serialize;
use serde_json::{Map, Value};
use tch::Device;

use crate::args::{ExportArgs, ExportFormatName};
use crate::device;

/// What the file is compared with the sampler on, and what `--examples` holds.
const SEEDS: [u64; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a Path,
    format: &'static str,
    opset: Option<u32>,
    /// Between images of the file's layers, as libtorch runs them, and the sampler's.
    largest_difference: f64,
    metadata: Map<String, Value>,
    provenance: Provenance,
}

pub(crate) fn export(
    args: &ExportArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let format = format(args)?;
    check_target("-o", &args.output)?;
    common.try_file(&args.output, "-o")?;
    if let Some(examples) = &args.examples {
        check_target("--examples", examples)?;
        common.try_file(examples, "--examples")?;
        ensure!(*examples != args.output, "--examples: names the same file as -o");
    }
    ensure!(args.source.exists(), "{} does not exist: expected a run or a snapshot", args.source.display());
    device::set_threads(common.threads)?;
    let open = if args.best { Sampler::open_best } else { Sampler::open };
    let sampler = open(&args.source, Device::Cpu)?;
    notes.note(format_args!(
        "generator of {} px from {}",
        sampler.resolution_px(),
        sampler.snapshot().folder().display()
    ));
    let export = GeneratorExport::new(sampler)?;
    if export.has_parts() && matches!(format, ExportFormat::Onnx { .. }) {
        part_paths(&args.output).iter().try_for_each(|part| common.try_file(part, "-o"))?;
    }
    let difference = export.write(&args.output, format, &SEEDS).context("-o")?;
    if let Some(examples) = &args.examples {
        export.write_examples(examples, &SEEDS).context("--examples")?;
    }
    report(args, format, &export, difference)?;
    Ok(ExitStatus::Done)
}

fn format(args: &ExportArgs) -> anyhow::Result<ExportFormat> {
    let extension = args.output.extension().map(|e| e.to_string_lossy().to_lowercase());
    let name = match (args.format, extension.as_deref()) {
        (Some(name), _) => name,
        (None, Some("onnx")) => ExportFormatName::Onnx,
        (None, Some("pt" | "ts")) => ExportFormatName::Torchscript,
        (None, _) => {
            bail!("-o {}: expected a name that ends in .onnx, .pt or .ts, or --format", args.output.display())
        }
    };
    Ok(match name {
        ExportFormatName::Torchscript => {
            ensure!(args.opset.is_none(), "--opset is for ONNX: TorchScript has none");
            ExportFormat::TorchScript
        }
        ExportFormatName::Onnx => {
            let opset = args.opset.unwrap_or(DEFAULT_OPSET);
            let (first, last) = (OPSETS.start(), OPSETS.end());
            ensure!(OPSETS.contains(&opset), "--opset {opset}: expected {first} to {last}");
            ExportFormat::Onnx { opset }
        }
    })
}

/// Refuses what cannot become a file, before any work.
fn check_target(flag: &str, path: &Path) -> anyhow::Result<()> {
    ensure!(!path.is_dir(), "{flag} {}: is a folder; expected the name of a file", path.display());
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    ensure!(
        parent.is_dir(),
        "{flag} {}: there is no folder {}; make it first",
        path.display(),
        parent.display()
    );
    Ok(())
}

fn report(
    args: &ExportArgs,
    format: ExportFormat,
    export: &GeneratorExport,
    largest_difference: f64,
) -> anyhow::Result<()> {
    let (name, opset) = match format {
        ExportFormat::TorchScript => ("torchscript", None),
        ExportFormat::Onnx { opset } => ("onnx", Some(opset)),
    };
    let metadata = export.metadata().iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into()));
    let report = Report {
        file: &args.output,
        format: name,
        opset,
        largest_difference,
        metadata: metadata.collect(),
        provenance: Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), None)
            .setting("source", args.source.display().to_string())
            .setting("best", args.best),
    };
    let output = Output;
    if args.json {
        output.json(&report)?;
        return Ok(());
    }
    let version = opset.map_or_else(String::new, |opset| format!(", opset {opset}"));
    output.line(format_args!("wrote               {} ({name}{version})", args.output.display()))?;
    output.line(format_args!("largest difference  {largest_difference:.1e} from the sampler's images"))?;
    Ok(())
}
