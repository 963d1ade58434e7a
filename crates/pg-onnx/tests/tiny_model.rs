//! The whole native chain on a small model of our own (`fixtures/onnx`): the library loads, the model
//! opens, its numbers agree with plain numpy to 1e-5. And every way in which that can go wrong.
//!
//! The library is `$ORT_DYLIB_PATH`, or the one that `cargo xtask setup` brings.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use pg_image::Planar;
use pg_metrics::{FeatureExtractor as _, MetricsError};
use pg_onnx::{ExtractorSettings, OnnxError, OnnxExtractor, OnnxModel, OnnxRuntime, find_library};
use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;

fn runtime() -> OnnxRuntime {
    let deps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/onnxruntime/lib");
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).into_iter().collect();
    candidates.push(deps);
    OnnxRuntime::load(&find_library(&candidates).unwrap()).unwrap()
}

fn model_path() -> PathBuf {
    golden::fixture("onnx/tiny_features.onnx")
}

fn model() -> OnnxModel {
    OnnxModel::open(&runtime(), &model_path(), 1).unwrap()
}

fn settings() -> ExtractorSettings {
    ExtractorSettings { range: (-1.0, 1.0), features: "features".into(), logits: Some("logits".into()) }
}

fn images() -> Vec<Planar<u8>> {
    let expected = golden::json("onnx/tiny_features.json");
    let pixels: Vec<u8> = golden::numbers(&expected["pixels"]).iter().map(|&v| v as u8).collect();
    pixels.chunks(3 * 16 * 16).map(|p| Planar::from_data(3, 16, 16, p.to_vec()).unwrap()).collect()
}

fn expected(output: &str) -> Vec<f64> {
    let expected = golden::json("onnx/tiny_features.json");
    expected[output].as_array().unwrap().iter().flat_map(golden::numbers).collect()
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn features_and_logits_agree_with_numpy() {
    let mut extractor = OnnxExtractor::new(model(), settings()).unwrap();
    assert_eq!((extractor.name(), extractor.feature_width()), ("tiny_features.onnx", 8));
    let found = extractor.extract(&images()).unwrap();
    let logits = found.logits.unwrap();
    assert_eq!((found.features.dim(), logits.dim()), ((3, 8), (3, 5)));
    let bound = Tolerance::absolute(1e-5);
    assert_close("features", found.features.as_slice().unwrap(), &expected("features"), bound);
    assert_close("logits", logits.as_slice().unwrap(), &expected("logits"), bound);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn an_image_s_features_do_not_depend_on_its_batch() {
    let mut extractor = OnnxExtractor::new(model(), settings()).unwrap();
    let together = extractor.extract(&images()).unwrap().features;
    for (i, image) in images().into_iter().enumerate() {
        let alone = extractor.extract(&[image]).unwrap().features;
        let (alone, together) = (alone.row(0).to_vec(), together.row(i).to_vec());
        assert_close("features", &alone, &together, Tolerance::absolute(1e-6));
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_model_describes_itself() {
    let model = model();
    assert_eq!(model.inputs()[0].name, "images");
    assert_eq!(model.inputs()[0].float_shape, Some(vec![None, Some(3), Some(16), Some(16)]));
    assert_eq!(model.outputs().iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["features", "logits"]);
    assert_eq!(model.metadata("pg.range").as_deref(), Some("[-1,1]"));
    assert_eq!(model.metadata("pg.nothing"), None);
    assert_eq!(model.sha256().len(), 64);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_file_that_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.onnx");
    std::fs::write(&broken, b"this is no protocol buffer").unwrap();
    let error = OnnxModel::open(&runtime(), &broken, 1).unwrap_err();
    assert!(matches!(error, OnnxError::NotAModel { .. }), "{error}");
    let whole = std::fs::read(model_path()).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let error = OnnxModel::open(&runtime(), &broken, 1).unwrap_err();
    assert!(matches!(error, OnnxError::NotAModel { .. }), "{error}");
    let error = OnnxModel::open(&runtime(), &folder.path().join("absent.onnx"), 1).unwrap_err();
    assert!(matches!(error, OnnxError::ModelUnreadable { .. }), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_missing_output_is_named_with_those_there_are() {
    let wrong = ExtractorSettings { features: "pool_3".into(), ..settings() };
    let error = OnnxExtractor::new(model(), wrong).unwrap_err();
    assert!(
        error.to_string().ends_with("has no output \"pool_3\"; its outputs are: features, logits"),
        "{error}"
    );
    let wrong = ExtractorSettings { logits: Some("softmax".into()), ..settings() };
    assert!(matches!(OnnxExtractor::new(model(), wrong), Err(OnnxError::MissingOutput { .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn images_of_another_size_are_refused_with_both_shapes() {
    let mut extractor = OnnxExtractor::new(model(), settings()).unwrap();
    let error = extractor.extract(&[Planar::filled(3, 32, 32, 0_u8)]).unwrap_err();
    let MetricsError::Extractor { source, .. } = error else { panic!("{error}") };
    let text = source.to_string();
    assert!(text.ends_with("takes input of shape [?, 3, 16, 16], got [1, 3, 32, 32]"), "{text}");
    let mixed = [Planar::filled(3, 16, 16, 0_u8), Planar::filled(1, 16, 16, 0_u8)];
    assert!(extractor.extract(&mixed).is_err());
    let mut model = model();
    let flat = ArrayD::zeros(IxDyn(&[3, 16, 16]));
    assert!(matches!(model.run(&flat, &["features"]), Err(OnnxError::InputShape { .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_range_must_rise() {
    let wrong = ExtractorSettings { range: (1.0, -1.0), ..settings() };
    assert!(matches!(OnnxExtractor::new(model(), wrong), Err(OnnxError::Setting { name: "range", .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_second_library_is_refused_and_the_first_one_handed_out_again() {
    let runtime = runtime();
    assert_eq!(OnnxRuntime::load(runtime.library()).unwrap().library(), runtime.library());
    let error = OnnxRuntime::load(&model_path()).unwrap_err();
    assert!(matches!(error, OnnxError::OtherLibraryLoaded { .. }), "{error}");
}
