//! Metrics of a network's features, through a small network in ONNX (`fixtures/fid/e2e`): the numbers of torch-fidelity and
//! clean-fid, statistics files, and every way in which they can be asked for wrongly.

use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;
use pg_testkit::sandbox::{Finished, Sandbox};
use serde_json::{Value, json};

use crate::datasets::pack;
use crate::support::{draw_folder, json_of, pgeval, save, waves};

/// How the network is fed, which it does not say itself.
const FED: [&str; 8] =
    ["--input-size", "299", "--range", "0,255", "--features", "features", "--logits", "logits"];

fn fixture(name: &str) -> String {
    golden::fixture(&format!("fid/e2e/{name}")).display().to_string()
}

fn with_network(command: &[&str], resize: &str) -> Vec<String> {
    let network = ["--model", &fixture("tiny_inception.onnx"), "--resize", resize].map(str::to_owned);
    command.iter().chain(&FED).map(|&word| word.to_owned()).chain(network).collect()
}

pub(crate) fn run(sandbox: &Sandbox, command: &[&str]) -> Value {
    json_of(sandbox, &words(&with_network(&[command, &["--json"]].concat(), "tf1-bilinear")))
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

fn refused(sandbox: &Sandbox, command: &[&str]) -> Finished {
    pgeval(sandbox, command).with_status(2)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn scores_equal_those_of_torch_fidelity_and_clean_fid() {
    let sandbox = Sandbox::new();
    let (real, fake) = (fixture("real"), fixture("fake"));
    for (resize, case) in [("tf1-bilinear", "tiny_tf1_bilinear"), ("pil-bicubic", "tiny_clean_bicubic")] {
        let expected = &golden::json("fid/e2e/expected.json")[case];
        let score = |command: &[&str]| {
            json_of(&sandbox, &words(&with_network(&[command, &["--json"]].concat(), resize)))
        };
        let close = |what: &str, found: &Value, expected: &Value| {
            let bound = Tolerance::new(1e-5, 1e-6);
            assert_close(what, &[number(found)], &[number(expected)], bound);
        };
        let fid = score(&["fid", &real, &fake]);
        close("fid", &fid["value"], &expected["fid_float64"]);
        close("fid", &fid["value"], &expected["fid"]);
        assert_eq!(fid["protocol"]["network"]["resize"], resize);
        assert_eq!(fid["protocol"]["network"]["sha256"].as_str().map(str::len), Some(64));
        let kid = score(&["kid", &real, &fake, "--subsets", "1", "--subset-size", "20"]);
        close("kid", &kid["value"], &expected["kid_full_subset"]);
        for (side, folder) in [("real", &real), ("fake", &fake)] {
            let two = score(&["is", folder, "--splits", "2"]);
            close("is", &two["value"], &expected[format!("is_{side}_splits2_noshuffle")][0]);
            close("is, std", &two["std"], &expected[format!("is_{side}_splits2_noshuffle")][1]);
            let one = score(&["is", folder, "--splits", "1"]);
            close("is", &one["value"], &expected[format!("is_{side}_splits1")][0]);
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn features_of_each_image_are_the_goldens_whatever_batch_and_threads() {
    let sandbox = Sandbox::new();
    for (resize, case) in [("tf1-bilinear", "tf1_bilinear"), ("pil-bicubic", "clean_bicubic")] {
        for side in ["real", "fake"] {
            for more in [
                &["--batch", "1"][..],
                &["--batch", "7", "--threads", "1"],
                &["--batch", "32", "--threads", "3"],
            ] {
                let folder = fixture(side);
                let command =
                    [&["stats", &folder, "--no-swd", "-o", "x.pgstats", "--overwrite"], more].concat();
                let _ = pgeval(&sandbox, &words(&with_network(&command, resize))).with_status(0);
                for (tensor, name) in [("features", "features"), ("logits", "logits")] {
                    let found = tensor_of(&sandbox, &format!("network.{tensor}"));
                    let expected = golden::npy::<f32>(&format!("fid/e2e/tiny_{case}_{side}_{name}.npy"));
                    let expected: Vec<f32> = expected.iter().copied().collect();
                    assert_close(name, &found, &expected, Tolerance::absolute(1e-4));
                }
            }
        }
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let sandbox = Sandbox::new();
    let (real, fake) = (fixture("real"), fixture("fake"));
    let content = |threads: &str| {
        run(&sandbox, &["stats", &real, "--no-swd", "-o", "x.pgstats", "--overwrite", "--threads", threads])["content"]
            .clone()
    };
    assert_eq!(content("1"), content("3"));
    for metric in [
        &["fid", &real, &fake, "--extrapolate"][..],
        &["kid", &real, &fake],
        &["pr", &real, &fake],
        &["is", &real],
    ] {
        let [one, two] = ["1", "3"].map(|threads| run(&sandbox, &[metric, &["--threads", threads]].concat()));
        assert_eq!(one, two, "{metric:?}");
    }
}

/// The values of a tensor of `x.pgstats`, as any reader of safetensors gets them.
fn tensor_of(sandbox: &Sandbox, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(sandbox.path("x.pgstats")).expect("the statistics file");
    let length = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a safetensors header");
    let offsets = golden::numbers(&header[name]["data_offsets"]);
    let data = &bytes[8 + length..][offsets[0] as usize..offsets[1] as usize];
    data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn statistics_files_score_as_the_images_and_then_need_no_network() {
    let sandbox = Sandbox::new();
    let (real, fake) = (fixture("real"), fixture("fake"));
    for (side, output) in [(&real, "real.pgstats"), (&fake, "fake.pgstats")] {
        let about = run(&sandbox, &["stats", side, "--no-swd", "-o", output]);
        assert_eq!(
            (&about["images"], &about["protocol"]["network"]["feature_width"]),
            (&20.into(), &64.into())
        );
    }
    for (metric, more) in
        [("fid", &["--extrapolate"][..]), ("kid", &["--subset-size", "10", "--subsets", "5"]), ("pr", &[])]
    {
        let images = run(&sandbox, &[&[metric, &real, &fake], more].concat());
        let mixed = run(&sandbox, &[&[metric, "real.pgstats", &fake], more].concat());
        let alone = json_of(&sandbox, &[&[metric, "real.pgstats", "fake.pgstats", "--json"], more].concat());
        let values = |result: &Value| -> Vec<Value> {
            let list = result["metrics"].as_array().cloned().unwrap_or_else(|| vec![result.clone()]);
            list.iter()
                .flat_map(|m| ["metric", "value", "interval", "std", "extrapolated"].map(|k| m[k].clone()))
                .collect()
        };
        assert_eq!(values(&images), values(&mixed), "{metric}");
        assert_eq!(values(&images), values(&alone), "{metric}");
    }
    let score = json_of(&sandbox, &["is", "fake.pgstats", "--splits", "2", "--json"]);
    assert_eq!(score["value"], run(&sandbox, &["is", &fake, "--splits", "2"])["value"]);
    // Images need the network that the statistics are of.
    let error = refused(&sandbox, &["fid", "real.pgstats", &fake]).stderr;
    assert!(error.contains("give --model M.onnx, the one of SHA-256 583bd495"), "{error}");
    let other = with_network(&["fid", "real.pgstats", &fake], "pil-bicubic");
    let error = refused(&sandbox, &words(&other)).stderr;
    assert!(error.contains("its resize is tf1-bilinear, expected pil-bicubic"), "{error}");
    let error = refused(&sandbox, &["swd", "real.pgstats", &fake]).stderr;
    assert!(error.contains("holds features of a network only"), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn parts_of_features_merge_to_the_bytes_of_one_run() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real/a", 5, 64, 0);
    draw_folder(&sandbox, "real/b", 4, 64, 20);
    let make = |real: &str, output: &str| run(&sandbox, &["stats", real, "-o", output]);
    let whole = make("real", "real.pgstats");
    make("real/a", "a.pgstats");
    make("real/b", "b.pgstats");
    let merged =
        json_of(&sandbox, &["stats", "--merge", "a.pgstats", "b.pgstats", "-o", "ab.pgstats", "--json"]);
    assert_eq!(merged["content"], whole["content"]);
    draw_folder(&sandbox, "fake", 9, 64, 50);
    for metric in ["swd", "fid"] {
        let score = |real: &str| {
            let network = if metric == "fid" { with_network(&[], "tf1-bilinear") } else { Vec::new() };
            json_of(&sandbox, &[&[metric, real, "fake", "--json"][..], &words(&network)].concat())
        };
        assert_eq!(score("ab.pgstats")["value"], score("real")["value"], "{metric}");
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn mean_and_covariance_go_to_npz_and_come_back() {
    let sandbox = Sandbox::new();
    let (real, fake) = (fixture("real"), fixture("fake"));
    run(&sandbox, &["stats", &real, "--no-swd", "-o", "real.pgstats"]);
    let _ = pgeval(&sandbox, &["stats", "real.pgstats", "-o", "real.npz"]).with_status(0);
    let expected = run(&sandbox, &["fid", &real, &fake]);
    let found = run(&sandbox, &["fid", "real.npz", &fake]);
    assert_close(
        "fid",
        &[number(&found["value"])],
        &[number(&expected["value"])],
        Tolerance::relative(1e-12),
    );
    assert_eq!((&found["counts"]["real"], &found["counts"]["fake"]), (&Value::Null, &20.into()));
    assert_eq!(found["warnings"][0]["code"], "unknown-network");
    let about = run(&sandbox, &["stats", "real.npz", "-o", "published.pgstats"]);
    assert_eq!(
        (&about["images"], &about["protocol"]["network"]["moments_only"]),
        (&Value::Null, &true.into())
    );
    let found = run(&sandbox, &["fid", "published.pgstats", &fake]);
    assert_close(
        "fid",
        &[number(&found["value"])],
        &[number(&expected["value"])],
        Tolerance::relative(1e-12),
    );
    let error =
        refused(&sandbox, &words(&with_network(&["kid", "published.pgstats", &fake], "tf1-bilinear"))).stderr;
    assert!(error.contains("REAL holds only mean and covariance of features"), "{error}");
    let error = refused(&sandbox, &["stats", "real.npz", "-o", "x.pgstats"]).stderr;
    assert!(error.contains("does not say which network and recipe"), "{error}");
    let error = refused(&sandbox, &["stats", "real.pgstats", "-o", "y.pgstats"]).stderr;
    assert!(error.contains("-o FILE.npz"), "{error}");
    sandbox.write("broken.npz", b"no zip");
    let error =
        refused(&sandbox, &words(&with_network(&["fid", "broken.npz", &fake], "tf1-bilinear"))).stderr;
    assert!(error.contains("it is no zip") && error.contains("pytorch-fid --save-stats"), "{error}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn all_has_the_scores_of_the_single_commands() {
    let sandbox = Sandbox::new();
    let (real, fake) = (fixture("real"), fixture("fake"));
    let all = run(&sandbox, &["all", &real, &fake, "-o", "result.json", "--report", "report.html"]);
    let names: Vec<_> =
        all["metrics"].as_array().into_iter().flatten().map(|m| m["metric"].clone()).collect();
    assert_eq!(names, ["swd", "ms-ssim", "is", "fid", "kid", "precision", "recall"]);
    let found = |name: &str| {
        all["metrics"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|m| m["metric"] == name)
            .cloned()
            .unwrap_or_default()
    };
    for (metric, single) in [
        ("fid", run(&sandbox, &["fid", &real, &fake])),
        ("kid", run(&sandbox, &["kid", &real, &fake])),
        ("is", run(&sandbox, &["is", &fake])),
        ("swd", json_of(&sandbox, &["swd", &real, &fake, "--json"])),
    ] {
        assert_eq!(found(metric)["value"], single["value"], "{metric}");
        assert_eq!(found(metric)["interval"], single["interval"], "{metric}");
    }
    let pr = run(&sandbox, &["pr", &real, &fake]);
    assert_eq!(
        (&pr["metrics"][0]["value"], &pr["metrics"][1]["value"]),
        (&found("precision")["value"], &found("recall")["value"])
    );
    assert_eq!(found("fid")["warnings"][0]["code"], "few-images");
    // The gate reads what was written.
    let gate = json_of(&sandbox, &["gate", "result.json", "--baseline", "result.json", "--json"]);
    assert!(gate.to_string().contains("precision"), "{gate}");
    let page = std::fs::read_to_string(sandbox.path("report.html")).expect("the page");
    assert!(page.contains(">fid<") && page.contains(">recall<"));
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn the_model_s_own_metadata_decide_and_flags_go_before_them() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 16, 0);
    draw_folder(&sandbox, "fake", 6, 16, 20);
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let by_metadata = json_of(&sandbox, &["fid", "real", "fake", "--model", &model, "--json"]);
    let network = &by_metadata["protocol"]["network"];
    assert_eq!(
        (&network["resize"], &network["input_size"], &network["feature_width"]),
        (&"none".into(), &16.into(), &8.into())
    );
    assert_eq!(golden::numbers(&network["range"]), [-1.0, 1.0]);
    let other = json_of(&sandbox, &["fid", "real", "fake", "--model", &model, "--range", "0,1", "--json"]);
    assert_ne!(other["value"], by_metadata["value"]);
    draw_folder(&sandbox, "large", 6, 32, 0);
    let error = refused(&sandbox, &["fid", "real", "large", "--model", &model]).stderr;
    assert!(error.contains("large/000.png") && error.contains("32x32") && error.contains("16x16"), "{error}");
    let scaled =
        json_of(&sandbox, &["fid", "real", "large", "--model", &model, "--resize", "pil-bicubic", "--json"]);
    let codes: Vec<_> =
        scaled["warnings"].as_array().into_iter().flatten().map(|w| w["code"].clone()).collect();
    assert!(codes.contains(&"resolution-mismatch".into()), "{codes:?}");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn what_makes_a_score_doubtful_is_said_as_data() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 40, 0);
    draw_folder(&sandbox, "fake", 5, 40, 20);
    save(&sandbox.path("fake/900.jpg"), &waves(77, 60, 33));
    let finished =
        pgeval(&sandbox, &words(&with_network(&["fid", "real", "fake", "--json"], "tf1-bilinear")));
    let result: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let codes: Vec<_> =
        result["warnings"].as_array().into_iter().flatten().map(|w| w["code"].clone()).collect();
    assert_eq!(codes, ["mixed-sizes", "mixed-encodings", "few-images", "few-images"]);
    for text in [
        "has images of 2 sizes (5 of 40x40, 1 of 60x33)",
        "mixes lossless and lossy files",
        "REAL has 6 images for 64 features",
    ] {
        assert!(finished.stderr.contains(text), "{text} not in {}", finished.stderr);
    }
    assert_eq!(result["counts"]["fake"], 6);
    // Brought to one size before the network, if that is asked for.
    let fitted = run(&sandbox, &["fid", "real", "fake", "--fit", "crop", "--resolution", "32"]);
    assert_ne!(fitted["value"], result["value"]);
    assert_eq!(fitted["protocol"]["network"]["fit"], "crop");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn datasets_that_were_not_prepared_alike_are_warned_of() {
    let sandbox = Sandbox::new();
    for (name, filter) in [("a", "box"), ("b", "lanczos"), ("c", "box")] {
        pack(&sandbox, name, json!({ "settings": { "filter": filter, "preset": "celeba" } }));
    }
    run(&sandbox, &["stats", "a", "--no-swd", "-o", "a.pgstats"]);
    let warned = |real: &str, fake: &str| {
        let result = run(&sandbox, &["fid", real, fake]);
        let warnings = result["warnings"].as_array().cloned().unwrap_or_default();
        let found = warnings.into_iter().find(|warning| warning["code"] == "different-preprocessing");
        found.map(|warning| warning["text"].to_string())
    };
    for real in ["a", "a.pgstats"] {
        let text = warned(real, "b").expect("a warning");
        assert!(text.contains("box") && text.contains("lanczos") && text.contains("filter"), "{text}");
        assert_eq!(warned(real, "c"), None);
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn wrong_models_are_refused_with_what_was_expected() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 16, 0);
    let bare = fixture("tiny_inception.onnx");
    let told =
        |more: &[&str]| refused(&sandbox, &[&["fid", "real", "real", "--model"], more].concat()).stderr;
    let error = told(&[&bare]);
    for flag in [
        "--input-size",
        "--resize RECIPE (pg.resize)",
        "--range LO,HI (pg.range)",
        "--features NAME (pg.features)",
    ] {
        // Its input has a fixed size.
        assert_eq!(error.contains(flag), flag != "--input-size", "{flag} in {error}");
    }
    let fed =
        [&[bare.as_str(), "--resize", "none", "--range", "0,255", "--features"][..], &["pool_3"]].concat();
    assert!(told(&fed).contains("has no output \"pool_3\"; its outputs are: features, logits"));
    let sized = with_network(&["fid", "real", "real"], "tf1-bilinear");
    let sized: Vec<&str> =
        words(&sized).into_iter().map(|word| if word == "299" { "64" } else { word }).collect();
    let error = refused(&sandbox, &sized).stderr;
    assert!(error.contains("[N, 3, 64, 64]") && error.contains("299"), "{error}");
    sandbox.write("text.onnx", b"not a model");
    assert!(told(&["text.onnx"]).contains("is no ONNX model"));
    assert!(told(&["absent.onnx"]).contains("read model absent.onnx"));
    let error = told(&[&bare, "--onnxruntime", "absent"]);
    assert!(
        error.contains("--onnxruntime absent does not exist") && error.contains("pip install onnxruntime"),
        "{error}"
    );
    let error = refused(&sandbox, &["fid", "real", "real"]).stderr;
    assert!(error.contains("give --model M.onnx"), "{error}");
    let no_scores = with_network(&["is", "real"], "tf1-bilinear");
    let no_scores: Vec<&str> =
        words(&no_scores).into_iter().filter(|word| !["--logits", "logits"].contains(word)).collect();
    assert!(refused(&sandbox, &no_scores).stderr.contains("--logits NAME (pg.logits)"));
    let model = golden::fixture("onnx/tiny_features.onnx").display().to_string();
    let cuda = pgeval(&sandbox, &["fid", "real", "real", "--model", &model, "--provider", "cuda"]);
    // A machine that has one may use it.
    if cuda.status != 0 {
        assert!(cuda.status == 2 && cuda.stderr.contains("cuda:0 cannot run models here"), "{}", cuda.stderr);
    }
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn a_registry_tells_how_a_known_model_is_fed() {
    let sandbox = Sandbox::new();
    let sha256 = "583bd495433002c2";
    let model = fixture("tiny_inception.onnx");
    let found = run(&sandbox, &["fid", &fixture("real"), &fixture("fake")]);
    let whole = found["protocol"]["network"]["sha256"].as_str().unwrap_or_default().to_owned();
    assert!(whole.starts_with(sha256), "{whole}");
    let recipe =
        "{ input_size = 299, resize = \"tf1-bilinear\", range = \"0,255\", features = \"features\" }";
    let registry = format!(
        "[[model]]\nname = \"tiny\"\nsha256 = \"{whole}\"\nrecipe = {recipe}\ncomparable = [{{ resize = \"tf1-bilinear\", range = \"0,255\", whose = \"a paper\" }}]\n"
    );
    sandbox.write("models.toml", registry);
    let (real, fake) = (fixture("real"), fixture("fake"));
    let command = ["fid", &real, &fake, "--model", &model, "--models", "models.toml", "--json"];
    let known = json_of(&sandbox, &command);
    assert_eq!(known["value"], found["value"]);
    assert_eq!(known["protocol"]["network"]["comparable_with"], "a paper");
    let other = json_of(&sandbox, &[&command[..], &["--resize", "pil-bicubic"]].concat());
    assert_eq!(other["warnings"][0]["code"], "unpublished-recipe");
    sandbox.write("models.toml", "[[model]]\nname = 3\n");
    let error = refused(&sandbox, &command).stderr;
    assert!(error.contains("--models models.toml is no registry of models"), "{error}");
}

#[test]
fn flags_of_a_network_are_checked_without_one() {
    let sandbox = Sandbox::new();
    for (arguments, expected) in [
        (&["--resize", "bicubic"][..], "expected one of tf1-bilinear"),
        (&["--range", "1,0"], "two rising numbers"),
        (&["--input-size", "0"], "from 1 to 8192"),
        (&["--provider", "gpu"], "expected cpu, cuda or cuda:N"),
        (&["--batch", "0"], "at least 1"),
    ] {
        let command = [&["fid", "a", "b", "--model", "m.onnx"], arguments].concat();
        let error = refused(&sandbox, &command).stderr;
        assert!(error.contains(expected), "{error}");
    }
}
