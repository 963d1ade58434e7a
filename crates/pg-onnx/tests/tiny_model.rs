//! The whole native chain on a small model of our own (`fixtures/onnx`): the library loads, the model
//! opens, its numbers agree with plain numpy to 1e-5. And every way in which that can go wrong.
//!
//! The library is `$ORT_DYLIB_PATH`, or the one that `cargo xtask setup` brings.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use pg_image::{NetworkResize, Planar};
use pg_metrics::{FeatureExtractor as _, MetricsError};
use pg_onnx::{
    GeneratorModel, InputRecipe, OnnxError, OnnxExtractor, OnnxModel, OnnxRuntime, PartialRecipe, Provider,
    SessionSettings, find_library,
};
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

const ONE_THREAD: SessionSettings = SessionSettings { threads: 1, provider: Provider::Cpu };

fn model() -> OnnxModel {
    OnnxModel::open(&runtime(), &model_path(), &ONE_THREAD).unwrap()
}

fn recipe() -> InputRecipe {
    let recipe = InputRecipe::resolve(&model(), PartialRecipe::default(), None).unwrap();
    InputRecipe { resize: NetworkResize::None, ..recipe }
}

fn extractor(recipe: InputRecipe, threads: usize, batch: usize) -> Result<OnnxExtractor, OnnxError> {
    let settings = SessionSettings { threads, ..ONE_THREAD };
    OnnxExtractor::new(&runtime(), model(), recipe, &settings, Some(batch))
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
    let extractor = extractor(recipe(), 1, 2).unwrap();
    assert_eq!((extractor.name(), extractor.feature_width()), ("tiny_features.onnx", 8));
    assert_eq!((extractor.class_count(), extractor.batch_size()), (Some(5), 2));
    let found = extractor.extract_images(&images()).unwrap();
    let logits = found.logits.unwrap();
    assert_eq!((found.features.dim(), logits.dim()), ((3, 8), (3, 5)));
    let bound = Tolerance::absolute(1e-5);
    assert_close("features", found.features.as_slice().unwrap(), &expected("features"), bound);
    assert_close("logits", logits.as_slice().unwrap(), &expected("logits"), bound);
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn an_image_s_features_depend_on_neither_batch_nor_threads() {
    let together = extractor(recipe(), 1, 3).unwrap().extract_images(&images()).unwrap();
    for (threads, batch) in [(1, 1), (2, 2), (3, 7)] {
        let found = extractor(recipe(), threads, batch).unwrap().extract_images(&images()).unwrap();
        let (found, together) = (found.features, &together.features);
        let bound = Tolerance::relative(1e-6);
        assert_close("features", found.as_slice().unwrap(), together.as_slice().unwrap(), bound);
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn several_threads_may_extract_at_once() {
    let extractor = extractor(recipe(), 2, 3).unwrap();
    let expected = extractor.extract_images(&images()).unwrap();
    std::thread::scope(|scope| {
        let run = || (0..20).all(|_| extractor.extract_images(&images()).unwrap() == expected);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
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
    let error = OnnxModel::open(&runtime(), &broken, &ONE_THREAD).unwrap_err();
    assert!(matches!(error, OnnxError::NotAModel { .. }), "{error}");
    let whole = std::fs::read(model_path()).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let error = OnnxModel::open(&runtime(), &broken, &ONE_THREAD).unwrap_err();
    assert!(matches!(error, OnnxError::NotAModel { .. }), "{error}");
    let error = OnnxModel::open(&runtime(), &folder.path().join("absent.onnx"), &ONE_THREAD).unwrap_err();
    assert!(matches!(error, OnnxError::ModelUnreadable { .. }), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_missing_output_is_named_with_those_there_are() {
    let wrong = InputRecipe { features: "pool_3".into(), ..recipe() };
    let error = extractor(wrong, 1, 1).unwrap_err();
    assert!(
        error.to_string().ends_with("has no output \"pool_3\"; its outputs are: features, logits"),
        "{error}"
    );
    let wrong = InputRecipe { logits: Some("softmax".into()), ..recipe() };
    assert!(matches!(extractor(wrong, 1, 1), Err(OnnxError::MissingOutput { .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn images_of_another_size_are_refused_with_both_sizes() {
    let extractor = extractor(recipe(), 1, 2).unwrap();
    let error = extractor.extract_images(&[Planar::filled(3, 32, 32, 0_u8)]).unwrap_err();
    let MetricsError::Extractor { source, .. } = error else { panic!("{error}") };
    let text = source.to_string();
    assert!(text.contains("32x32") && text.contains("16x16") && text.contains("recipe"), "{text}");
    assert!(extractor.extract_images(&[Planar::filled(1, 16, 16, 0_u8)]).is_err());
    for length in [0, 5, 3 * 3 * 16 * 16] {
        assert!(
            matches!(extractor.extract(&vec![0.0; length]), Err(MetricsError::Parameter { .. })),
            "{length}"
        );
    }
    let mut model = model();
    let flat = ArrayD::zeros(IxDyn(&[3, 16, 16]));
    assert!(matches!(model.run(&flat.view(), &["features"]), Err(OnnxError::InputShape { .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_recipe_that_is_not_the_model_s_is_refused() {
    let error = extractor(InputRecipe { input_size_px: 299, ..recipe() }, 1, 1).unwrap_err().to_string();
    assert!(error.contains("[?, 3, 16, 16]") && error.contains("[N, 3, 299, 299]"), "{error}");
    assert!(matches!(extractor(recipe(), 1, 0), Err(OnnxError::Setting { name: "batch size", .. })));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn flags_go_before_metadata_and_what_nobody_says_is_asked_for() {
    let asked = PartialRecipe { range: Some((0.0, 255.0)), ..PartialRecipe::default() };
    let found = InputRecipe::resolve(&model(), asked, None).unwrap();
    assert_eq!((found.range, found.input_size_px), ((0.0, 255.0), 16));
    let bare = golden::fixture("fid/e2e/tiny_inception.onnx");
    let bare = OnnxModel::open(&runtime(), &bare, &ONE_THREAD).unwrap();
    let error = InputRecipe::resolve(&bare, PartialRecipe::default(), None).unwrap_err().to_string();
    for flag in
        ["--resize RECIPE (pg.resize)", "--range LO,HI", "--features NAME", "outputs are: features, logits"]
    {
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_gpu_that_is_not_there_is_an_error() {
    let settings = SessionSettings { threads: 1, provider: Provider::Cuda(0) };
    match OnnxModel::open(&runtime(), &model_path(), &settings) {
        // A machine with one, and a library that can use it.
        Ok(model) => assert_eq!(model.outputs().len(), 2),
        Err(error) => {
            assert!(matches!(error, OnnxError::NoProvider { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.starts_with("cuda:0 cannot run models here") && text.contains("--provider"),
                "{text}"
            );
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_model_of_the_future_is_told_from_a_broken_one() {
    let mut bytes = std::fs::read(model_path()).unwrap();
    // The opset: the empty domain, version 17.
    let opset = [0x42, 4, 0x0A, 0, 0x10, 17];
    let place = bytes.windows(opset.len()).position(|window| window == opset).unwrap();
    bytes[place + opset.len() - 1] = 120;
    let folder = tempfile::tempdir().unwrap();
    let future = folder.path().join("future.onnx");
    std::fs::write(&future, bytes).unwrap();
    let error = OnnxModel::open(&runtime(), &future, &ONE_THREAD).unwrap_err();
    assert!(matches!(error, OnnxError::TooNew { .. }), "{error}");
    assert!(error.to_string().contains("older opset"), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_second_library_is_refused_and_the_first_one_handed_out_again() {
    let runtime = runtime();
    assert_eq!(OnnxRuntime::load(runtime.library()).unwrap().library(), runtime.library());
    let error = OnnxRuntime::load(&model_path()).unwrap_err();
    assert!(matches!(error, OnnxError::OtherLibraryLoaded { .. }), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_model_that_is_no_generator_is_refused_as_one() {
    let error = GeneratorModel::open(&runtime(), &model_path(), &ONE_THREAD).unwrap_err();
    assert!(matches!(error, OnnxError::UnsupportedModel { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("pg.input") && text.contains("pgtrain export"), "{text}");
}
