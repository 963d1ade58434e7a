//! What ranks compare: that they train the same run, and that their weights stay the same.

use std::path::Path;

use pg_schedule::TrainingSettings;
use tch::{Device, Kind, Tensor};

use crate::TrainingError;
use crate::ranks::{Ranks, different_ranks};
use crate::trainer::Trainer;

/// At the start: the same settings, the same data, the same snapshot.
///
/// # Errors
/// [`TrainingError::RanksDiffer`] on all ranks.
pub(crate) fn check_same_run(
    ranks: &mut dyn Ranks,
    settings: &TrainingSettings,
    dataset_fingerprint: &str,
    images_shown: u64,
) -> Result<(), TrainingError> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    for (what, value) in [
        ("the program's version", version),
        ("the settings", settings.to_toml()),
        ("the dataset", dataset_fingerprint.to_owned()),
        ("the newest snapshot (is the run folder shared by all machines?)", images_shown.to_string()),
    ] {
        check(ranks, what, value.as_bytes(), None)?;
    }
    Ok(())
}

/// That all ranks hold the same bits: weights, their averages, moments.
///
/// Cost: one pass over all of them, and their transfer from the device; nothing with one rank.
///
/// # Errors
/// [`TrainingError::RanksDiffer`] on all ranks; libtorch's.
pub(crate) fn check_same_weights(
    trainer: &mut Trainer,
    snapshot: Option<&Path>,
) -> Result<(), TrainingError> {
    if trainer.ranks.count() == 1 {
        return Ok(());
    }
    let parameters = |p: &pg_networks::Parameters| p.iter().map(|(_, t)| t.detach()).collect::<Vec<_>>();
    let parts = [
        ("the generator's weights", parameters(trainer.generator.parameters())),
        ("the discriminator's weights", parameters(trainer.discriminator.parameters())),
        ("the averaged generator's weights", parameters(trainer.average().parameters())),
        ("the optimisers' moments", trainer.optimizer_state().into_iter().map(|(_, t)| t).collect()),
    ];
    for (what, tensors) in parts {
        let hash = hash_of(&tensors)?;
        check(&mut *trainer.ranks, what, &hash, snapshot)?;
    }
    Ok(())
}

fn check(
    ranks: &mut dyn Ranks,
    what: &'static str,
    bytes: &[u8],
    snapshot: Option<&Path>,
) -> Result<(), TrainingError> {
    let different = different_ranks(ranks, bytes)?;
    if different.is_empty() {
        return Ok(());
    }
    Err(TrainingError::RanksDiffer { what, ranks: different, snapshot: snapshot.map(Path::to_owned) })
}

/// BLAKE3 of the tensors' numbers.
fn hash_of(tensors: &[Tensor]) -> Result<[u8; 32], TrainingError> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    for tensor in tensors {
        let plain = tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_flatten(0, -1)?;
        let plain = plain.f_view_dtype(Kind::Uint8)?;
        bytes.resize(plain.numel(), 0);
        plain.f_copy_data_u8(&mut bytes, plain.numel())?;
        hasher.update(&bytes);
    }
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::in_process::on_ranks;
    use pg_schedule::Preset;

    fn trainer(rank: Box<dyn Ranks>) -> Trainer {
        // The count is each thread's own.
        tch::set_num_threads(1);
        let mut settings = Preset::Tiny.settings();
        (settings.fmap_max, settings.latent_size) = (4, 4);
        Trainer::new(&settings, 8, 3, Device::Cpu).unwrap().with_ranks(rank)
    }

    #[test]
    fn a_weight_that_differs_in_one_bit_names_its_rank_and_the_snapshot() {
        let found = on_ranks(3, |rank| {
            let differs = rank.rank() == 2;
            let mut trainer = trainer(Box::new(rank));
            let before = check_same_weights(&mut trainer, None);
            if differs {
                let mut weights = trainer.discriminator.parameters().iter();
                let (_, bias) = weights.find(|(name, _)| name.ends_with("bias")).unwrap();
                let mut first = bias.detach().narrow(0, 0, 1);
                let bits = f32::try_from(&first).unwrap().to_bits();
                let _ = first.fill_(f64::from(f32::from_bits(bits ^ 1)));
            }
            let after = check_same_weights(&mut trainer, Some(Path::new("run/snapshots/000012")));
            (before.is_ok(), after.unwrap_err().to_string())
        });
        for (was_same, message) in found {
            assert!(was_same);
            assert!(message.contains("discriminator's weights of rank 2 is not"), "{message}");
            assert!(message.contains("000012"), "{message}");
        }
    }

    #[test]
    fn ranks_with_other_settings_are_refused() {
        let found = on_ranks(2, |mut rank| {
            let settings = Preset::Tiny.settings();
            let seed = rank.rank() as u64;
            let settings = TrainingSettings { seed, ..settings };
            check_same_run(&mut rank, &settings, "same", 0).unwrap_err().to_string()
        });
        assert!(found.iter().all(|message| message.contains("the settings of rank 1")), "{found:?}");
    }
}
