//! Where the ONNX Runtime library is looked for: nowhere that depends on the folder in which the program is run, for a
//! library is code, and that folder may be somebody else's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use pg_onnx::{OnnxRuntime, find_library};

/// The version that the tests run with; any newer one goes too.
pub(crate) const REMEDY: &str =
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
        None => find()?,
    };
    OnnxRuntime::load(&library).context(REMEDY)
}

/// The library that is used where none is asked for.
pub(crate) fn find() -> Result<PathBuf> {
    let mut places = near_places();
    if let Ok(library) = find_library(&places) {
        return Ok(library);
    }
    // Last, as Python takes a while to start.
    places.extend(python_package());
    find_library(&places).context(REMEDY)
}

fn near_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    places.extend(std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from));
    let program = std::env::current_exe().ok();
    places.extend(program.as_deref().and_then(Path::parent).map(Path::to_owned));
    // Of a program in target/release of its own source.
    let target = program.as_deref().and_then(|program| program.ancestors().nth(2));
    let target = target.filter(|target| target.file_name().is_some_and(|name| name == "target"));
    let workspace = target.and_then(Path::parent);
    places.extend(workspace.map(|workspace| workspace.join(".deps/onnxruntime/lib")));
    places
}

fn python_package() -> Option<PathBuf> {
    let python = ["python3", "python"].into_iter().find_map(|python| question(python).output().ok())?;
    let folder = String::from_utf8(python.stdout).ok()?;
    let folder = folder.trim();
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// Isolated (`-I`): Python would look for packages in the folder in which it is run, before all others.
fn question(python: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-I", "-c", WHERE]).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_depends_on_the_working_folder() {
        let asked_for = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
        for place in near_places().into_iter().filter(|place| Some(place) != asked_for.as_ref()) {
            assert!(place.is_absolute(), "{}", place.display());
        }
    }

    #[test]
    fn python_is_not_asked_about_packages_of_the_working_folder() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("onnxruntime");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(package.join("__init__.py"), "").unwrap();
        let answer = |mut question: Command| {
            let output = question.current_dir(folder.path()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let mut careless = Command::new("python3");
        careless.args(["-c", WHERE]).env_remove("PYTHONSAFEPATH");
        assert!(answer(careless).contains("capi"), "the package is not found at all");
        assert!(!answer(question("python3")).contains(&folder.path().display().to_string()));
    }
}
