//! An opened model: what goes in, what comes out, and running it.

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, ArrayViewD};
use ort::ep;
use ort::logging::LogLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::{ModelFile, OnnxError, OnnxRuntime};

/// Name and shape of an input or output tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorDescription {
    /// The name inside the model.
    pub name: String,
    /// Sizes per axis, `None` where any size goes; `None` altogether for what is no float32 tensor.
    pub float_shape: Option<Vec<Option<usize>>>,
}

/// An output that a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The name inside the model.
    pub name: String,
    /// Its values.
    pub values: ArrayD<f32>,
}

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by its number.
    Cuda(u32),
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Threads in all.
    pub threads: usize,
    /// What runs it.
    pub provider: Provider,
}

/// On a CPU more sessions than this only take memory; their threads have more than one operator's rows to share.
const MOST_LANES: usize = 16;

impl SessionSettings {
    /// Sessions side by side: on a CPU one per thread, as far as memory allows; a GPU has one queue.
    #[must_use]
    pub fn lanes(&self) -> usize {
        match self.provider {
            Provider::Cpu => self.threads.clamp(1, MOST_LANES),
            Provider::Cuda(_) => 1,
        }
    }

    /// Threads within a session.
    fn threads_per_lane(&self) -> usize {
        match self.provider {
            Provider::Cpu => (self.threads / self.lanes()).max(1),
            Provider::Cuda(_) => 1,
        }
    }
}

/// A model opened by ONNX Runtime.
#[derive(Debug)]
pub struct OnnxModel {
    session: Session,
    path: PathBuf,
    sha256: String,
    /// What further sessions are opened from, until it is let go.
    file: Option<ModelFile>,
    inputs: Vec<TensorDescription>,
    outputs: Vec<TensorDescription>,
}

impl OnnxModel {
    /// Reads and hashes the model file `path` and opens it.
    ///
    /// # Errors
    /// Those of [`ModelFile::read`] and [`Self::of_file`].
    pub fn open(runtime: &OnnxRuntime, path: &Path, settings: &SessionSettings) -> Result<Self, OnnxError> {
        Self::of_file(runtime, &ModelFile::read(path)?, settings)
    }

    /// Opens the same model once more, to run beside this one. Nothing is read or hashed again: weights outside the
    /// model file come from where they lay.
    ///
    /// # Errors
    /// As [`Self::of_file`].
    pub fn another(&self, runtime: &OnnxRuntime, settings: &SessionSettings) -> Result<Self, OnnxError> {
        match &self.file {
            Some(file) => Self::of_file(runtime, file, settings),
            None => Self::open(runtime, &self.path, settings),
        }
    }

    /// Opens the model in `file`.
    ///
    /// # Errors
    /// - [`OnnxError::NotAModel`], [`OnnxError::TooNew`] when ONNX Runtime refuses it
    /// - [`OnnxError::NoProvider`] when this library, or this machine, has not what is to run it
    /// - [`OnnxError::Changed`] when a model with weights outside was written since it was hashed
    pub fn of_file(
        runtime: &OnnxRuntime,
        file: &ModelFile,
        settings: &SessionSettings,
    ) -> Result<Self, OnnxError> {
        let path = file.path();
        let not_a_model = |error: ort::Error| refused(path, one_line(&error));
        // The library's own log would go to stderr beside our error report.
        let mut builder = Session::builder(runtime.environment())
            .and_then(|b| Ok(b.with_log_level(LogLevel::Fatal)?))
            .and_then(|b| Ok(b.with_intra_threads(settings.threads_per_lane())?))
            .and_then(|b| Ok(b.with_deterministic_compute(true)?))
            .map_err(not_a_model)?;
        if let Provider::Cuda(device) = settings.provider {
            // No choice of algorithm by the clock, no rounding of factors: the same numbers on each run.
            let cuda = ep::CUDA::default()
                .with_device_id(device.cast_signed())
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .with_tf32(false)
                .build()
                .error_on_failure();
            builder = builder.with_execution_providers([cuda]).map_err(|error| OnnxError::NoProvider {
                provider: format!("cuda:{device}"),
                library: runtime.library().to_owned(),
                reason: one_line(&error.into()),
            })?;
        }
        let session = match file.whole() {
            Some(bytes) => builder.commit_from_memory(bytes),
            // Files of weights are mapped, so that all sessions share them.
            None => builder.commit_from_file(path),
        };
        let session = session.map_err(not_a_model)?;
        file.check_unchanged()?;
        let inputs = session.inputs().iter().map(describe).collect();
        let outputs = session.outputs().iter().map(describe).collect();
        Ok(Self {
            session,
            path: path.to_owned(),
            sha256: file.sha256().to_owned(),
            file: Some(file.clone()),
            inputs,
            outputs,
        })
    }

    /// The model file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the network, 64 hexadecimal digits: see [`ModelFile`].
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Frees the memory that the model file takes beside the session.
    pub(crate) fn let_go_of_file(&mut self) {
        self.file = None;
    }

    /// Inputs in the model's order.
    #[must_use]
    pub fn inputs(&self) -> &[TensorDescription] {
        &self.inputs
    }

