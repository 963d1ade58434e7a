//! Images from a generator, the same image for the same seed in any batch.

use std::path::Path;

use pg_networks::{Generator, GrowthState};
use pg_schedule::TrainingSettings;
use tch::{Device, Kind, Tensor};

use crate::image_range::images_to_u8;
use crate::random_streams::{Stream, normal_numbers, uniform_numbers};
use crate::trainer::{activations, architecture, growth_state};
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
    class: Option<u32>,
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
        let at = snapshot.state();
        let architecture = architecture(settings, at.resolution, at.image_channels, at.label_size);
        let generator = Generator::new(&architecture, device, &mut |count| vec![0.0; count])
            .with_activations(activations(settings));
        snapshot.load_average(generator.parameters())?;
        let state = growth_state(snapshot.level(settings));
        Ok(Self { generator, state, snapshot, device, class: None })
    }

    /// The same with activations in f32, whatever the generator was trained with.
    pub(crate) fn in_full_precision(mut self) -> Self {
        self.generator = self.generator.with_activations(Kind::Float);
        self
    }

    pub(crate) fn generator(&self) -> &Generator {
        &self.generator
    }

    pub(crate) fn state(&self) -> GrowthState {
        self.state
    }

    /// Latents `[N,latent_size + label_size]` and images `[N,C,R,R]` of `seeds`, as [`Self::sample`] has them before
    /// it rounds.
    pub(crate) fn sample_numbers(&self, seeds: &[u64]) -> Result<(Tensor, Tensor), TrainingError> {
        let sizes = (self.latent_size(), self.classes());
        let latents: Vec<f32> =
            seeds.iter().flat_map(|&seed| seeded_latent(seed, self.class, sizes)).collect();
        let latents = Tensor::from_slice(&latents).reshape([seeds.len() as i64, -1]).to_device(self.device);
        let images = tch::no_grad(|| self.generator.forward(&latents, self.state))?;
        Ok((latents, images))
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

    /// Number of classes that images may be drawn of; 0 without labels.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.generator.architecture().label_size
    }

    /// Draws images of class `class` only; without it, each image's class is drawn from its seed.
    ///
    /// # Errors
    /// [`TrainingError::NoClass`] where the generator does not have it.
    pub fn of_class(mut self, class: u32) -> Result<Self, TrainingError> {
        if class >= self.classes() {
            return Err(TrainingError::NoClass { class, classes: self.classes() });
        }
        self.class = Some(class);
        Ok(self)
    }

    /// One image per seed, in order; call with a few dozen at a time to bound memory.
    ///
    /// # Errors
    /// libtorch's.
    pub fn sample(&self, seeds: &[u64]) -> Result<ImageSheet, TrainingError> {
        seeded_sheet(&self.generator, self.state, seeds, self.class, self.device)
    }

    /// One image per seed and class, in order.
    ///
    /// # Errors
    /// [`TrainingError::NoClass`] for a class that the generator does not have; libtorch's.
    pub fn sample_classes(&self, cells: &[(u64, u32)]) -> Result<ImageSheet, TrainingError> {
        let classes = self.classes();
        if let Some(&(_, class)) = cells.iter().find(|(_, class)| *class >= classes) {
            return Err(TrainingError::NoClass { class, classes });
        }
        let sizes = (self.latent_size(), classes);
        let latents: Vec<_> =
            cells.iter().map(|&(seed, class)| seeded_latent(seed, Some(class), sizes)).collect();
        render(&self.generator, self.state, &latents, self.device)
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

    /// One image per latent, in order; each latent has [`Self::latent_size`] components. With labels and
    /// no class chosen they are of class 0.
    ///
    /// # Errors
    /// libtorch's, for latents of another size.
    pub fn sample_latents(&self, latents: &[Vec<f32>]) -> Result<ImageSheet, TrainingError> {
        let class = self.class.unwrap_or(0);
        let latents: Vec<_> =
            latents.iter().map(|latent| with_class(latent.clone(), class, self.classes())).collect();
        render(&self.generator, self.state, &latents, self.device)
    }
}

/// A latent with the label of `class` behind it: 1 there, 0 elsewhere.
fn with_class(mut latent: Vec<f32>, class: u32, classes: u32) -> Vec<f32> {
    latent.extend((0..classes).map(|k| if k == class { 1.0 } else { 0.0 }));
    latent
}

/// Latent and class of a seed.
fn seeded_latent(seed: u64, class: Option<u32>, (size, classes): (usize, u32)) -> Vec<f32> {
    let latent = normal_numbers(seed, Stream::SampleLatents, 0, size);
    let drawn = || {
        let share = uniform_numbers(seed, Stream::SampleClasses, 0, 1)[0];
        ((f64::from(share) * f64::from(classes)) as u32).min(classes.saturating_sub(1))
    };
    with_class(latent, class.unwrap_or_else(drawn), classes)
}

/// One image per seed.
pub(crate) fn seeded_sheet(
    generator: &Generator,
    state: GrowthState,
    seeds: &[u64],
    class: Option<u32>,
    device: Device,
) -> Result<ImageSheet, TrainingError> {
    let sizes = (generator.architecture().latent_size as usize, generator.architecture().label_size);
    let latents: Vec<_> = seeds.iter().map(|&seed| seeded_latent(seed, class, sizes)).collect();
    render(generator, state, &latents, device)
}

/// The fixed sheet of a run: image k always from the same latent; with labels, a class for each of its
/// `columns`.
pub(crate) fn fixed_sheet(
    generator: &Generator,
    state: GrowthState,
    seed: u64,
    (columns, rows): (usize, usize),
    device: Device,
) -> Result<ImageSheet, TrainingError> {
    let size = generator.architecture().latent_size as usize;
    let classes = generator.architecture().label_size;
    let latents: Vec<_> = (0..columns * rows)
        .map(|k| {
            let latent = normal_numbers(seed, Stream::SheetLatents, k as u64, size);
            let class = (k % columns) as u32 % classes.max(1);
            with_class(latent, class, classes)
        })
        .collect();
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
        numbers.resize(BATCH * (architecture.latent_size + architecture.label_size) as usize, 1.0);
        let batch = Tensor::from_slice(&numbers).reshape([BATCH as i64, -1]).to_device(device);
        let images = tch::no_grad(|| generator.forward(&batch, state))?;
        let bytes = images_to_u8(&images).contiguous();
        let mut block = vec![0_u8; BATCH * image_bytes];
        bytes.f_copy_data_u8(&mut block, BATCH * image_bytes)?;
        sheet.bytes.extend_from_slice(&block[..chunk.len() * image_bytes]);
    }
    Ok(sheet)
}
