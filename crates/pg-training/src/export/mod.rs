//! Averaged generators as files that other programs run: ONNX models and TorchScript modules.
//!
//! Both are written from the same list of plain steps ([`pg_networks::GeneratorAt::program`]): one input `latents`,
//! f32 `[N, latent_size + label_size]` for any N, one output `images`, f32 `[N,C,R,R]`, not clamped. A style-based
//! generator carries noise of its own in that file; as ONNX it comes with two more: `latents` to `w`, f32
//! `[N,latent_size]`, and `styles`, f32 `[N,layers,latent_size]`, with `noise0`, `noise1`, … to `images`.

mod error;
mod onnx;
mod pickle;
mod protobuf;
mod torchscript;
mod weights;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pg_image::files::{NewFile, write_atomically};
use pg_networks::{GeneratorAt, GeneratorPart, GeneratorProgram, Phase, RowShare};
use tch::{CModule, Device, Kind, Tensor};

use crate::layer_noise::{NoiseSource, noise_of_step};
use crate::random_streams::Stream;
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
    whole: GeneratorProgram,
    parts: Option<Parts>,
    noise: Vec<Tensor>,
    metadata: ExportMetadata,
}

/// A style-based generator in two.
#[derive(Debug)]
struct Parts {
    mapping: GeneratorProgram,
    synthesis: GeneratorProgram,
    layers: i64,
}

/// The result of a program.
#[derive(Debug)]
struct OutputInfo {
    name: &'static str,
    shape: Vec<Option<i64>>,
}

/// Where the parts of a style-based generator lie beside the whole at `path`: mapping, then synthesis.
#[must_use]
pub fn part_paths(path: &Path) -> [PathBuf; 2] {
    ["mapping", "synthesis"].map(|part| {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{part}.onnx"));
        path.with_file_name(name)
    })
}

impl GeneratorExport {
    /// Takes the generator of `sampler`, which should be on the CPU. One trained with bf16 activations is written
    /// with f32 ones, as its weights are.
    ///
    /// # Errors
    /// A snapshot whose file of weights cannot be read; libtorch's.
    pub fn new(sampler: Sampler) -> Result<Self, ExportError> {
        let sampler = sampler.in_full_precision();
        let generator = sampler.generator().at(sampler.state(), Phase::Sampling)?;
        let noise = fixed_noise(&generator);
        let whole = generator.program(GeneratorPart::Whole { noise: &noise })?;
        let styled = generator.mean_style().is_ok();
        let parts = if styled {
            let layers = generator.layers() as i64;
            let mapping = generator.program(GeneratorPart::Mapping)?;
            Some(Parts { mapping, synthesis: generator.program(GeneratorPart::Synthesis)?, layers })
        } else {
            None
        };
        let mut metadata = metadata(&sampler)?;
        metadata.push(("pg.network", if styled { "style" } else { "progressive" }.to_owned()));
        Ok(Self { sampler, whole, parts, noise, metadata })
    }

    /// What files say about themselves.
    #[must_use]
    pub fn metadata(&self) -> &ExportMetadata {
        &self.metadata
    }

    /// Whether mapping and synthesis go into files of their own as well.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// The bytes of a file from latents to images. The same generator and format give the same bytes.
    ///
    /// # Errors
    /// [`ExportError::Opset`]; libtorch's.
    pub fn encode(&self, format: ExportFormat) -> Result<Vec<u8>, ExportError> {
        self.encode_program(&self.whole, format, &self.images(), &self.metadata)
    }

    fn encode_program(
        &self,
        program: &GeneratorProgram,
        format: ExportFormat,
        output: &OutputInfo,
        metadata: &ExportMetadata,
    ) -> Result<Vec<u8>, ExportError> {
        match format {
            ExportFormat::Onnx { opset } if !OPSETS.contains(&opset) => Err(ExportError::Opset { opset }),
            ExportFormat::Onnx { opset } => onnx::encode(program, output, opset, metadata),
            ExportFormat::TorchScript => torchscript::encode(program, Sizes::of(&self.sampler), metadata),
        }
    }

    fn images(&self) -> OutputInfo {
        let sizes = Sizes::of(&self.sampler);
        let shape = vec![None, Some(sizes.channels), Some(sizes.side_px), Some(sizes.side_px)];
        OutputInfo { name: "images", shape }
    }

    /// The mapping and the synthesis of a style-based generator as files; `None` for others.
    fn encode_parts(&self, format: ExportFormat) -> Result<Option<[Vec<u8>; 2]>, ExportError> {
        let Some(parts) = &self.parts else { return Ok(None) };
        let size = self.sampler.latent_size() as i64;
        let with = |part: &str, input: &str, output: &str| {
            let mut metadata: ExportMetadata =
                self.metadata.iter().filter(|(key, _)| *key != "pg.input").cloned().collect();
            metadata.push(("pg.part", part.to_owned()));
            metadata.push(("pg.input", input.to_owned()));
            metadata.push(("pg.output", output.to_owned()));
            metadata.push(("pg.layers", parts.layers.to_string()));
            metadata
        };
        let w = OutputInfo { name: "w", shape: vec![None, Some(size)] };
        let mapping = self.encode_program(&parts.mapping, format, &w, &with("mapping", "z", "w"))?;
        let metadata = with("synthesis", "w", "images");
        let synthesis = self.encode_program(&parts.synthesis, format, &self.images(), &metadata)?;
        Ok(Some([mapping, synthesis]))
    }

