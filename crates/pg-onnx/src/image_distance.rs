//! A perceptual distance between two images as a model, such as LPIPS (Zhang et al. 2018, arXiv:1801.03924).

use std::path::Path;

use ndarray::{Array4, ArrayView4, Axis};

use crate::generator::said;
use crate::model::shape_text;
use crate::recipe::parse_range;
use crate::{OnnxError, OnnxModel, OnnxRuntime, SessionSettings};

/// Key of the model's metadata: what the darkest and the brightest value of an image are to it.
const RANGE: &str = "pg.range";

/// A model with two inputs of images `[N,C,S,S]` and one output of N distances.
#[derive(Debug)]
pub struct ImageDistance {
    model: OnnxModel,
    output: String,
    /// Channels and side of its images, where they are fixed.
    channels: Option<usize>,
    side_px: Option<usize>,
    /// From images in [-1, 1].
    scale: f32,
    offset: f32,
}

impl ImageDistance {
    /// Opens the model file `path`.
    ///
    /// # Errors
    /// - those of [`OnnxModel::open`]
    /// - [`OnnxError::UnsupportedModel`] for other inputs and outputs, or without `pg.range` in its metadata
    /// - [`OnnxError::Metadata`] for a range that is none
    pub fn open(runtime: &OnnxRuntime, path: &Path, settings: &SessionSettings) -> Result<Self, OnnxError> {
        Self::of_model(OnnxModel::open(runtime, path, settings)?)
    }

    /// Opens the same distance once more, to run beside this one; see [`OnnxModel::another`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn another(&self, runtime: &OnnxRuntime, settings: &SessionSettings) -> Result<Self, OnnxError> {
        Self::of_model(self.model.another(runtime, settings)?)
    }

    fn of_model(model: OnnxModel) -> Result<Self, OnnxError> {
        let (low, high) = said(&model, RANGE, "two rising numbers, such as [-1,1]", |value| {
            parse_range(value.trim().strip_prefix('[')?.strip_suffix(']')?)
        })?;
        let unsupported = |actual: String| {
            OnnxError::UnsupportedModel {
            path: model.path().to_owned(),
            expected: "two inputs [N, C, S, S] and one output [N], float32, as in the file that tools/export_lpips.py makes".to_owned(),
            actual,
        }
        };
        let [first, second] = model.inputs() else {
            return Err(unsupported(format!("{} inputs", model.inputs().len())));
        };
        let (channels, side_px) = match (first.float_shape.as_deref(), second.float_shape.as_deref()) {
            (Some(&[_, channels, height, width]), Some(other))
                if other.get(1..) == Some(&[channels, height, width]) && height == width =>
            {
                (channels, height)
            }
            (shape, other) => {
                let text = |shape: Option<&[_]>| shape.map_or_else(|| "another type".to_owned(), shape_text);
                return Err(unsupported(format!("inputs of {} and {}", text(shape), text(other))));
            }
        };
        let [output] = model.outputs() else {
            return Err(unsupported(format!("{} outputs", model.outputs().len())));
        };
        let output = output.name.clone();
        let scale = (high - low) / 2.0;
        Ok(Self { model, output, channels, side_px, scale, offset: low + scale })
    }

    /// The model, for its file, its checksum and further metadata.
    #[must_use]
    pub fn model(&self) -> &OnnxModel {
        &self.model
    }

    /// Side of the images that it takes, where it takes no other.
    #[must_use]
    pub fn side_px(&self) -> Option<usize> {
        self.side_px
    }

    /// How far each image of `first` `[N,C,S,S]`, nominally in [-1, 1], is from its partner in `second`. A model of
    /// three channels gets grey images as colour.
    ///
    /// # Errors
    /// - [`OnnxError::InputShape`] for images that the model does not take
    /// - [`OnnxError::OutputShape`] for another number of distances than of pairs
    /// - [`OnnxError::Run`] when ONNX Runtime fails
    pub fn distances(
        &mut self,
        first: &ArrayView4<'_, f32>,
        second: &ArrayView4<'_, f32>,
    ) -> Result<Vec<f32>, OnnxError> {
        let (first, second) = (self.as_it_takes_them(first), self.as_it_takes_them(second));
        let inputs = [first.view().into_dyn(), second.view().into_dyn()];
        let found = self.model.run_all(&inputs, &[&self.output])?;
        let values: Vec<f32> = found.into_iter().flat_map(|tensor| tensor.values).collect();
        if values.len() != first.len_of(Axis(0)) {
            return Err(OnnxError::OutputShape {
                path: self.model.path().to_owned(),
                name: self.output.clone(),
                expected: format!("{} distances", first.len_of(Axis(0))),
                actual: format!("{} numbers", values.len()),
            });
        }
        Ok(values)
    }

    fn as_it_takes_them(&self, images: &ArrayView4<'_, f32>) -> Array4<f32> {
        let (count, channels, height, width) = images.dim();
        let wanted = (count, self.channels.unwrap_or(channels), height, width);
        let in_range = |value: &f32| value * self.scale + self.offset;
        // Of a wrong number of channels: the model refuses them by their shape.
        let as_colour = if channels == 1 { images.broadcast(wanted) } else { None };
        as_colour.unwrap_or(*images).map(in_range)
    }
}
