//! What can go wrong between a model file and its numbers.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Errors of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// None of the places looked at holds the library.
    #[error("no ONNX Runtime library found; looked at: {looked_at}")]
    LibraryNotFound {
        /// The places, comma separated.
        looked_at: String,
    },
    /// The library file named does not exist.
    #[error("{} does not exist: expected the ONNX Runtime library, e.g. libonnxruntime.so.1.32.0", path.display())]
    LibraryMissing {
        /// The file named.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is no loadable library, or not this one.
    #[error("{} cannot be loaded as the ONNX Runtime library: {reason}", path.display())]
    LibraryUnloadable {
        /// The file named.
        path: PathBuf,
        /// The loader's reason.
        reason: String,
    },
    /// The library is older than this build needs.
    #[error(
        "{} is ONNX Runtime {actual}, expected 1.{minimum_minor} or newer; install a newer one",
        path.display()
    )]
    LibraryTooOld {
        /// The file named.
        path: PathBuf,
        /// Smallest minor version of 1.x.
        minimum_minor: u32,
        /// Version found.
        actual: String,
    },
    /// A process can hold one ONNX Runtime only.
    #[error(
        "{} cannot be loaded: this process already uses {}, and can hold one ONNX Runtime only",
        path.display(), loaded.display()
    )]
    OtherLibraryLoaded {
        /// The file named.
        path: PathBuf,
        /// The library in use.
        loaded: PathBuf,
    },
    /// The model file cannot be read.
    #[error("read model {}", path.display())]
    ModelUnreadable {
        /// The model file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is no ONNX model that the library accepts.
    #[error("{} is no ONNX model that this ONNX Runtime can open: {reason}", path.display())]
    NotAModel {
        /// The model file.
        path: PathBuf,
        /// The library's reason.
        reason: String,
    },
    /// A tensor outside the model file does not say where it lies.
    #[error(
        "cannot open model `{}`: tensor {tensor:?} lies outside the file, and {detail}; export the model again",
        path.display()
    )]
    WeightsUnknown {
        /// The model file.
        path: PathBuf,
        /// The tensor's name; empty for one without.
        tensor: String,
        /// What is wrong.
        detail: String,
    },
    /// A tensor lies outside the folder of its model.
    #[error(
        "cannot open model `{}`: it has weights at `{location}`, which is outside its folder; put that file beside the model, or export the model again with its weights in one folder",
        path.display()
    )]
    WeightsOutside {
        /// The model file.
        path: PathBuf,
        /// Where the tensor is said to lie.
        location: String,
    },
    /// A file that holds weights is missing or cannot be read.
    #[error(
        "cannot read `{}`, which holds weights of `{}`; keep both files in one folder, as they were exported",
        path.display(), model.display()
    )]
    WeightsUnreadable {
        /// The file of weights.
        path: PathBuf,
        /// The model file.
        model: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that holds weights ends before one of them does.
    #[error(
        "cannot read `{}`: tensor {tensor:?} of `{}` ends at byte {end_bytes}, but the file has {length_bytes}; copy both files again from one export",
        path.display(), model.display()
    )]
    WeightsTooShort {
        /// The file of weights.
        path: PathBuf,
        /// The model file.
        model: PathBuf,
        /// The tensor's name; empty for one without.
        tensor: String,
        /// Where the tensor ends.
        end_bytes: u64,
        /// Where the file ends.
        length_bytes: u64,
    },
    /// A file that holds weights is another one than the model says.
    #[error(
        "cannot use `{}` as weights of `{}`: expected SHA-1 {expected}, found {actual}; copy both files again from one export",
        path.display(), model.display()
    )]
    WeightsChecksum {
        /// The file of weights.
        path: PathBuf,
        /// The model file.
        model: PathBuf,
        /// What the model file says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// A file of a model was written while the model was in use.
    #[error("cannot use `{}`: it was written again after it was hashed; run the command again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The model is of a later version of the format than the library speaks.
    #[error(
        "{} is of a version of ONNX that this ONNX Runtime does not speak; export it with an older opset, or give a newer library with --onnxruntime: {reason}",
        path.display()
    )]
    TooNew {
        /// The model file.
        path: PathBuf,
        /// The library's reason.
        reason: String,
    },
    /// What was asked to run the model is not there.
    #[error(
        "{provider} cannot run models here: {reason}; leave --provider out to run them on the processor, or give a library that has it with --onnxruntime (loaded: {})",
        library.display()
    )]
    NoProvider {
        /// What was asked for.
        provider: String,
        /// The library.
        library: PathBuf,
        /// Its reason.
        reason: String,
    },
    /// Nobody says how the model is fed.
    #[error(
        "model {} does not say in its metadata how it is fed, and no registry knows it: give {wanted}; its outputs are: {outputs}",
        path.display()
    )]
    RecipeMissing {
        /// The model file.
        path: PathBuf,
        /// The flags that are needed, and the metadata keys in their place.
        wanted: String,
        /// The outputs there are, comma separated.
        outputs: String,
    },
    /// A value in the model's metadata cannot be read.
    #[error("model {} says {key} = {value:?} in its metadata, expected {expected}", path.display())]
    Metadata {
        /// The model file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The model has other inputs or outputs than are needed.
    #[error("model {} has {actual}, expected {expected}", path.display())]
    UnsupportedModel {
        /// The model file.
        path: PathBuf,
        /// What is needed.
        expected: String,
        /// What there is.
        actual: String,
    },
    /// An output asked for does not exist.
    #[error("model {} has no output {name:?}; its outputs are: {available}", path.display())]
    MissingOutput {
        /// The model file.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names there are, comma separated.
        available: String,
    },
    /// Input data of another shape than the model takes.
    #[error("model {} takes input of shape {expected}, got {actual}", path.display())]
    InputShape {
        /// The model file.
        path: PathBuf,
        /// What the model takes, `?` for any size.
        expected: String,
        /// What was given.
        actual: String,
    },
    /// An output came in another shape or type than the model promised.
    #[error("model {} gave {actual} for output {name:?}, expected {expected}", path.display())]
    OutputShape {
        /// The model file.
        path: PathBuf,
        /// The output.
        name: String,
        /// What was promised.
        expected: String,
        /// What came.
        actual: String,
    },
    /// The library failed while it ran the model.
    #[error("run model {}: {reason}", path.display())]
    Run {
        /// The model file.
        path: PathBuf,
        /// The library's reason.
        reason: String,
    },
    /// A setting is out of range.
    #[error("{name} is {actual}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was given.
        actual: String,
    },
}