    /// Loads a TorchScript file's bytes and runs it beside the sampler's generator on the latents of `seeds`:
    /// the largest difference of any number of the images, and the largest number of the sampler's.
    ///
    /// # Errors
    /// Bytes that libtorch does not load or run; images of another shape.
    pub fn largest_difference(&self, torchscript: &[u8], seeds: &[u64]) -> Result<(f64, f64), ExportError> {
        let module = CModule::load_data(&mut &*torchscript)?;
        self.compare(seeds, |latents| Ok(module.forward_ts(&[latents])?))
    }

    /// The same of mapping and synthesis, one behind the other.
    fn difference_of_parts(
        &self,
        parts: &[Vec<u8>; 2],
        layers: i64,
        seeds: &[u64],
    ) -> Result<f64, ExportError> {
        let [mapping, synthesis] = parts.each_ref();
        let mapping = CModule::load_data(&mut &**mapping)?;
        let synthesis = CModule::load_data(&mut &**synthesis)?;
        let (difference, _) = self.compare(seeds, |latents| {
            let w = mapping.forward_ts(&[latents])?;
            let styles = w.unsqueeze(1).repeat([1, layers, 1]);
            let inputs: Vec<&Tensor> = [&styles].into_iter().chain(&self.noise).collect();
            Ok(synthesis.forward_ts(&inputs)?)
        })?;
        Ok(difference)
    }

    fn compare(
        &self,
        seeds: &[u64],
        images_of: impl Fn(&Tensor) -> Result<Tensor, ExportError>,
    ) -> Result<(f64, f64), ExportError> {
        let (mut difference, mut largest) = (0.0_f64, 0.0_f64);
        for seeds in seeds.chunks(COMPARED_AT_A_TIME) {
            let (latents, expected) = self.sampler.sample_numbers(seeds, &self.noise)?;
            let found = tch::no_grad(|| images_of(&latents))?;
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
    /// complete file. A style-based generator as ONNX comes with the files of [`part_paths`], which are written first.
    ///
    /// # Errors
    /// Those of [`Self::encode`] and [`Self::largest_difference`]; [`ExportError::Differs`]; I/O errors.
    pub fn write(&self, path: &Path, format: ExportFormat, seeds: &[u64]) -> Result<f64, ExportError> {
        let mut metadata = self.metadata.clone();
        if let (ExportFormat::Onnx { .. }, true) = (format, self.has_parts()) {
            for (key, part) in ["pg.mapping", "pg.synthesis"].into_iter().zip(part_paths(path)) {
                metadata.push((key, part.file_name().unwrap_or_default().to_string_lossy().into_owned()));
            }
        }
        let bytes = self.encode_program(&self.whole, format, &self.images(), &metadata)?;
        let script;
        let compared = match format {
            ExportFormat::TorchScript => &bytes,
            ExportFormat::Onnx { .. } => {
                script = self.encode(ExportFormat::TorchScript)?;
                &script
            }
        };
        let (mut difference, largest) = self.largest_difference(compared, seeds)?;
        let mut files = vec![(path.to_owned(), bytes)];
        if let (ExportFormat::Onnx { .. }, Some(parts)) = (format, &self.parts) {
            if let Some(scripts) = self.encode_parts(ExportFormat::TorchScript)? {
                let of_parts = self.difference_of_parts(&scripts, parts.layers, seeds)?;
                difference = if of_parts.is_nan() || of_parts > difference { of_parts } else { difference };
            }
            let bytes = self.encode_parts(format)?;
            files.splice(0..0, part_paths(path).into_iter().zip(bytes.into_iter().flatten()));
        }
        let limit = TOLERANCE * largest.max(1.0);
        if difference.is_nan() || difference > limit {
            return Err(ExportError::Differs { path: path.to_owned(), difference, limit });
        }
        for (path, bytes) in files {
            write_atomically(&path, |file| file.write_all(&bytes))
                .map_err(TrainingError::io("write", &path))?;
        }
        Ok(difference)
    }

    /// Writes `latents` and `images` (not clamped) of `seeds` as safetensors: what another program should get.
    ///
    /// # Errors
    /// libtorch's; I/O errors.
    pub fn write_examples(&self, path: &Path, seeds: &[u64]) -> Result<(), ExportError> {
        let (latents, images) = self.sampler.sample_numbers(seeds, &self.noise)?;
        // The binding's own error names no file.
        let io = |source| ExportError::from(TrainingError::io("write", path)(source));
        let new = NewFile::create(path).map_err(io)?;
        let tensors = [("latents", latents), ("images", images.contiguous())];
        Tensor::write_safetensors(&tensors, new.temporary_path())
            .map_err(|error| TrainingError::of_file("write", path, error))?;
        new.finish().map_err(io)
    }
}

/// The noise that files carry: a picture for each layer, the same for all images and all generators of a size.
fn fixed_noise(generator: &GeneratorAt) -> Vec<Tensor> {
    let source = NoiseSource { seed: 0, stream: Stream::ExportLayerNoise, counter: 0 };
    noise_of_step(source, &generator.noise_sides_px(), 1, RowShare::WHOLE, Device::Cpu)
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
