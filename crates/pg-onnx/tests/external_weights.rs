//! Models whose weights lie in another file, through ONNX Runtime: what runs is what was hashed, once.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use pg_image::NetworkResize;
use pg_onnx::{
    InputRecipe, ModelFile, OnnxError, OnnxExtractor, OnnxModel, OnnxRuntime, PartialRecipe, Provider,
    SessionSettings, find_library,
};
use pg_testkit::golden;
use pg_testkit::onnx_file::{SplitModel, with_weights_outside};

const SETTINGS: SessionSettings = SessionSettings { threads: 1, provider: Provider::Cpu };

fn runtime() -> OnnxRuntime {
    let deps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/onnxruntime/lib");
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).into_iter().collect();
    candidates.push(deps);
    OnnxRuntime::load(&find_library(&candidates).unwrap()).unwrap()
}

fn whole() -> Vec<u8> {
    fs::read(golden::fixture("onnx/tiny_features.onnx")).unwrap()
}

/// `net.onnx` and `net.onnx.data` in a folder.
fn split(folder: &Path) -> PathBuf {
    let SplitModel { onnx, weights } = with_weights_outside(&whole(), "net.onnx.data");
    fs::write(folder.join("net.onnx.data"), weights).unwrap();
    fs::write(folder.join("net.onnx"), onnx).unwrap();
    folder.join("net.onnx")
}

fn features(model: &mut OnnxModel) -> ArrayD<f32> {
    let picture: Vec<f32> = (0..3 * 16 * 16).map(|i| (i % 97) as f32 / 48.0 - 1.0).collect();
    let input = ArrayD::from_shape_vec(vec![1, 3, 16, 16], picture).unwrap();
    model.run(&input.view(), &["features"]).unwrap().remove(0).values
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn weights_outside_are_those_that_run() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let path = split(folder.path());
    let mut outside = OnnxModel::open(&runtime, &path, &SETTINGS).unwrap();
    let mut inside =
        OnnxModel::open(&runtime, &golden::fixture("onnx/tiny_features.onnx"), &SETTINGS).unwrap();
    assert_eq!(features(&mut outside), features(&mut inside));
    assert_eq!(outside.sha256(), ModelFile::read(&path).unwrap().sha256());
    assert_ne!(outside.sha256(), inside.sha256());
    // Another weight: another network, and other features.
    let mut weights = fs::read(folder.path().join("net.onnx.data")).unwrap();
    weights[3] ^= 0x80;
    fs::write(folder.path().join("net.onnx.data"), weights).unwrap();
    let mut other = OnnxModel::open(&runtime, &path, &SETTINGS).unwrap();
    assert_ne!(other.sha256(), outside.sha256());
    assert_ne!(features(&mut other), features(&mut inside));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_model_is_read_once_however_many_sessions_run_it() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let path = folder.path().join("net.onnx");
    fs::write(&path, whole()).unwrap();
    let model = OnnxModel::open(&runtime, &path, &SETTINGS).unwrap();
    let recipe = InputRecipe::resolve(&model, PartialRecipe::default(), None).unwrap();
    let recipe = InputRecipe { resize: NetworkResize::None, ..recipe };
    // Nothing is there any more that could be read again.
    fs::remove_file(&path).unwrap();
    let mut another = model.another(&runtime, &SETTINGS).unwrap();
    assert_eq!((another.sha256(), another.path()), (model.sha256(), model.path()));
    assert_eq!(features(&mut another).len(), 8);
    let of_four = SessionSettings { threads: 4, ..SETTINGS };
    OnnxExtractor::new(&runtime, model, recipe, &of_four, None).unwrap();
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn sessions_of_weights_that_changed_in_between_are_refused() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let model = OnnxModel::open(&runtime, &split(folder.path()), &SETTINGS).unwrap();
    let another = model.another(&runtime, &SETTINGS).unwrap();
    assert_eq!(another.sha256(), model.sha256());
    let weights = folder.path().join("net.onnx.data");
    let mut bytes = fs::read(&weights).unwrap();
    bytes.extend([0; 64]);
    fs::write(&weights, bytes).unwrap();
    let error = model.another(&runtime, &SETTINGS).unwrap_err();
    assert!(matches!(error, OnnxError::Changed { .. }), "{error}");
}

#[cfg(unix)]
#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_model_in_a_cache_of_links_runs() {
    use std::os::unix::fs::symlink;
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let (blobs, cache) = (folder.path().join("blobs"), folder.path().join("snapshots/main"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&cache).unwrap();
    split(&blobs);
    for (name, blob) in [("net.onnx", "1a2b"), ("net.onnx.data", "3c4d")] {
        fs::rename(blobs.join(name), blobs.join(blob)).unwrap();
        symlink(format!("../../blobs/{blob}"), cache.join(name)).unwrap();
    }
    let mut linked = OnnxModel::open(&runtime, &cache.join("net.onnx"), &SETTINGS).unwrap();
    assert_eq!(features(&mut linked).len(), 8);
}
