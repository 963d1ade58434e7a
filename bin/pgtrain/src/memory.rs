//! Memory of this machine and process, as Linux tells it; `None` elsewhere.

use std::fs;

use anyhow::bail;
use pg_cli::StderrNotes;
use pg_schedule::TrainingSettings;

/// Numbers that libtorch holds at once in a training step for each number of the networks' feature maps, measured with
/// `pgtrain plan --probe` at 32 to 128 px: activations of both networks, and what the gradient penalty differentiates
/// twice. An estimate, good to a half.
const NUMBERS_PER_FEATURE: f64 = 6.0;

/// Bytes that programs can still take without swapping.
pub(crate) fn available_bytes() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:")
}

/// Bytes of this process in memory.
pub(crate) fn resident_bytes() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// Forgets the peak so far; false where that cannot be done.
pub(crate) fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most bytes that this process had in memory since [`reset_peak`].
pub(crate) fn peak_bytes() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// A line `NAME   123 kB` of a file.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes of activations per image at `resolution_px`, estimated from the feature maps of both networks.
pub(crate) fn activation_bytes_per_image(settings: &TrainingSettings, resolution_px: u32) -> f64 {
    let levels = (2..=resolution_px.ilog2()).map(|log2| 1_u32 << log2);
    // Two convolutions a level.
    let features: f64 =
        levels.map(|px| 2.0 * f64::from(settings.feature_maps(px)) * f64::from(px) * f64::from(px)).sum();
    size_of::<f32>() as f64 * 2.0 * features * NUMBERS_PER_FEATURE
}

/// Processes of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RankCounts {
    /// That share this machine's memory.
    pub(crate) here: usize,
    /// That share a minibatch.
    pub(crate) all: usize,
}

/// Before the first step on the CPU: an error where what is known exactly does not fit, a warning where the estimate
/// of the activations does not. Weights are counted for each rank of this machine, activations for its shares of a
/// minibatch.
pub(crate) fn check_before_training(
    settings: &TrainingSettings,
    resolution_px: u32,
    weight_bytes_of_a_rank: u64,
    ranks: RankCounts,
    notes: StderrNotes,
) -> anyhow::Result<()> {
    let Some(available) = available_bytes() else { return Ok(()) };
    let further_weight_bytes = weight_bytes_of_a_rank.saturating_mul(ranks.here as u64);
    let share = ranks.here as f64 / ranks.all as f64;
    if further_weight_bytes > available {
        bail!(
            "moments and gradients of the networks take {} more, {} of memory are free: lower fmap_max, fmap_base or \
             resolution",
            gigabytes(further_weight_bytes as f64),
            gigabytes(available as f64)
        );
    }
    let steps = (2..=resolution_px.ilog2()).map(|log2| {
        let px = 1 << log2;
        let minibatch = settings.minibatch.at(px);
        (px, minibatch, activation_bytes_per_image(settings, px) * f64::from(minibatch) * share)
    });
    let Some((px, minibatch, bytes)) = steps.max_by(|a, b| a.2.total_cmp(&b.2)) else { return Ok(()) };
    let wanted = bytes + further_weight_bytes as f64;
    if wanted > available as f64 {
        notes.warning(format_args!(
            "at {px} px, minibatch {minibatch}, a step takes some {} (an estimate), {} of memory are free: if the run \
             is killed there, resume it with a lower minibatch (--set 'minibatch={{ default = …, {px} = … }}' --force), \
             or lower fmap_max",
            gigabytes(wanted),
            gigabytes(available as f64)
        ));
    }
    Ok(())
}

/// `3.2 GB`
pub(crate) fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    #[test]
    fn this_process_is_in_memory() {
        let resident = resident_bytes().unwrap();
        assert!((1 << 20..1 << 36).contains(&resident), "{resident}");
        assert!(available_bytes().unwrap() > 0);
    }

    #[test]
    fn more_than_there_is_is_refused_with_what_to_lower() {
        let settings = Preset::Tiny.settings();
        let notes = StderrNotes::new(true);
        let check =
            |bytes, here| check_before_training(&settings, 32, bytes, RankCounts { here, all: here }, notes);
        let error = check(u64::MAX, 1).unwrap_err().to_string();
        assert!(error.contains("fmap_max"), "{error}");
        assert!(check(1 << 20, 1).is_ok());
        // Enough for one, not for all.
        assert!(check(1 << 20, 1 << 30).is_err());
    }

    #[test]
    fn activations_grow_with_the_resolution() {
        let settings = Preset::PaperCelebahq.settings();
        let at = |px| activation_bytes_per_image(&settings, px);
        assert!(at(8) > 2.0 * at(4) && at(1024) > at(512));
    }
}
