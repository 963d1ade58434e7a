//! Averaged generators as files that other programs run: ONNX models and TorchScript modules.
//!
//! Both are written from the same list of plain steps ([`pg_networks::GeneratorAt::steps`]): one input `latents`,
//! f32 `[N, latent_size + label_size]` for any N, one output `images`, f32 `[N,C,R,R]`, not clamped.

mod error;
mod onnx;
mod pickle;
mod protobuf;
mod torchscript;
mod weights;

use std::io::Write as _;
use std::path::Path;

use pg_networks::{GeneratorStep, Phase};
use pg_shard::write_atomically;
use tch::{CModule, Kind, Tensor};

use crate::{Sampler, TrainingError};
pub use error::ExportError;

/// Version of ONNX's operators that files have unless another one is asked for.
pub const DEFAULT_OPSET: u32 = 17;
/// Versions of ONNX's operators that files can have.
pub const OPSETS: std::ops::RangeInclusive<u32> = 13..=22;

/// Largest difference from the sampler's images that a file may have, in units of the images' range or of
/// their largest number, whichever is more.
const TOLERANCE: f64 = 1e-3;
/// How many images the comparison takes at a time: not what any pass of the sampler takes.
const COMPARED_AT_A_TIME: usize = 3;

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A TorchScript module, for `torch.jit.load`.
    TorchScript,
    /// An ONNX model with operators of this version.
    Onnx {
        /// One of [`OPSETS`].
        opset: u32,
    },
}

/// What a file says about itself, as keys and values: in ONNX's metadata, in TorchScript's `extra/pg.json`.
pub type ExportMetadata = Vec<(&'static str, String)>;

/// An averaged generator, at the level that it was last trained at, ready to be written.
#[derive(Debug)]
pub struct GeneratorExport {
    sampler: Sampler,
    steps: Vec<GeneratorStep>,
    metadata: ExportMetadata,
}

impl GeneratorExport {
    /// Takes the generator of `sampler`, which should be on the CPU. One trained with bf16 activations is written
    /// with f32 ones, as its weights are.
    ///
    /// # Errors
    /// A snapshot whose file of weights cannot be read; libtorch's.
    pub fn new(sampler: Sampler) -> Result<Self, ExportError> {
        let sampler = sampler.in_full_precision();
        let steps = sampler.generator().at(sampler.state(), Phase::Sampling)?.steps();
        let metadata = metadata(&sampler)?;
        Ok(Self { sampler, steps, metadata })
    }

    /// What files say about themselves.
    #[must_use]
    pub fn metadata(&self) -> &ExportMetadata {
        &self.metadata
    }

    /// The bytes of a file. The same generator and format give the same bytes.
    ///
    /// # Errors
    /// [`ExportError::Opset`]; libtorch's.
    pub fn encode(&self, format: ExportFormat) -> Result<Vec<u8>, ExportError> {
        let sizes = Sizes::of(&self.sampler);
        match format {
            ExportFormat::Onnx { opset } if !OPSETS.contains(&opset) => Err(ExportError::Opset { opset }),
            ExportFormat::Onnx { opset } => onnx::encode(&self.steps, sizes, opset, &self.metadata),
            ExportFormat::TorchScript => torchscript::encode(&self.steps, sizes, &self.metadata),
        }
    }

    /// Loads a TorchScript file's bytes and runs it beside the sampler's generator on the latents of `seeds`:
    /// the largest difference of any number of the images, and the largest number of the sampler's.
    ///
    /// # Errors
    /// Bytes that libtorch does not load or run; images of another shape.
    pub fn largest_difference(&self, torchscript: &[u8], seeds: &[u64]) -> Result<(f64, f64), ExportError> {
        let module = CModule::load_data(&mut &*torchscript)?;
        let (mut difference, mut largest) = (0.0_f64, 0.0_f64);
        for seeds in seeds.chunks(COMPARED_AT_A_TIME) {
            let (latents, expected) = self.sampler.sample_numbers(seeds)?;
            let found = tch::no_grad(|| module.forward_ts(&[&latents]))?;
            if found.size() != expected.size() {
                return Err(ExportError::Shape { expected: expected.size(), found: found.size() });
            }
            // A NaN on either side is NaN here, and no limit's match.
            let most = |t: Tensor| t.abs().max().to_kind(Kind::Double).double_value(&[]);
            let here = most(found - &expected);
            difference = if here.is_nan() || here > difference { here } else { difference };
            largest = largest.max(most(expected));
            if difference.is_nan() {
                break;
            }
        }
        Ok((difference, largest))
    }

    /// Writes a file, once it is known to be right: the steps are loaded back as TorchScript (in either format) and
    /// compared with the sampler's images of `seeds`. Returns the largest difference. The name only ever shows a
    /// complete file.
    ///
    /// # Errors
    /// Those of [`Self::encode`] and [`Self::largest_difference`]; [`ExportError::Differs`]; I/O errors.
    pub fn write(&self, path: &Path, format: ExportFormat, seeds: &[u64]) -> Result<f64, ExportError> {
        let bytes = self.encode(format)?;
        let (difference, largest) = match format {
            ExportFormat::TorchScript => self.largest_difference(&bytes, seeds)?,
            ExportFormat::Onnx { .. } => {
                self.largest_difference(&self.encode(ExportFormat::TorchScript)?, seeds)?
            }
        };
        let limit = TOLERANCE * largest.max(1.0);
        if difference.is_nan() || difference > limit {
            return Err(ExportError::Differs { path: path.to_owned(), difference, limit });
        }
        write_atomically(path, |file| file.write_all(&bytes)).map_err(TrainingError::io("write", path))?;
        Ok(difference)
    }

    /// Writes `latents` and `images` (not clamped) of `seeds` as safetensors: what another program should get.
    ///
    /// # Errors
    /// libtorch's; I/O errors.
    pub fn write_examples(&self, path: &Path, seeds: &[u64]) -> Result<(), ExportError> {
        let (latents, images) = self.sampler.sample_numbers(seeds)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".partial");
        let temporary = Path::new(&temporary);
        // The binding's own error names no file.
        let io = |source| TrainingError::io("write", path)(source);
        std::fs::File::create(temporary).map_err(io)?;
        let tensors = [("latents", latents), ("images", images.contiguous())];
        let result = Tensor::write_safetensors(&tensors, temporary)
            .map_err(ExportError::from)
            .and_then(|()| std::fs::rename(temporary, path).map_err(|e| io(e).into()));
        if result.is_err() {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(temporary);
        }
        result
    }
}