    /// Outputs in the model's order.
    #[must_use]
    pub fn outputs(&self) -> &[TensorDescription] {
        &self.outputs
    }

    /// A value of the model's own metadata, e.g. `pg.range`.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// Runs a model of one float32 input and returns the outputs named, in that order.
    ///
    /// # Errors
    /// - [`OnnxError::UnsupportedModel`] unless there is exactly one input, of float32
    /// - [`OnnxError::InputShape`] when `input` does not fit it
    /// - [`OnnxError::MissingOutput`] for a name that the model has not
    /// - [`OnnxError::OutputShape`] for an output that is no float32 tensor
    /// - [`OnnxError::Run`] when ONNX Runtime fails
    pub fn run(
        &mut self,
        input: &ArrayViewD<'_, f32>,
        outputs: &[&str],
    ) -> Result<Vec<NamedTensor>, OnnxError> {
        self.single_float_input()?;
        self.run_all(std::slice::from_ref(input), outputs)
    }

    /// Runs a model of any float32 inputs, which are given in its order.
    ///
    /// # Errors
    /// As [`Self::run`]; [`OnnxError::UnsupportedModel`] for another number of inputs than the model has.
    pub fn run_all(
        &mut self,
        inputs: &[ArrayViewD<'_, f32>],
        outputs: &[&str],
    ) -> Result<Vec<NamedTensor>, OnnxError> {
        if inputs.len() != self.inputs.len() {
            return Err(OnnxError::UnsupportedModel {
                path: self.path.clone(),
                expected: format!("{} inputs", inputs.len()),
                actual: format!("{} inputs", self.inputs.len()),
            });
        }
        for (input, described) in inputs.iter().zip(&self.inputs) {
            let expected = described.float_shape.as_deref().unwrap_or_default();
            let fits = expected.len() == input.ndim()
                && expected.iter().zip(input.shape()).all(|(e, a)| e.is_none_or(|e| e == *a));
            if !fits {
                return Err(OnnxError::InputShape {
                    path: self.path.clone(),
                    expected: shape_text(expected),
                    actual: format!("{:?}", input.shape()),
                });
            }
        }
        for name in outputs {
            self.output(name)?;
        }
        let path = &self.path;
        let failed = |error: ort::Error| OnnxError::Run { path: path.clone(), reason: one_line(&error) };
        let contiguous: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let mut named: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (array, described) in contiguous.iter().zip(&self.inputs) {
            let tensor = TensorRef::from_array_view(array.view()).map_err(failed)?;
            named.push((&described.name, tensor.into()));
        }
        let found = self.session.run(named).map_err(failed)?;
        let mut tensors = Vec::with_capacity(outputs.len());
        for &name in outputs {
            let wrong = |actual: String| OnnxError::OutputShape {
                path: path.clone(),
                name: name.to_owned(),
                expected: "a float32 tensor".to_owned(),
                actual,
            };
            let value = found.get(name).ok_or_else(|| wrong("nothing".to_owned()))?;
            let values = value.try_extract_array::<f32>().map_err(|e| wrong(one_line(&e)))?.to_owned();
            tensors.push(NamedTensor { name: name.to_owned(), values });
        }
        Ok(tensors)
    }

    /// The one input's name and shape.
    pub(crate) fn single_float_input(&self) -> Result<(String, Vec<Option<usize>>), OnnxError> {
        let unsupported = |actual: String| OnnxError::UnsupportedModel {
            path: self.path.clone(),
            expected: "one input, a float32 tensor".to_owned(),
            actual,
        };
        match self.inputs.as_slice() {
            [TensorDescription { name, float_shape: Some(shape) }] => Ok((name.clone(), shape.clone())),
            [other] => Err(unsupported(format!("an input {:?} of another type", other.name))),
            several => Err(unsupported(format!("{} inputs", several.len()))),
        }
    }

    /// The output called `name`.
    pub(crate) fn output(&self, name: &str) -> Result<&TensorDescription, OnnxError> {
        self.outputs.iter().find(|output| output.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
            OnnxError::MissingOutput {
                path: self.path.clone(),
                name: name.to_owned(),
                available: names.join(", "),
            }
        })
    }
}

/// Why the library refuses a model.
fn refused(path: &Path, reason: String) -> OnnxError {
    let path = path.to_owned();
    let lower = reason.to_lowercase();
    if lower.contains("opset") || lower.contains("ir version") || lower.contains("ir_version") {
        return OnnxError::TooNew { path, reason };
    }
    OnnxError::NotAModel { path, reason }
}

fn describe(outlet: &Outlet) -> TensorDescription {
    let float_shape = match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            Some(shape.iter().map(|&size| usize::try_from(size).ok()).collect())
        }
        _ => None,
    };
    TensorDescription { name: outlet.name().to_owned(), float_shape }
}

/// `[?, 3, 16, 16]`.
pub(crate) fn shape_text(shape: &[Option<usize>]) -> String {
    let sizes: Vec<String> =
        shape.iter().map(|size| size.map_or_else(|| "?".to_owned(), |s| s.to_string())).collect();
    format!("[{}]", sizes.join(", "))
}

/// The library's messages may span lines; ours do not.
fn one_line(error: &ort::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
