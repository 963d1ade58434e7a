//! Images from a generator, the same image for the same seed in any batch.

use std::path::Path;

use pg_networks::{Generator, GeneratorInputs, GrowthState, Phase};
use tch::{Device, Kind, Tensor};

use crate::drawing::Drawing;
use crate::image_sheet::ImageSheet;
use crate::layer_noise::NoiseSource;
use crate::random_streams::{Stream, normal_numbers, uniform_numbers};
use crate::trainer::{activations, architecture, growth_state};
use crate::{RunFolder, Snapshot, TrainingError, Truncation};

/// Draws images from a snapshot's averaged generator.
#[derive(Debug)]
pub struct Sampler {
    generator: Generator,
    state: GrowthState,
    snapshot: Snapshot,
    device: Device,
    class: Option<u32>,
    truncation: Truncation,
}

/// What an image of a style-based generator is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct StyledImage {
    /// A w for each layer, one behind the other.
    pub styles: Vec<f32>,
    /// Whose noise the layers add: a seed's, as [`Sampler::sample`] has it, or none.
    pub noise_seed: Option<u64>,
}

impl Sampler {
    /// Opens a run folder (its newest snapshot) or a snapshot folder, wherever it lies. Nothing is written.
    ///
    /// # Errors
    /// [`TrainingError::NoSnapshot`] when `path` is neither; files that do not fit.
    pub fn open(path: &Path, device: Device) -> Result<Self, TrainingError> {
        if path.join("state.json").is_file() {
            let path = path.canonicalize().map_err(TrainingError::io("read", path))?;
            let run = path.parent().and_then(Path::parent);
            return Self::of_snapshot(Snapshot::open(&path)?, run, device);
        }
        opened_in_time(|| {
            let none = || TrainingError::NoSnapshot { path: path.to_owned() };
            let snapshot = RunFolder::newest_snapshot(path)?.ok_or_else(none)?;
            Self::of_snapshot(snapshot, Some(path), device)
        })
    }

    /// Opens the best snapshot of a run folder, by its `best.json`.
    ///
    /// # Errors
    /// [`TrainingError::NoBest`] when none was chosen; files that do not fit.
    pub fn open_best(run: &Path, device: Device) -> Result<Self, TrainingError> {
        opened_in_time(|| Self::of_snapshot(RunFolder::best_snapshot(run)?, Some(run), device))
    }

