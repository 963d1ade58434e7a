//! Exported generators: the images that other programs make with them are those of `pgtrain sample`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array4, Axis, concatenate, s, stack};
use pg_onnx::{GeneratorModel, OnnxModel, OnnxRuntime, Provider, SessionSettings, find_library};
use pg_testkit::sandbox::Sandbox;
use safetensors::SafeTensors;
use serde_json::Value;
use support::{sandbox_with_faces, small_run};

fn runtime() -> OnnxRuntime {
    let deps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/onnxruntime/lib");
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).into_iter().collect();
    candidates.push(deps);
    OnnxRuntime::load(&find_library(&candidates).unwrap()).unwrap()
}

const SESSION: SessionSettings = SessionSettings { threads: 1, provider: Provider::Cpu };

fn open(path: &Path) -> GeneratorModel {
    GeneratorModel::open(&runtime(), path, &SESSION).unwrap()
}

/// Shape and numbers of a tensor of the examples.
fn example(sandbox: &Sandbox, file: &str, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(sandbox.path(file)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let numbers = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    (tensor.shape().to_vec(), numbers.collect())
}

fn export(sandbox: &Sandbox, run: &str, further: &[&str]) -> Value {
    let mut line = vec!["export", run, "--json", "--quiet", "--threads", "1", "--overwrite"];
    line.extend(further);
    serde_json::from_str(&sandbox.run("pgtrain", &line).with_status(0).stdout).unwrap()
}

/// Batches of 1, 5 and what remains of 8.
fn images_in_batches(model: &mut GeneratorModel, latents: &Array2<f32>) -> Array4<f32> {
    let parts = [(0, 1), (1, 6), (6, 8)]
        .map(|(first, end)| model.run(&latents.slice(s![first..end, ..]).view()).unwrap());
    concatenate(Axis(0), &parts.each_ref().map(|part| part.view())).unwrap()
}

fn largest_difference(found: &Array4<f32>, expected: &Array4<f32>) -> f64 {
    found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// From the latents of the examples to w, w for each of six layers to images: how far from the examples' images.
fn difference_of_parts(sandbox: &Sandbox, parts: &[PathBuf; 2]) -> f64 {
    let (shape, latents) = example(sandbox, "examples.safetensors", "latents");
    let latents = Array2::from_shape_vec((shape[0], shape[1]), latents).unwrap();
    let (_, expected) = example(sandbox, "examples.safetensors", "images");
    let [mut mapping, mut synthesis] =
        parts.each_ref().map(|path| OnnxModel::open(&runtime(), path, &SESSION).unwrap());
    let w = mapping.run_all(&[latents.view().into_dyn()], &["w"]).unwrap().remove(0).values;
    let styles = stack(Axis(1), &[w.view(), w.view(), w.view(), w.view(), w.view(), w.view()]).unwrap();
    let images = synthesis.run_all(&[styles.view()], &["images"]).unwrap().remove(0).values;
    assert_eq!(images.len(), expected.len());
    images.iter().zip(&expected).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// Exports `run` in both formats, runs the ONNX file, and compares with the sampler's numbers and PNG files.
/// Returns what the export said.
fn check_export(sandbox: &Sandbox, run: &str, opset: &str) -> Value {
    let report =
        export(sandbox, run, &["-o", "g.onnx", "--opset", opset, "--examples", "examples.safetensors"]);
    let module = export(sandbox, run, &["-o", "g.pt"]);
    assert_eq!(report["metadata"], module["metadata"]);
    assert!(module["largest_difference"].as_f64().unwrap() < 1e-4, "{module}");

    let (shape, latents) = example(sandbox, "examples.safetensors", "latents");
    let latents = Array2::from_shape_vec((shape[0], shape[1]), latents).unwrap();
    let (shape, expected) = example(sandbox, "examples.safetensors", "images");
    let expected = Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), expected).unwrap();
    let mut model = open(&sandbox.path("g.onnx"));
    assert_eq!(model.latent_size() + model.label_size(), latents.ncols());
    assert_eq!((model.channels(), model.resolution_px()), (shape[1], shape[2]));
    let found = images_in_batches(&mut model, &latents);
    let difference = largest_difference(&found, &expected);
    assert!(difference < 1e-3, "{run}: {difference}");
    if report["metadata"]["pg.network"] == "style" {
        // The file carries noise of its own, the sampler draws some for each seed.
        return report;
    }

    let line = format!("sample {run} -o {run}-png --count 8 --device cpu --quiet --threads 1");
    let _ = sandbox.run("pgtrain", line.split_whitespace()).with_status(0);
    let (mut equal, mut all) = (0, 0);
    for (seed, numbers) in found.outer_iter().enumerate() {
        let png = image::open(sandbox.path(format!("{run}-png/{seed:06}.png"))).unwrap();
        let pixels = if model.channels() == 1 { png.to_luma8().into_raw() } else { png.to_rgb8().into_raw() };
        let by_pixel = numbers.permuted_axes([1, 2, 0]);
        for (number, pixel) in by_pixel.iter().zip(&pixels) {
            let byte = (number * 127.5 + 127.5).round_ties_even().clamp(0.0, 255.0) as u8;
            equal += usize::from(byte == *pixel);
            all += 1;
        }
    }
    assert!(all == expected.len() && equal * 1000 >= all * 999, "{run}: {equal} of {all} bytes are equal");
    report
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn exported_generators_draw_the_sampler_s_images_in_onnx_runtime() {
    let sandbox = sandbox_with_faces();
    // 4 px; the fade to 8 px; 8 px; the fade to 16 px; 16 px.
    for (run, kimg, px) in [("at4", "0.1", 4), ("fade8", "0.3", 8), ("at8", "0.5", 8), ("fade16", "0.7", 16)]
    {
        let _ = sandbox.run("pgtrain", small_run(run, kimg)).with_status(0);
        let report = check_export(&sandbox, run, "17");
        assert_eq!(report["metadata"]["pg.resolution"], px.to_string());
        let fade: f64 = report["metadata"]["pg.fade_in"].as_str().unwrap().parse().unwrap();
        assert_eq!(run.starts_with("fade"), fade < 1.0, "{run}: {fade}");
    }
    for opset in ["13", "18", "22"] {
        let report = check_export(&sandbox, "fade16", opset);
        assert_eq!(report["opset"].as_u64().unwrap().to_string(), opset);
    }
    let model = open(&sandbox.path("g.onnx"));
    let report = export(&sandbox, "fade16", &["-o", "g.onnx"]);
    for (key, value) in report["metadata"].as_object().unwrap() {
        assert_eq!(model.model().metadata(key).as_deref(), value.as_str(), "{key}");
    }
    assert_eq!(report["metadata"]["pg.weights_blake3"].as_str().map(str::len), Some(64));
    assert_eq!(report["metadata"]["pg.kimg"].as_str().map(|kimg| &kimg[..3]), Some("0.7"));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn every_kind_of_generator_is_exported() {
    let sandbox = sandbox_with_faces();
    let kinds: [(&str, &[&str]); 3] = [
        ("batch", &["equalized_lr=false", "generator_norm=batch"]),
        ("bare", &["generator_norm=none"]),
        ("half", &["precision=bf16"]),
    ];
    for (run, settings) in kinds {
        let mut line = small_run(run, "0.7");
        line.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let _ = sandbox.run("pgtrain", &line).with_status(0);
        if run == "half" {
            // Written in f32: the sampler's bytes come from bf16 activations.
            let report = export(&sandbox, run, &["-o", "half.onnx"]);
            assert!(report["largest_difference"].as_f64().unwrap() < 1e-4, "{report}");
            continue;
        }
        check_export(&sandbox, run, "17");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn style_based_generators_are_exported_whole_and_in_two_parts() {
    let sandbox = sandbox_with_faces();
    let kinds: [(&str, &[&str]); 3] = [
        ("style", &["network=style", "start_resolution=8"]),
        ("fading", &["network=style", "style_input=mapped", "layer_noise=none"]),
        ("filtered", &["resampling=bilinear"]),
    ];
    for (run, settings) in kinds {
        // The fade to 16 px from 4 px on, 16 px from 8 px on.
        let mut line = small_run(run, "0.7");
        line.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        // The constant starts out flat, and instance norm makes rounding of what is hardly more than flat large:
        // steps that take it away from there.
        line.extend(["--set", "learning_rate=0.02", "--set", "ema_decay=0.5"]);
        let _ = sandbox.run("pgtrain", &line).with_status(0);
        let report = check_export(&sandbox, run, "17");
        let parts = ["g.mapping.onnx", "g.synthesis.onnx"].map(|file| sandbox.path(file));
        if run == "filtered" {
            assert!(report["metadata"]["pg.network"] == "progressive", "{report}");
            continue;
        }
        if run == "fading" {
            // Without noise the parts in a row are the whole.
            let difference = difference_of_parts(&sandbox, &parts);
            assert!(difference < 1e-3, "{difference}");
        } else {
            let synthesis = OnnxModel::open(&runtime(), &parts[1], &SESSION).unwrap();
            let names: Vec<&str> = synthesis.inputs().iter().map(|input| input.name.as_str()).collect();
            assert_eq!(names, ["styles", "noise0", "noise1", "noise2", "noise3", "noise4", "noise5"]);
        }
        // Both name the weights that they are parts of.
        for (path, [part, input]) in parts.iter().zip([["mapping", "z"], ["synthesis", "w"]]) {
            let model = OnnxModel::open(&runtime(), path, &SESSION).unwrap();
            let said = |key: &str| model.metadata(key);
            assert_eq!(
                said("pg.weights_blake3").as_deref(),
                report["metadata"]["pg.weights_blake3"].as_str()
            );
            assert_eq!((said("pg.part").as_deref(), said("pg.input").as_deref()), (Some(part), Some(input)));
            assert_eq!(said("pg.layers").as_deref(), Some("6"));
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_generator_of_grey_digits_with_labels_is_exported() {
    let sandbox = Sandbox::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits/digits-images-idx3-ubyte");
    let pack = ["pack", source.to_str().unwrap(), "-o", "digits", "--quiet"];
    let _ = sandbox.run("pgprep", pack).with_status(0);
    let line = "run digits -o run --preset tiny --set labels=ac-gan --set fmap_max=8 --set latent_size=8 \
                --set lod_train_kimg=0.2 --set lod_fade_kimg=0.2 --set tick_kimg=0.2 --kimg 0.5 --device cpu \
                --threads 1 --quiet";
    let _ = sandbox.run("pgtrain", line.split_whitespace()).with_status(0);
    let report = check_export(&sandbox, "run", "17");
    assert_eq!(report["metadata"]["pg.label_size"], "10");
    assert_eq!(report["metadata"]["pg.channels"], "1");
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.1")).with_status(0);
    for extension in ["onnx", "ts"] {
        let [one, two] = ["one", "two"].map(|name| format!("{name}.{extension}"));
        export(&sandbox, "run", &["-o", &one]);
        export(&sandbox, "run/snapshots/000000", &["-o", &two]);
        assert!(
            fs::read(sandbox.path(&one)).unwrap() == fs::read(sandbox.path(&two)).unwrap(),
            "{extension}"
        );
    }
    let plain = sandbox.run("pgtrain", ["export", "run", "-o", "plain", "--format", "onnx"]).with_status(0);
    assert!(plain.stdout.contains("largest difference"), "{}", plain.stdout);
    assert!(fs::read(sandbox.path("plain")).unwrap() == fs::read(sandbox.path("one.onnx")).unwrap());
}

#[test]
fn what_cannot_be_exported_exits_2_and_leaves_nothing() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.1")).with_status(0);
    fs::create_dir(sandbox.path("empty")).unwrap();
    fs::create_dir(sandbox.path("folder.onnx")).unwrap();
    let cases: [(&[&str], &str); 10] = [
        (&["missing", "-o", "x.onnx"], "missing does not exist"),
        (&["empty", "-o", "x.onnx"], "no snapshot"),
        (&["run", "-o", "x.onnx", "--best"], "best.json"),
        (&["run", "-o", "x.bin"], "ends in .onnx, .pt or .ts, or --format"),
        (&["run", "-o", "nowhere/x.onnx"], "there is no folder nowhere"),
        (&["run", "-o", "folder.onnx"], "is a folder"),
        // Where not even an administrator may write.
        (&["run", "-o", "/proc/x.onnx"], "write /proc/x.onnx"),
        (&["run", "-o", "x.onnx", "--opset", "12"], "--opset 12: expected 13 to 22"),
        (&["run", "-o", "x.onnx", "--opset", "23"], "--opset 23: expected 13 to 22"),
        (&["run", "-o", "x.pt", "--opset", "17"], "--opset is for ONNX"),
    ];
    for (arguments, expected) in cases {
        let line: Vec<&str> = ["export"].iter().chain(arguments).copied().collect();
        let refused = sandbox.run("pgtrain", &line).with_status(2);
        assert!(refused.stderr.contains(expected), "{arguments:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    }
    assert!(!sandbox.path("x.onnx").exists() && !sandbox.path("x.pt").exists());

    // Weights that are no numbers make no file.
    let weights = sandbox.path("run/snapshots/000000/generator-ema.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
    for number in bytes[header..].chunks_exact_mut(4) {
        number.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(&weights, bytes).unwrap();
    // As an older version wrote it: without checksums, which would not let such weights through.
    fs::remove_file(weights.with_file_name("checksums.b3")).unwrap();
    let state = weights.with_file_name("state.json");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, text.replace("\"format_version\": 2", "\"format_version\": 1")).unwrap();
    let refused = sandbox.run("pgtrain", ["export", "run", "-o", "x.onnx"]).with_status(2);
    assert!(refused.stderr.contains("x.onnx was not written"), "{}", refused.stderr);
    assert!(!sandbox.path("x.onnx").exists());
}
