//! A model as a feature extractor, for images that already have the model's input size.

use ndarray::{Array2, ArrayD, Ix2, IxDyn};
use pg_image::Planar;
use pg_metrics::{FeatureExtractor, Features, MetricsError};

use crate::model::shape_text;
use crate::{OnnxError, OnnxModel};

/// How a model is fed and read. Nothing is guessed.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtractorSettings {
    /// Pixel values that 0 and 255 become, e.g. (-1, 1).
    pub range: (f32, f32),
    /// Name of the output that holds the features.
    pub features: String,
    /// Name of the output that holds the class scores before the softmax, if any.
    pub logits: Option<String>,
}

/// A model with one input `[N,C,H,W]`, float32, and a feature output of N times a fixed width.
#[derive(Debug)]
pub struct OnnxExtractor {
    model: OnnxModel,
    name: String,
    settings: ExtractorSettings,
    feature_width: usize,
}

impl OnnxExtractor {
    /// Checks `model` against `settings`.
    ///
    /// # Errors
    /// - [`OnnxError::UnsupportedModel`] unless the input is one float32 tensor of four axes and the
    ///   feature output says its width
    /// - [`OnnxError::MissingOutput`] for an output name that the model has not
    /// - [`OnnxError::Setting`] for a range that is not finite and rising
    pub fn new(model: OnnxModel, settings: ExtractorSettings) -> Result<Self, OnnxError> {
        let (low, high) = settings.range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            let expected = "two finite numbers, the lower one first";
            return Err(OnnxError::Setting { name: "range", expected, actual: format!("[{low},{high}]") });
        }
        let unsupported = |expected: &str, actual: String| OnnxError::UnsupportedModel {
            path: model.path().to_owned(),
            expected: expected.to_owned(),
            actual,
        };
        let (_, input) = model.single_float_input()?;
        if input.len() != 4 {
            return Err(unsupported(
                "an input of four axes [N, C, H, W]",
                format!("an input of shape {}", shape_text(&input)),
            ));
        }
        let features = model.output(&settings.features)?;
        let shape = features.float_shape.clone().unwrap_or_default();
        // Axes behind the batch may be [D] or [D, 1, 1].
        let feature_width = shape.get(1..).and_then(|rest| rest.iter().copied().product::<Option<usize>>());
        let Some(feature_width) = feature_width.filter(|&width| width > 0 && shape.len() >= 2) else {
            return Err(unsupported(
                "a float32 feature output [N, width] of known width",
                format!("output {:?} of shape {}", settings.features, shape_text(&shape)),
            ));
        };
        if let Some(logits) = &settings.logits {
            model.output(logits)?;
        }
        let name = model.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Ok(Self { model, name, settings, feature_width })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &OnnxModel {
        &self.model
    }

    fn run(&mut self, images: &[Planar<u8>]) -> Result<Features, OnnxError> {
        let n = images.len();
        let input = self.batch(images)?;
        let mut names = vec![self.settings.features.as_str()];
        names.extend(self.settings.logits.as_deref());
        let mut found = self.model.run(&input, &names)?.into_iter();
        let mut next = |width: Option<usize>| -> Result<Option<Array2<f32>>, OnnxError> {
            let Some(output) = found.next() else { return Ok(None) };
            let shape = output.values.shape().to_vec();
            let columns = width.unwrap_or_else(|| shape.iter().skip(1).product());
            let matrix = output.values.into_shape_with_order(IxDyn(&[n, columns]));
            match matrix.and_then(ArrayD::into_dimensionality::<Ix2>) {
                Ok(matrix) => Ok(Some(matrix)),
                Err(_) => Err(OnnxError::OutputShape {
                    path: self.model.path().to_owned(),
                    name: output.name,
                    expected: format!("[{n}, {columns}]"),
                    actual: format!("{shape:?}"),
                }),
            }
        };
        let features = next(Some(self.feature_width))?.unwrap_or_default();
        Ok(Features { features, logits: next(None)? })
    }

    /// `[N,C,H,W]`, scaled to the range.
    fn batch(&self, images: &[Planar<u8>]) -> Result<ArrayD<f32>, OnnxError> {
        let shape_of = |image: &Planar<u8>| [image.channels(), image.height(), image.width()];
        let [c, h, w] = images.first().map_or([0, 0, 0], shape_of);
        let shape_error = |expected: String, actual: String| OnnxError::InputShape {
            path: self.model.path().to_owned(),
            expected,
            actual,
        };
        if let Some(other) = images.iter().find(|image| shape_of(image) != [c, h, w]) {
            let actual = format!("an image {:?}", shape_of(other));
            return Err(shape_error(format!("[N, {c}, {h}, {w}] as the first image"), actual));
        }
        let (low, high) = self.settings.range;
        let scaled = images
            .iter()
            .flat_map(Planar::data)
            .map(|&v| low + f32::from(v) / 255.0 * (high - low))
            .collect();
        ArrayD::from_shape_vec(IxDyn(&[images.len(), c, h, w]), scaled)
            .map_err(|e| shape_error(format!("[N, {c}, {h}, {w}]"), e.to_string()))
    }
}

impl FeatureExtractor for OnnxExtractor {
    fn name(&self) -> &str {
        &self.name
    }

    fn feature_width(&self) -> usize {
        self.feature_width
    }

    fn extract(&mut self, images: &[Planar<u8>]) -> Result<Features, MetricsError> {
        self.run(images)
            .map_err(|error| MetricsError::Extractor { name: self.name.clone(), source: Box::new(error) })
    }
}
