//! A generator as a model: latents in, images out.

use std::path::Path;

use ndarray::{Array4, ArrayView2, Ix4};

use crate::model::shape_text;
use crate::{OnnxError, OnnxModel, OnnxRuntime, SessionSettings};

/// Keys of the model's metadata.
const LATENT_SIZE: &str = "pg.latent_size";
const LABEL_SIZE: &str = "pg.label_size";
const INPUT: &str = "pg.input";
const RANGE: &str = "pg.range";
/// What [`INPUT`] and [`RANGE`] say of generators that this crate can feed.
const NORMAL_LATENTS: &str = "z";
const SYMMETRIC: &str = "[-1,1]";

/// A generator that `pgtrain export` wrote: one input `[N, latents + labels]` whose latents are drawn from N(0, 1), one
/// output of images `[N,C,R,R]`, nominally in [-1, 1].
///
/// What an image is like does not depend on the others of its batch.
#[derive(Debug)]
pub struct GeneratorModel {
    model: OnnxModel,
    output: String,
    latent_size: usize,
    label_size: usize,
    channels: usize,
    resolution_px: usize,
}

impl GeneratorModel {
    /// Opens the model file `path`.
    ///
    /// # Errors
    /// - those of [`OnnxModel::open`]
    /// - [`OnnxError::UnsupportedModel`] when the model's metadata, input or output are not a generator's
    /// - [`OnnxError::Metadata`] for a value in the metadata that cannot be read
    pub fn open(runtime: &OnnxRuntime, path: &Path, settings: &SessionSettings) -> Result<Self, OnnxError> {
        Self::of_model(OnnxModel::open(runtime, path, settings)?)
    }

    /// Opens the same generator once more, to run beside this one; see [`OnnxModel::another`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn another(&self, runtime: &OnnxRuntime, settings: &SessionSettings) -> Result<Self, OnnxError> {
        Self::of_model(self.model.another(runtime, settings)?)
    }

    /// Takes an opened model.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_model(model: OnnxModel) -> Result<Self, OnnxError> {
        said(&model, INPUT, "z, latents drawn from N(0, 1)", |value| {
            (value == NORMAL_LATENTS).then_some(())
        })?;
        said(&model, RANGE, SYMMETRIC, |value| (value == SYMMETRIC).then_some(()))?;
        let number = |value: &str| value.parse::<usize>().ok();
        let latent_size = said(&model, LATENT_SIZE, "a number of at least 1", |value| {
            number(value).filter(|size| *size > 0)
        })?;
        let label_size = said(&model, LABEL_SIZE, "a number", number)?;

        let unsupported = |expected: String, actual: String| OnnxError::UnsupportedModel {
            path: model.path().to_owned(),
            expected,
            actual,
        };
        let (_, shape) = model.single_float_input()?;
        let width = latent_size.saturating_add(label_size);
        if shape != [None, Some(width)] {
            return Err(unsupported(
                format!("an input of shape [?, {width}], as its metadata say"),
                format!("one of {}", shape_text(&shape)),
            ));
        }
        let images = |actual: String| unsupported("one output of shape [?, C, R, R]".to_owned(), actual);
        let [output] = model.outputs() else {
            return Err(images(format!("{} outputs", model.outputs().len())));
        };
        let (channels, resolution_px) = match output.float_shape.as_deref() {
            Some(&[_, Some(channels), Some(height), Some(width)]) if height == width => (channels, height),
            Some(shape) => return Err(images(format!("one of {}", shape_text(shape)))),
            None => return Err(images("one of another type than float32".to_owned())),
        };
        let output = output.name.clone();
        Ok(Self { model, output, latent_size, label_size, channels, resolution_px })
    }

    /// Components of a latent.
    #[must_use]
    pub fn latent_size(&self) -> usize {
        self.latent_size
    }

    /// Components of a label, which stands behind the latent: 1 for the class, 0 for all others. 0 for generators
    /// without labels.
    #[must_use]
    pub fn label_size(&self) -> usize {
        self.label_size
    }

    /// Colour channels of the images.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Side of the images in pixels.
    #[must_use]
    pub fn resolution_px(&self) -> usize {
        self.resolution_px
    }

    /// The model, for its file, its checksum and further metadata.
    #[must_use]
    pub fn model(&self) -> &OnnxModel {
        &self.model
    }

    /// Latents `[N, latent_size + label_size]` to images `[N,C,R,R]`: nominally in [-1, 1], not clamped.
    ///
    /// # Errors
    /// - [`OnnxError::InputShape`] for latents of another size
    /// - [`OnnxError::OutputShape`] for images of another shape than the model promised
    /// - [`OnnxError::Run`] when ONNX Runtime fails
    pub fn run(&mut self, latents: &ArrayView2<'_, f32>) -> Result<Array4<f32>, OnnxError> {
        let expected = [latents.nrows(), self.channels, self.resolution_px, self.resolution_px];
        let found = self.model.run(&latents.view().into_dyn(), &[&self.output])?;
        let wrong = |actual: String| OnnxError::OutputShape {
            path: self.model.path().to_owned(),
            name: self.output.clone(),
            expected: format!("images of shape {expected:?}"),
            actual,
        };
        let values = found.into_iter().next().ok_or_else(|| wrong("nothing".to_owned()))?.values;
        if values.shape() != expected {
            return Err(wrong(format!("shape {:?}", values.shape())));
        }
        values.into_dimensionality::<Ix4>().map_err(|error| wrong(error.to_string()))
    }
}

/// What the metadata say under `key`, read by `read`.
pub(crate) fn said<T>(
    model: &OnnxModel,
    key: &'static str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, OnnxError> {
    let value = model.metadata(key).ok_or_else(|| OnnxError::UnsupportedModel {
        path: model.path().to_owned(),
        expected: format!("{key}, as in generators that `pgtrain export` writes"),
        actual: format!("no {key} in its metadata"),
    })?;
    let path = model.path();
    read(&value).ok_or_else(|| OnnxError::Metadata { path: path.to_owned(), key, value, expected })
}
