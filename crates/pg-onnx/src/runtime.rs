//! The loaded ONNX Runtime library.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;

use crate::OnnxError;

/// ONNX Runtime, loaded from a file; cheap to clone. One library per process.
#[derive(Debug, Clone)]
pub struct OnnxRuntime {
    environment: Environment,
    library: PathBuf,
}

/// The runtime stays for the life of the process: the library allows one environment, once.
static LOADED: Mutex<Option<OnnxRuntime>> = Mutex::new(None);

impl OnnxRuntime {
    /// Loads the library file `library` (or hands out the runtime again that was loaded from it).
    /// Its telemetry is switched off.
    ///
    /// # Errors
    /// - [`OnnxError::LibraryMissing`] when there is no such file
    /// - [`OnnxError::LibraryUnloadable`] when it is no library, or not ONNX Runtime
    /// - [`OnnxError::LibraryTooOld`] for a version older than this build speaks to
    /// - [`OnnxError::OtherLibraryLoaded`] when another file was loaded before
    pub fn load(library: &Path) -> Result<Self, OnnxError> {
        let library = library
            .canonicalize()
            .map_err(|source| OnnxError::LibraryMissing { path: library.to_owned(), source })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.library == library {
                return Ok(runtime.clone());
            }
            return Err(OnnxError::OtherLibraryLoaded { path: library, loaded: runtime.library.clone() });
        }
        let builder = ort::init_from(&library).map_err(|error| match error {
            LoadDynamicError::BadVersion { version_str, .. } => OnnxError::LibraryTooOld {
                path: library.clone(),
                minimum_minor: ort::MINOR_VERSION,
                actual: version_str,
            },
            LoadDynamicError::Dlopen { error, .. } => {
                OnnxError::LibraryUnloadable { path: library.clone(), reason: error.to_string() }
            }
            LoadDynamicError::MissingApi { .. } => OnnxError::LibraryUnloadable {
                path: library.clone(),
                reason: "it has no function OrtGetApiBase".to_owned(),
            },
            other @ LoadDynamicError::InvalidVersionString => {
                OnnxError::LibraryUnloadable { path: library.clone(), reason: other.to_string() }
            }
        })?;
        let environment = builder
            .with_name("pgkit")
            .with_telemetry(false)
            .build()
            .map_err(|e| OnnxError::LibraryUnloadable { path: library.clone(), reason: e.to_string() })?;
        let runtime = Self { environment, library };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library file.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}
