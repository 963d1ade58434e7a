//! Where the ONNX Runtime library is looked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use pg_onnx::{OnnxRuntime, find_library};

/// The version that the tests run with; any newer one goes too.
const REMEDY: &str =
    "`pip install onnxruntime==1.32.0` brings it, or name the library with --onnxruntime PATH";

/// Asks Python where its package is.
const WHERE: &str = "import importlib.util as u, os; s = u.find_spec('onnxruntime'); \
    print(os.path.join(os.path.dirname(s.origin), 'capi') if s and s.origin else '')";

/// Loads the library that was asked for, or the first that is found.
pub(crate) fn load(asked: Option<&Path>) -> Result<OnnxRuntime> {
    let library = match asked {
        // Whoever names one gets that one.
        Some(path) if path.exists() => find_library(&[path.to_owned()]).context("--onnxruntime")?,
        Some(path) => bail!("--onnxruntime {} does not exist; {REMEDY}", path.display()),
        None => {
            let mut places = near_places();
            if let Ok(library) = find_library(&places) {
                library
            } else {
                // Last, as Python takes a while to start.
                places.extend(python_package());
                find_library(&places).context(REMEDY)?
            }
        }
    };
    OnnxRuntime::load(&library).context(REMEDY)
}

fn near_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    places.extend(std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
    let program = std::env::current_exe().ok();
    places.extend(program.as_deref().and_then(Path::parent).map(Path::to_owned));
    places.push(Path::new(".deps/onnxruntime/lib").to_owned());
    // Of a program in target/release of its own source.
    let workspace = program.as_deref().and_then(|program| program.ancestors().nth(3));
    places.extend(workspace.map(|workspace| workspace.join(".deps/onnxruntime/lib")));
    places
}

fn python_package() -> Option<PathBuf> {
    let python = ["python3", "python"].into_iter().find_map(|python| {
        Command::new(python).args(["-c", WHERE]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()
    })?;
    let folder = String::from_utf8(python.stdout).ok()?;
    let folder = folder.trim();
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}
