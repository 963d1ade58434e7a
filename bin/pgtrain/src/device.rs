//! `--device`.

use anyhow::{Context as _, bail};
use pg_cli::StderrNotes;
use tch::{Cuda, Device};

use crate::libtorch;

/// Sets up computing on the CPU: its threads, and memory that is used again.
pub(crate) fn set_threads(threads: usize) -> anyhow::Result<()> {
    pg_training::keep_freed_memory();
    pg_training::set_threads(threads).with_context(|| format!("cannot start {threads} threads (--threads)"))
}

/// The device asked for. `auto` takes the first GPU where libtorch's CUDA library and a GPU are found,
/// else the CPU; a GPU asked for by name and not there is an error, never a silent fall back.
pub(crate) fn select(text: &str, threads: usize, notes: StderrNotes) -> anyhow::Result<Device> {
    select_for(text, threads, 0, notes)
}

/// The same for one of several processes: where no GPU is named, it takes number `gpu` of those it sees.
pub(crate) fn select_for(
    text: &str,
    threads: usize,
    gpu: usize,
    notes: StderrNotes,
) -> anyhow::Result<Device> {
    set_threads(threads)?;
    let cuda = |index: usize| -> anyhow::Result<Device> {
        libtorch::load_cuda()?;
        let count = Cuda::device_count();
        if i64::try_from(index).unwrap_or(i64::MAX) >= count {
            bail!("--device cuda:{index}: found {count} GPUs; use --device cpu, or check the driver");
        }
        Ok(Device::Cuda(index))
    };
    let device = match text {
        "cpu" => Device::Cpu,
        // All ranks of a machine alike: one too many for its GPUs must not go on without.
        "auto" if cuda(0).is_err() => Device::Cpu,
        "auto" | "cuda" => cuda(gpu)?,
        other => match other.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(index)) => cuda(index)?,
            _ => bail!("--device {other}: expected auto, cpu, or cuda:0, cuda:1, …"),
        },
    };
    match device {
        Device::Cuda(index) => notes.note(format_args!("device: GPU {index}")),
        _ => notes.note(format_args!("device: CPU, {threads} thread{}", if threads == 1 { "" } else { "s" })),
    }
    Ok(device)
}
