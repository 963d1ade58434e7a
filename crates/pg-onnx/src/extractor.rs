//! A model as a feature extractor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, ArrayD, ArrayView4, Ix2};
use pg_image::{NetworkResizeError, NetworkResizePlan, Planar};
use pg_metrics::{FeatureExtractor, Features, MetricsError};

use crate::lanes::Lanes;
use crate::model::shape_text;
use crate::{InputRecipe, OnnxError, OnnxModel, OnnxRuntime, Provider, SessionSettings};

/// Most bytes of the images of a batch, as the network takes them.
const MAX_BATCH_BYTES: usize = 1 << 30;
/// Most numbers that an output may have for an image: the covariance of so many has 8 GiB.
const MAX_WIDTH: usize = 1 << 15;
/// Images in a batch on a processor, unless the model's own batch has a fixed size: more only take memory.
const CPU_BATCH: usize = 4;
/// On a GPU, which needs more to be busy.
const GPU_BATCH: usize = 32;
/// Plans of resizing that are kept; a set of more sizes makes some again.
const PLANS_KEPT: usize = 256;
/// Channels of images and of a network's input.
const CHANNELS: usize = 3;

/// A model with one input `[N,3,S,S]`, float32, and an output of N times a fixed number of features.
///
/// Every batch has the same shape: what an image gives does not depend on how many images come with it.
#[derive(Debug)]
pub struct OnnxExtractor {
    lanes: Lanes<OnnxModel>,
    path: PathBuf,
    name: String,
    recipe: InputRecipe,
    feature_width: usize,
    class_count: Option<usize>,
    batch_size: usize,
    plans: Mutex<HashMap<(usize, usize), Arc<NetworkResizePlan>>>,
}

impl OnnxExtractor {
    /// Checks `model` against `recipe`, and opens it as often as `settings` has threads.
    ///
    /// # Errors
    /// - [`OnnxError::UnsupportedModel`] unless the input is one float32 tensor `[N,3,S,S]` of the recipe's size, and
    ///   the outputs say their width
    /// - [`OnnxError::MissingOutput`] for an output name that the model has not
    /// - [`OnnxError::Setting`] for a batch size that is 0 or not the model's own
    /// - those of [`OnnxModel::another`]
    pub fn new(
        runtime: &OnnxRuntime,
        model: OnnxModel,
        recipe: InputRecipe,
        settings: &SessionSettings,
        batch_size: Option<usize>,
    ) -> Result<Self, OnnxError> {
        let fixed_batch = check_input(&model, &recipe)?;
        let batch_size = batch_of(fixed_batch, batch_size, settings.provider)?;
        check_batch_bytes(&model, batch_size, recipe.input_size_px)?;
        let feature_width = width_of(&model, &recipe.features)?;
        let class_count = recipe.logits.as_ref().map(|name| width_of(&model, name)).transpose()?;
        let path = model.path().to_owned();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut sessions = vec![model];
        while sessions.len() < settings.lanes() {
            let another = sessions[0].another(runtime, settings)?;
            sessions.push(another);
        }
        sessions.iter_mut().for_each(OnnxModel::let_go_of_file);
        Ok(Self {
            lanes: Lanes::new(sessions),
            path,
            name,
            recipe,
            feature_width,
            class_count,
            batch_size,
            plans: Mutex::default(),
        })
    }

    /// The model file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is fed.
    #[must_use]
    pub fn recipe(&self) -> &InputRecipe {
        &self.recipe
    }

    fn plan(&self, width_px: usize, height_px: usize) -> Result<Arc<NetworkResizePlan>, NetworkResizeError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&(width_px, height_px)) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(self.recipe.resize.plan(width_px, height_px, self.recipe.input_size_px)?);
        if plans.len() == PLANS_KEPT {
            plans.clear();
        }
        plans.insert((width_px, height_px), Arc::clone(&plan));
        Ok(plan)
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MetricsError {
        MetricsError::Extractor { name: self.name.clone(), source: error.into() }
    }

    fn run(&self, input: &[f32]) -> Result<Features, OnnxError> {
        let side = self.recipe.input_size_px;
        let per_image = CHANNELS * side * side;
        let images = input.len() / per_image;
        let padded;
        // The rest of the last batch is black.
        let batch = if images == self.batch_size {
            input
        } else {
            let mut values = input.to_vec();
            values.resize(self.batch_size * per_image, 0.0);
            padded = values;
            &padded
        };
        let shape = (self.batch_size, CHANNELS, side, side);
        let batch = ArrayView4::from_shape(shape, batch).map_err(|error| OnnxError::InputShape {
            path: self.path.clone(),
            expected: format!("{shape:?}"),
            actual: error.to_string(),
        })?;
        let mut names = vec![self.recipe.features.as_str()];
        names.extend(self.recipe.logits.as_deref());
        let mut found = self.lanes.with(|model| model.run(&batch.into_dyn(), &names))?.into_iter();
        let mut next = |width: usize| -> Result<Array2<f32>, OnnxError> {
            let output = found.next().map(|output| (output.name, output.values));
            let (name, values) = output.unwrap_or_else(|| (String::new(), ArrayD::zeros(vec![0])));
            let shape = values.shape().to_vec();
            let matrix = values.into_shape_with_order((self.batch_size, width));
            match matrix.and_then(ndarray::ArrayBase::into_dimensionality::<Ix2>) {
                Ok(mut matrix) => {
                    matrix.slice_collapse(ndarray::s![..images, ..]);
                    Ok(matrix)
                }
                Err(_) => Err(OnnxError::OutputShape {
                    path: self.path.clone(),
                    name,
                    expected: format!("[{}, {width}]", self.batch_size),
                    actual: format!("{shape:?}"),
                }),
            }
        };
        let features = next(self.feature_width)?;
        let logits = self.class_count.map(&mut next).transpose()?;
        Ok(Features { features, logits })
    }
}

