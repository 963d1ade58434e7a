//! Images from a generator, the same image for the same seed in any batch.

use std::path::Path;

use pg_networks::{Generator, GrowthState};
use pg_schedule::TrainingSettings;
use tch::{Device, Tensor};

use crate::image_range::images_to_u8;
use crate::random_streams::{Stream, normal_numbers};
use crate::trainer::{architecture, growth_state};
use crate::{RunFolder, Snapshot, TrainingError};

/// Images per forward pass. Always this many (the last pass is filled up), so that libtorch takes the
/// same code path for every image.
const BATCH: usize = 16;

/// Images of one size, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSheet {
    /// `[N,C,R,R]`, 0..=255.
    pub bytes: Vec<u8>,
    /// Number of images N.
    pub count: usize,
    /// Colour channels C.
    pub channels: usize,
    /// Side R in pixels.
    pub resolution_px: usize,
}

impl ImageSheet {
    /// The images one by one, each `[C,R,R]`.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact((self.channels * self.resolution_px * self.resolution_px).max(1))
    }
}

/// Draws images from a snapshot's averaged generator.
#[derive(Debug)]
pub struct Sampler {
    generator: Generator,
    state: GrowthState,
    snapshot: Snapshot,
    device: Device,
}

impl Sampler {
    /// Opens a run folder (its newest snapshot) or a snapshot folder inside one.
    ///
    /// # Errors
    /// [`TrainingError::NoSnapshot`] when `path` is neither; files that do not fit.
    pub fn open(path: &Path, device: Device) -> Result<Self, TrainingError> {
        let none = || TrainingError::NoSnapshot { path: path.to_owned() };
        let (snapshot, run) = if path.join("state.json").is_file() {
            let run = path.canonicalize().map_err(TrainingError::io("read", path))?;
            let run = run.parent().and_then(Path::parent).ok_or_else(none)?.to_owned();
            (Snapshot::open(path)?, run)
        } else {
            (RunFolder::newest_snapshot(path)?.ok_or_else(none)?, path.to_owned())
        };
        let (settings, _) = RunFolder::recorded(&run)?.ok_or_else(none)?;
        Self::of_snapshot(snapshot, &settings, device)
    }

    /// Opens the best snapshot of a run folder, by its `best.json`.
    ///
    /// # Errors
    /// [`TrainingError::NoBest`] when none was chosen; files that do not fit.
    pub fn open_best(run: &Path, device: Device) -> Result<Self, TrainingError> {
        let snapshot = RunFolder::best_snapshot(run)?;
        let none = || TrainingError::NoSnapshot { path: run.to_owned() };
        let (settings, _) = RunFolder::recorded(run)?.ok_or_else(none)?;
        Self::of_snapshot(snapshot, &settings, device)
    }

    fn of_snapshot(
        snapshot: Snapshot,
        settings: &TrainingSettings,
        device: Device,
    ) -> Result<Self, TrainingError> {
        let architecture =
            architecture(settings, snapshot.state().resolution, snapshot.state().image_channels);
        let generator = Generator::new(&architecture, device, &mut |count| vec![0.0; count]);
        snapshot.load_average(generator.parameters())?;
        let state = growth_state(snapshot.level(settings));
        Ok(Self { generator, state, snapshot, device })
    }

    /// The snapshot in use.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Side of the images in pixels.
    #[must_use]
    pub fn resolution_px(&self) -> u32 {
        self.state.resolution_px
    }

    /// One image per seed, in order; call with a few dozen at a time to bound memory.
    ///
    /// # Errors
    /// libtorch's.
    pub fn sample(&self, seeds: &[u64]) -> Result<ImageSheet, TrainingError> {
        seeded_sheet(&self.generator, self.state, seeds, self.device)
    }

    /// Components of a latent.
    #[must_use]
    pub fn latent_size(&self) -> usize {
        self.generator.architecture().latent_size as usize
    }

    /// Colour channels of the images.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.generator.architecture().image_channels as usize
    }

    /// One image per latent, in order; each latent has [`Self::latent_size`] components.
    ///
    /// # Errors
    /// libtorch's, for latents of another size.
    pub fn sample_latents(&self, latents: &[Vec<f32>]) -> Result<ImageSheet, TrainingError> {
        render(&self.generator, self.state, latents, self.device)
    }
}

/// One image per seed.
pub(crate) fn seeded_sheet(
    generator: &Generator,
    state: GrowthState,
    seeds: &[u64],
    device: Device,
) -> Result<ImageSheet, TrainingError> {
    let size = generator.architecture().latent_size as usize;
    let latents: Vec<_> =
        seeds.iter().map(|&seed| normal_numbers(seed, Stream::SampleLatents, 0, size)).collect();
    render(generator, state, &latents, device)
}

/// The fixed sheet of a run: image k always from the same latent.
pub(crate) fn fixed_sheet(
    generator: &Generator,
    state: GrowthState,
    seed: u64,
    count: usize,
    device: Device,
) -> Result<ImageSheet, TrainingError> {
    let size = generator.architecture().latent_size as usize;
    let latents: Vec<_> =
        (0..count).map(|k| normal_numbers(seed, Stream::SheetLatents, k as u64, size)).collect();
    render(generator, state, &latents, device)
}

fn render(
    generator: &Generator,
    state: GrowthState,
    latents: &[Vec<f32>],
    device: Device,
) -> Result<ImageSheet, TrainingError> {
    let architecture = generator.architecture();
    let (channels, side) = (architecture.image_channels as usize, state.resolution_px as usize);
    let image_bytes = channels * side * side;
    let mut sheet = ImageSheet { bytes: Vec::new(), count: latents.len(), channels, resolution_px: side };
    sheet.bytes.reserve_exact(latents.len() * image_bytes);
    for chunk in latents.chunks(BATCH) {
        let mut numbers: Vec<f32> = chunk.concat();
        numbers.resize(BATCH * architecture.latent_size as usize, 1.0);
        let batch = Tensor::from_slice(&numbers).reshape([BATCH as i64, -1]).to_device(device);
        let images = tch::no_grad(|| generator.forward(&batch, state))?;
        let bytes = images_to_u8(&images).contiguous();
        let mut block = vec![0_u8; BATCH * image_bytes];
        bytes.f_copy_data_u8(&mut block, BATCH * image_bytes)?;
        sheet.bytes.extend_from_slice(&block[..chunk.len() * image_bytes]);
    }
    Ok(sheet)
}
