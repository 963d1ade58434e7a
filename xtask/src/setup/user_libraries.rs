//! Native libraries the user has already: `$LIBTORCH` and `$ORT_DYLIB_PATH` win over setup.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::pinned_wheels::{
    CUDA_LIBRARIES, Component, LIBTORCH_CPU, LIBTORCH_CUDA, ONNX_RUNTIME, ONNXRUNTIME_LIBRARY,
};

/// What the user's environment brings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UserLibraries {
    /// How libtorch was given, for the note.
    pub(super) libtorch: Option<String>,
    pub(super) onnxruntime: Option<PathBuf>,
}

impl UserLibraries {
    /// Reads and checks the variables. Cargo sets `LIBTORCH` for xtask itself, to `default_libtorch`:
    /// that value is not the user's.
    pub(super) fn from_environment(default_libtorch: &Path, deps_dir: &Path) -> Result<Self> {
        Self::from_variables(default_libtorch, deps_dir, |name| env::var_os(name))
    }

    fn from_variables(
        default_libtorch: &Path,
        deps_dir: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        let mut found = Self::default();
        if let Some(folder) = variable("LIBTORCH").map(PathBuf::from).filter(|path| path != default_libtorch)
        {
            let libraries = variable("LIBTORCH_LIB").map_or_else(|| folder.clone(), PathBuf::from);
            for needed in [libraries.join("lib/libtorch_cpu.so"), libraries.join("lib/libc10.so")] {
                if !needed.exists() {
                    bail!(
                        "LIBTORCH={} holds no libtorch: {} is missing; point it at the folder of a libtorch \
                         2.11.0, or unset it to have setup fetch one",
                        folder.display(),
                        needed.display()
                    );
                }
            }
            found.libtorch = Some(format!("LIBTORCH={}", folder.display()));
        } else if variable("LIBTORCH_USE_PYTORCH").is_some() {
            found.libtorch = Some("LIBTORCH_USE_PYTORCH".to_owned());
        }
        if let Some(library) = variable("ORT_DYLIB_PATH")
            .map(PathBuf::from)
            .filter(|path| *path != deps_dir.join(ONNXRUNTIME_LIBRARY))
        {
            if !library.is_file() {
                bail!(
                    "ORT_DYLIB_PATH={} is not a file; point it at a libonnxruntime.so, or unset it to have setup \
                     fetch one",
                    library.display()
                );
            }
            found.onnxruntime = Some(library);
        }
        Ok(found)
    }

    /// The components that setup still has to bring. Those that others load come first.
    pub(super) fn left_to_fetch(&self, cuda: bool) -> Vec<&'static Component> {
        let mut components: Vec<&'static Component> = Vec::new();
        if self.onnxruntime.is_none() {
            components.push(&ONNX_RUNTIME);
        }
        if self.libtorch.is_none() {
            if cuda {
                components.extend([&CUDA_LIBRARIES, &LIBTORCH_CUDA]);
            } else {
                components.push(&LIBTORCH_CPU);
            }
        }
        components
    }

    /// One line for each variable that wins.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(libtorch) = &self.libtorch {
            notes.push(format!("libtorch: yours is used ({libtorch}), none is fetched"));
        }
        if let Some(library) = &self.onnxruntime {
            notes.push(format!(
                "ONNX Runtime: yours is used (ORT_DYLIB_PATH={}), none is fetched",
                library.display()
            ));
        }
        notes
    }
}

/// The pinned wheels are for one platform.
pub(super) fn require_supported_platform(os: &str, arch: &str) -> Result<()> {
    if (os, arch) != ("linux", "x86_64") {
        bail!(
            "setup brings libraries for x86_64 Linux, this is {arch} {os}: install libtorch 2.11.0 and ONNX \
             Runtime 1.32 yourself and point $LIBTORCH at the folder and $ORT_DYLIB_PATH at the library; the \
             tools without libtorch (`cargo build`) need neither"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(variables: &[(&str, &Path)]) -> Result<UserLibraries> {
        UserLibraries::from_variables(Path::new("/repo/.deps/libtorch"), Path::new("/repo/.deps"), |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_os_str().to_owned())
        })
    }

    #[test]
    fn cargo_s_own_libtorch_value_is_not_the_user_s() {
        let found = read(&[("LIBTORCH", Path::new("/repo/.deps/libtorch"))]).unwrap();
        assert_eq!(found, UserLibraries::default());
        assert_eq!(found.left_to_fetch(false).len(), 2);
    }

    #[test]
    fn a_libtorch_of_the_user_wins_and_only_the_other_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(folder.path().join("lib/libtorch_cpu.so"), "").unwrap();
        fs::write(folder.path().join("lib/libc10.so"), "").unwrap();
        let found = read(&[("LIBTORCH", folder.path())]).unwrap();
        let ids: Vec<_> = found.left_to_fetch(true).iter().map(|component| component.id).collect();
        assert_eq!(ids, ["onnxruntime-1.32.0"]);
        assert_eq!(found.notes().len(), 1);
    }

    #[test]
    fn an_onnx_runtime_of_the_user_wins_and_only_the_other_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        fs::write(&library, "").unwrap();
        let found = read(&[("ORT_DYLIB_PATH", &library)]).unwrap();
        let ids: Vec<_> = found.left_to_fetch(true).iter().map(|component| component.id).collect();
        assert_eq!(ids, ["cuda-13.0.2", "libtorch-2.11.0-cuda"]);
    }

    #[test]
    fn a_variable_that_points_nowhere_is_an_error_that_names_it() {
        let error = read(&[("LIBTORCH", Path::new("/nowhere"))]).unwrap_err().to_string();
        assert!(error.contains("LIBTORCH=/nowhere") && error.contains("unset it"), "{error}");
        let error = read(&[("ORT_DYLIB_PATH", Path::new("/nowhere.so"))]).unwrap_err().to_string();
        assert!(error.contains("ORT_DYLIB_PATH=/nowhere.so") && error.contains("unset it"), "{error}");
    }

    #[test]
    fn other_platforms_are_told_what_to_do() {
        assert!(require_supported_platform("linux", "x86_64").is_ok());
        let error = require_supported_platform("macos", "aarch64").unwrap_err().to_string();
        assert!(error.contains("aarch64 macos") && error.contains("$LIBTORCH"), "{error}");
    }
}