    /// `run` is where settings are looked for that an old snapshot does not hold itself.
    fn of_snapshot(snapshot: Snapshot, run: Option<&Path>, device: Device) -> Result<Self, TrainingError> {
        let settings = match (snapshot.settings()?, run) {
            (Some(settings), _) => Some(settings),
            (None, Some(run)) => RunFolder::recorded(run)?.map(|(settings, _)| settings),
            (None, None) => None,
        };
        let none = || TrainingError::NoSettings { path: snapshot.folder().to_owned() };
        let settings = &settings.ok_or_else(none)?;
        let at = snapshot.state();
        let architecture = architecture(settings, at.resolution, at.image_channels, at.label_size);
        let generator = Generator::new(&architecture, device, &mut |count| vec![0.0; count])
            .with_activations(activations(settings));
        snapshot.load_average(generator.parameters())?;
        let state = growth_state(snapshot.level(settings));
        Ok(Self { generator, state, snapshot, device, class: None, truncation: Truncation::default() })
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
    /// it rounds; a style-based generator with `noise` for all.
    pub(crate) fn sample_numbers(
        &self,
        seeds: &[u64],
        noise: &[Tensor],
    ) -> Result<(Tensor, Tensor), TrainingError> {
        let latents = self.latents_of(seeds).concat();
        let latents = Tensor::from_slice(&latents).reshape([seeds.len() as i64, -1]).to_device(self.device);
        let inputs = GeneratorInputs { latents: &latents, mixed: None, noise };
        let images = tch::no_grad(|| self.generator.at(self.state, Phase::Sampling)?.draw(&inputs))?;
        Ok((latents, images))
    }

    fn latents_of(&self, seeds: &[u64]) -> Vec<Vec<f32>> {
        let sizes = (self.latent_size(), self.classes());
        seeds.iter().map(|&seed| seeded_latent(seed, self.class, sizes)).collect()
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

    /// Images with their styles pulled towards the mean.
    ///
    /// # Errors
    /// A generator without styles, for a truncation that is one.
    pub fn truncated(mut self, truncation: Truncation) -> Result<Self, TrainingError> {
        if !truncation.is_none() {
            self.require_styles()?;
        }
        self.truncation = truncation;
        Ok(self)
    }

    /// # Errors
    /// Where the generator is not a style-based one.
    pub fn require_styles(&self) -> Result<(), TrainingError> {
        self.drawing()?.mean_style().map(drop)
    }

    /// Layers that take a style at the level in use, two for each resolution; 0 for generators without styles.
    ///
    /// # Errors
    /// libtorch's.
    pub fn style_layers(&self) -> Result<usize, TrainingError> {
        Ok(self.drawing()?.layers())
    }

    fn drawing(&self) -> Result<Drawing, TrainingError> {
        Drawing::new(&self.generator, self.state, self.device)
    }

    /// One image per seed, in order; call with a few dozen at a time to bound memory.
    ///
    /// # Errors
    /// libtorch's.
    pub fn sample(&self, seeds: &[u64]) -> Result<ImageSheet, TrainingError> {
        let noise: Vec<_> = seeds.iter().map(|&seed| Some(noise_of_seed(seed))).collect();
        self.drawing()?.images(&self.latents_of(seeds), &noise, &self.truncation)
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
        let noise: Vec<_> = cells.iter().map(|&(seed, _)| Some(noise_of_seed(seed))).collect();
        self.drawing()?.images(&latents, &noise, &self.truncation)
    }

    /// w of each seed's latent, not truncated.
    ///
    /// # Errors
    /// A generator without styles; libtorch's.
    pub fn styles_of_seeds(&self, seeds: &[u64]) -> Result<Vec<Vec<f32>>, TrainingError> {
        self.drawing()?.map(&self.latents_of(seeds))
    }

    /// w of each latent of [`Self::latent_size`] components, not truncated. With labels and no class chosen they are
    /// of class 0.
    ///
    /// # Errors
    /// A generator without styles; libtorch's.
    pub fn styles_of_latents(&self, latents: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, TrainingError> {
        self.drawing()?.map(&self.labelled(latents))
    }

    /// A w for each layer from one for all, truncated as this sampler's images are.
    ///
    /// # Errors
    /// A generator without styles; libtorch's.
    pub fn by_layer(&self, w: &[f32]) -> Result<Vec<f32>, TrainingError> {
        self.drawing()?.by_layer(w, &self.truncation)
    }

    /// One image for each set of styles, in order.
    ///
    /// # Errors
    /// A generator without styles; libtorch's, for styles of another size.
    pub fn sample_styled(&self, images: &[StyledImage]) -> Result<ImageSheet, TrainingError> {
        let styles: Vec<_> = images.iter().map(|image| image.styles.clone()).collect();
        let noise: Vec<_> = images.iter().map(|image| image.noise_seed.map(noise_of_seed)).collect();
        self.drawing()?.styled_images(&styles, &noise)
    }

    fn labelled(&self, latents: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let class = self.class.unwrap_or(0);
        latents.iter().map(|latent| with_class(latent.clone(), class, self.classes())).collect()
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
    /// no class chosen they are of class 0. All have the noise of seed 0.
    ///
    /// # Errors
    /// libtorch's, for latents of another size.
    pub fn sample_latents(&self, latents: &[Vec<f32>]) -> Result<ImageSheet, TrainingError> {
        let noise = vec![Some(noise_of_seed(0)); latents.len()];
        self.drawing()?.images(&self.labelled(latents), &noise, &self.truncation)
    }
}

/// Opens what `open` finds, and again when a training run removed that in between.
fn opened_in_time(open: impl Fn() -> Result<Sampler, TrainingError>) -> Result<Sampler, TrainingError> {
    const TRIES: usize = 5;
    let is_gone = |error: &TrainingError| match error {
        TrainingError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        TrainingError::Incomplete { .. } => true,
        _ => false,
    };
    for _ in 1..TRIES {
        match open() {
            Err(error) if is_gone(&error) => {}
            result => return result,
        }
    }
    open()
}

fn noise_of_seed(seed: u64) -> NoiseSource {
    NoiseSource { seed, stream: Stream::SampleLayerNoise, counter: 0 }
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
    let noise: Vec<_> = seeds.iter().map(|&seed| Some(noise_of_seed(seed))).collect();
    Drawing::new(generator, state, device)?.images(&latents, &noise, &Truncation::default())
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
    let of = |k| NoiseSource { seed, stream: Stream::SheetLayerNoise, counter: k };
    let noise: Vec<_> = (0..latents.len() as u64).map(|k| Some(of(k))).collect();
    Drawing::new(generator, state, device)?.images(&latents, &noise, &Truncation::default())
}