/// The model's own batch size, where it has a fixed one.
fn check_input(model: &OnnxModel, recipe: &InputRecipe) -> Result<Option<usize>, OnnxError> {
    let (_, shape) = model.single_float_input()?;
    let unsupported = |expected: String, actual: String| OnnxError::UnsupportedModel {
        path: model.path().to_owned(),
        expected,
        actual,
    };
    let &[batch, channels, height, width] = shape.as_slice() else {
        return Err(unsupported(
            "an input of four axes [N, 3, S, S]".to_owned(),
            format!("an input of shape {}", shape_text(&shape)),
        ));
    };
    let side = recipe.input_size_px;
    let fits = |size: Option<usize>, expected: usize| size.is_none_or(|size| size == expected);
    if !(fits(channels, CHANNELS) && fits(height, side) && fits(width, side)) {
        return Err(unsupported(
            format!(
                "an input [N, 3, {side}, {side}] (--input-size {side}, or pg.input_size in its metadata)"
            ),
            format!("an input of shape {}", shape_text(&shape)),
        ));
    }
    Ok(batch)
}

fn batch_of(fixed: Option<usize>, asked: Option<usize>, provider: Provider) -> Result<usize, OnnxError> {
    let wrong = |expected, actual: usize| OnnxError::Setting {
        name: "batch size",
        expected,
        actual: actual.to_string(),
    };
    match (fixed, asked) {
        (_, Some(0)) => Err(wrong("at least 1", 0)),
        (Some(fixed), Some(asked)) if fixed != asked => {
            Err(wrong("the size that the model's input has, as it is fixed", asked))
        }
        (fixed, asked) => Ok(fixed.or(asked).unwrap_or(match provider {
            Provider::Cpu => CPU_BATCH,
            Provider::Cuda(_) => GPU_BATCH,
        })),
    }
}

/// Refuses a batch for which no machine has the memory, before memory is asked for.
fn check_batch_bytes(model: &OnnxModel, batch_size: usize, side_px: usize) -> Result<(), OnnxError> {
    let bytes = [batch_size, CHANNELS, side_px, side_px, size_of::<f32>()]
        .into_iter()
        .try_fold(1_usize, usize::checked_mul);
    if bytes.is_some_and(|bytes| bytes <= MAX_BATCH_BYTES) {
        return Ok(());
    }
    Err(OnnxError::UnsupportedModel {
        path: model.path().to_owned(),
        expected: "a batch of at most 1 GiB (--batch, --input-size)".to_owned(),
        actual: format!("an input of {batch_size} x {CHANNELS} x {side_px} x {side_px} numbers"),
    })
}

/// Values per image of the output `name`, whose axes behind the batch may be `[D]` or `[D, 1, 1]`.
fn width_of(model: &OnnxModel, name: &str) -> Result<usize, OnnxError> {
    let shape = model.output(name)?.float_shape.clone().unwrap_or_default();
    let product =
        |rest: &[Option<usize>]| rest.iter().try_fold(1_usize, |width, &axis| width.checked_mul(axis?));
    let width = shape.get(1..).and_then(product).filter(|width| (1..=MAX_WIDTH).contains(width));
    width.filter(|_| shape.len() >= 2).ok_or_else(|| OnnxError::UnsupportedModel {
        path: model.path().to_owned(),
        expected: format!("a float32 output [N, width] of known width, at most {MAX_WIDTH}"),
        actual: format!("output {name:?} of shape {}", shape_text(&shape)),
    })
}

impl FeatureExtractor for OnnxExtractor {
    fn name(&self) -> &str {
        &self.name
    }

    fn feature_width(&self) -> usize {
        self.feature_width
    }

    fn class_count(&self) -> Option<usize> {
        self.class_count
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn input_len(&self) -> usize {
        CHANNELS * self.recipe.input_size_px * self.recipe.input_size_px
    }

    fn prepare(&self, image: &Planar<u8>, input: &mut [f32]) -> Result<(), MetricsError> {
        let plan = self.plan(image.width(), image.height()).map_err(|error| self.failed(error))?;
        plan.resize_into(image, input).map_err(|error| self.failed(error))?;
        let (low, high) = self.recipe.range;
        if (low, high) != (0.0, 255.0) {
            let scale = (high - low) / 255.0;
            for value in input {
                *value = low + *value * scale;
            }
        }
        Ok(())
    }

    fn extract(&self, input: &[f32]) -> Result<Features, MetricsError> {
        let (per_image, most) = (self.input_len(), self.batch_size * self.input_len());
        if input.is_empty() || input.len() > most || !input.len().is_multiple_of(per_image) {
            let (name, expected) = ("length of a batch", "whole images, one to as many as the batch size");
            return Err(MetricsError::Parameter { name, expected, actual: input.len().to_string() });
        }
        self.run(input).map_err(|error| self.failed(error))
    }
}