/// What the formats say of input and output.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    latent: i64,
    label: i64,
    channels: i64,
    side_px: i64,
}

impl Sizes {
    fn of(sampler: &Sampler) -> Self {
        Self {
            latent: sampler.latent_size() as i64,
            label: i64::from(sampler.classes()),
            channels: sampler.channels() as i64,
            side_px: i64::from(sampler.resolution_px()),
        }
    }
}

fn metadata(sampler: &Sampler) -> Result<ExportMetadata, ExportError> {
    let path = sampler.snapshot().average_path();
    let weights = std::fs::read(&path).map_err(TrainingError::io("read", &path))?;
    let images_shown = sampler.snapshot().state().images_shown;
    Ok(vec![
        ("pg.producer", "pgtrain export".to_owned()),
        ("pg.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("pg.input", "z".to_owned()),
        ("pg.latent_size", sampler.latent_size().to_string()),
        ("pg.label_size", sampler.classes().to_string()),
        ("pg.resolution", sampler.resolution_px().to_string()),
        ("pg.channels", sampler.channels().to_string()),
        ("pg.fade_in", sampler.state().fade_in.to_string()),
        ("pg.range", "[-1,1]".to_owned()),
        ("pg.u8", "x * 127.5 + 127.5, rounded half to even, saturated to 0..255".to_owned()),
        ("pg.kimg", format!("{}.{:03}", images_shown / 1000, images_shown % 1000)),
        ("pg.weights_blake3", blake3::hash(&weights).to_hex().to_string()),
    ])
}
