//! Images from latents or styles, the same image in any batch.

use pg_networks::{Generator, GeneratorAt, GeneratorInputs, GrowthState, Phase};
use tch::{Device, Tensor};

use crate::TrainingError;
use crate::image_range::images_to_u8;
use crate::image_sheet::ImageSheet;
use crate::layer_noise::{NoiseSource, noise_of_images};
use crate::truncation::Truncation;

/// Images per forward pass. Always this many (the last pass is filled up), so that libtorch takes the
/// same code path for every image.
const BATCH: usize = 16;

/// A generator at a level, ready to draw.
#[derive(Debug)]
pub(crate) struct Drawing {
    generator: GeneratorAt,
    channels: usize,
    side_px: usize,
    latent_size: usize,
    device: Device,
}

impl Drawing {
    pub(crate) fn new(
        generator: &Generator,
        state: GrowthState,
        device: Device,
    ) -> Result<Self, TrainingError> {
        let architecture = generator.architecture();
        Ok(Self {
            generator: tch::no_grad(|| generator.at(state, Phase::Sampling))?,
            channels: architecture.image_channels as usize,
            side_px: state.resolution_px as usize,
            latent_size: architecture.latent_size as usize,
            device,
        })
    }

    /// Layers that take a style; 0 without.
    pub(crate) fn layers(&self) -> usize {
        if self.is_styled() { self.generator.layers() } else { 0 }
    }

    fn is_styled(&self) -> bool {
        self.generator.mean_style().is_ok()
    }

    /// The mean of w that training kept.
    pub(crate) fn mean_style(&self) -> Result<Vec<f32>, TrainingError> {
        numbers_of(self.generator.mean_style()?)
    }

    /// An image for each latent, its label behind it, with noise of its own.
    pub(crate) fn images(
        &self,
        latents: &[Vec<f32>],
        noise: &[Option<NoiseSource>],
        truncation: &Truncation,
    ) -> Result<ImageSheet, TrainingError> {
        if self.is_styled() {
            let by_layer = |w: &Vec<f32>| self.by_layer(w, truncation);
            let styles = self.map(latents)?.iter().map(by_layer).collect::<Result<Vec<_>, _>>()?;
            return self.styled_images(&styles, noise);
        }
        self.in_batches(latents, noise, |batch, _| {
            let inputs = GeneratorInputs { latents: &batch, mixed: None, noise: &[] };
            Ok(self.generator.draw(&inputs)?)
        })
    }

    /// An image for each set of styles, `layers` times `latent_size` numbers.
    pub(crate) fn styled_images(
        &self,
        styles: &[Vec<f32>],
        noise: &[Option<NoiseSource>],
    ) -> Result<ImageSheet, TrainingError> {
        let layers = self.layers() as i64;
        self.in_batches(styles, noise, |batch, noise| {
            let styles = batch.view([BATCH as i64, layers.max(1), -1]);
            Ok(self.generator.synthesise(&styles, &noise)?)
        })
    }

    /// w for each latent.
    pub(crate) fn map(&self, latents: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, TrainingError> {
        let mut styles = Vec::with_capacity(latents.len());
        for chunk in latents.chunks(BATCH) {
            let w = tch::no_grad(|| self.generator.map(&self.filled(chunk)))?;
            styles.extend(numbers_of(&w)?.chunks(self.latent_size).take(chunk.len()).map(<[f32]>::to_vec));
        }
        Ok(styles)
    }

    /// w for each layer, pulled towards its mean.
    pub(crate) fn by_layer(&self, w: &[f32], truncation: &Truncation) -> Result<Vec<f32>, TrainingError> {
        let mean = self.mean_style()?;
        let layer = |layer| {
            let psi = truncation.at(layer);
            w.iter().zip(&mean).map(move |(w, mean)| if psi == 1.0 { *w } else { mean + psi * (w - mean) })
        };
        Ok((0..self.layers()).flat_map(layer).collect())
    }

    fn filled(&self, chunk: &[Vec<f32>]) -> Tensor {
        let mut numbers: Vec<f32> = chunk.concat();
        let size = chunk.first().map_or(0, Vec::len);
        numbers.resize(BATCH * size, 1.0);
        Tensor::from_slice(&numbers).reshape([BATCH as i64, size as i64]).to_device(self.device)
    }

    fn in_batches(
        &self,
        rows: &[Vec<f32>],
        noise: &[Option<NoiseSource>],
        draw: impl Fn(Tensor, Vec<Tensor>) -> Result<Tensor, TrainingError>,
    ) -> Result<ImageSheet, TrainingError> {
        let (channels, side) = (self.channels, self.side_px);
        let image_bytes = channels * side * side;
        let mut sheet = ImageSheet { bytes: Vec::new(), count: rows.len(), channels, resolution_px: side };
        sheet.bytes.reserve_exact(rows.len() * image_bytes);
        let sides = self.generator.noise_sides_px();
        for (index, chunk) in rows.chunks(BATCH).enumerate() {
            let source = |k| noise.get(index * BATCH + k).copied().flatten().filter(|_| k < chunk.len());
            let sources: Vec<_> = (0..BATCH).map(source).collect();
            let noise = noise_of_images(&sources, &sides, self.device);
            let images = tch::no_grad(|| draw(self.filled(chunk), noise))?;
            let bytes = images_to_u8(&images).contiguous();
            let mut block = vec![0_u8; BATCH * image_bytes];
            bytes.f_copy_data_u8(&mut block, BATCH * image_bytes)?;
            sheet.bytes.extend_from_slice(&block[..chunk.len() * image_bytes]);
        }
        Ok(sheet)
    }
}

/// The numbers of an f32 tensor, in row-major order.
fn numbers_of(tensor: &Tensor) -> Result<Vec<f32>, TrainingError> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut numbers = vec![0.0_f32; tensor.numel()];
    tensor.f_copy_data(&mut numbers, tensor.numel())?;
    Ok(numbers)
}
