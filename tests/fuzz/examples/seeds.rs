//! Writes the first inputs of every target to `corpus/TARGET`, from the repository's fixtures.

use std::fs;
use std::path::Path;

use fuzz::dataset::{CHANNELS, COLUMNS, IMAGES, Part, manifest};
use fuzz::{Folder, fixture};
use ndarray::{Array1, Array2};
use pg_align::landmark_file::CSV_COLUMNS;
use pg_image::Planar;
use pg_metrics::{FeatureGaussian, SwdLayout, SwdSettings};
use pg_schedule::Preset;
use pg_shard::Codec;
use pg_shard::format::{compressed_header, index_path, labels_header, shard_header, shard_path};
use pg_stats::{StatsProtocol, StatsWriter, SwdProtocol, write_npz};
use serde_json::json;

/// Longer inputs slow the fuzzer down more than they help it.
const MAX_BYTES: usize = 128 << 10;

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("corpus can be written");
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    fs::write(folder.join(format!("seed-{}", name.replace('/', "-"))), bytes).expect("corpus can be written");
}

/// A fixture, behind `prefix`.
fn fixtures(target: &str, prefix: &[u8], names: &[&str]) {
    for name in names {
        let bytes = fs::read(fixture(name)).expect("the fixture is there");
        seed(target, name, &[prefix, &bytes].concat());
    }
}

fn landmarks() {
    let text = fs::read_to_string(fixture("align/list_landmarks.txt")).expect("the fixture is there");
    seed("landmark_file", "celeba.txt", text.as_bytes());
    let csv = format!("{CSV_COLUMNS}\na.png,40,50,60,50,50,60,42,70,58,70\nb.png,1,2,3.5,4,5,6,7,8,9,1e1\n");
    seed("landmark_file", "points.csv", csv.as_bytes());
    let points: Vec<[u32; 2]> = (0..68).map(|i| [i, 100 + i]).collect();
    let json = format!(
        "{{\"0\": {{\"in_the_wild\": {{\"file_path\": \"in-the-wild-images/0.png\", \"face_landmarks\": {points:?}}}}}}}"
    );
    seed("landmark_file", "ffhq.json", json.as_bytes());
}

fn datasets() {
    for part in [Part::Raw, Part::Compressed] {
        let files = [(index_path(0), 1), (shard_path(part.resolution(), 0), 400)];
        seed("manifest", &format!("{part:?}.json"), manifest(part, &files).to_string().as_bytes());
    }
    seed("manifest", "index.jsonl", br#"{"path":"a.png","blake3":"00","geometry":{}}"#);
    let raw =
        [shard_header(IMAGES, CHANNELS, Part::Raw.resolution()), vec![9; IMAGES * CHANNELS * 16]].concat();
    seed("shard", "raw", &[&[0][..], &raw].concat());
    let r = Part::Compressed.resolution();
    let mut data = Vec::new();
    let mut ends = vec![0_u64];
    for i in 0..IMAGES {
        let pixels: Vec<u8> = (0..CHANNELS * 1024).map(|at| (at * (i + 1) / 7) as u8).collect();
        data.extend(Codec::MedZstd.encode(&pixels, CHANNELS, r).expect("it is compressed"));
        ends.push(data.len() as u64);
    }
    data.resize(data.len().next_multiple_of(8), 0);
    let mut compressed = compressed_header(IMAGES, data.len() as u64);
    compressed.extend(&data);
    compressed.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
    seed("shard", "compressed", &[&[1][..], &compressed].concat());
    let labels = [labels_header(IMAGES, COLUMNS), vec![0; IMAGES * COLUMNS * 4]].concat();
    seed("shard", "labels", &[&[2][..], &labels].concat());
}

/// Statistics files, settings, lists of models, ONNX files.
fn evaluation() {
    let folder = Folder::new();
    let (file, npz) = (folder.path().join("a.pgstats"), folder.path().join("a.npz"));
    let layout = SwdLayout::new(16, &[16], &SwdSettings { patches_per_image: 2, ..SwdSettings::default() });
    let swd = SwdProtocol::new(&layout.expect("16 px can be described"), 1);
    let protocol = StatsProtocol { swd: Some(swd), network: None };
    let writer = StatsWriter::create(&file, protocol, 1, json!({})).expect("TMPDIR has room");
    writer.put(0, "a", &Planar::filled(3, 16, 16, 9), None).expect("an image of the protocol");
    writer.finish().expect("TMPDIR has room");
    seed("stats_file", "one.pgstats", &fs::read(file).expect("it was written"));
    let gaussian = FeatureGaussian { images: None, mean: Array1::zeros(2), covariance: Array2::eye(2) };
    write_npz(&npz, &gaussian).expect("TMPDIR has room");
    seed("npz_statistics", "two.npz", &fs::read(npz).expect("it was written"));
    seed("settings", "all.toml", Preset::PaperCelebahq.settings().to_toml().as_bytes());
    seed(
        "settings",
        "some.toml",
        b"preset = \"tiny\"\nminibatch = { default = 4, 8 = 16 }\nloss = \"hinge\"\n",
    );
    seed("model_list", "models.toml", include_bytes!("../../../crates/pg-onnx/models.toml"));
    for (name, bytes) in files_below(&fixture(""), "onnx") {
        seed("onnx_file", &name, &bytes);
    }
}

/// Files with an extension, anywhere below a folder.
fn files_below(folder: &Path, extension: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, fs::read(&path).expect("the fixture is there")));
        }
    }
    found
}

/// What a build, a part, a seal and a finished dataset leave.
fn builds() {
    let plan =
        r#"{"settings":{},"source_blake3":"00","items":5,"items_per_shard":2,"channels":3,"resolution":4}"#;
    let record =
        r#"{"images":2,"files":[{"path":"index/shard-00000.jsonl","bytes":0,"blake3":""}],"failed":[]}"#;
    let part = format!(
        r#"{{"format":"pgkit-part","format_version":1,"part":1,"parts":1,"plan":{plan},"levels":[4],"codec":"raw","label_names":null,"shards":[{{"shard":0,{}],"provenance":{{}}}}"#,
        &record[1..]
    );
    let zeros = "0".repeat(64);
    let seal = format!("{zeros}  dataset.json\n{zeros}  failed.jsonl\n");
    let failed = r#"{"path":"a.png","reason":"torn","bytes":7}"#;
    let whole = manifest(Part::Raw, &[(index_path(0), 1)]).to_string();
    for (which, text) in [plan, &part, &seal, failed, &whole, record].into_iter().enumerate() {
        seed("build_records", &which.to_string(), &[&[which as u8], text.as_bytes()].concat());
    }
}

/// The texts of a run's folder, and an event: version, wall time, step 3, a scalar under `Loss/D`.
fn runs() {
    let record = br#"{"dataset":"/d","dataset_fingerprint":"f","resolution":16,"threads":2,"provenance":{"tool":"pgtrain"}}"#;
    let state = br#"{"format_version":2,"images_shown":1000,"last_round_images_shown":936,"resolution":16,"image_channels":3,"label_size":0,"generator_steps":1,"discriminator_steps":1,"kept":true,"dataset_fingerprint":"f"}"#;
    let best = br#"{"metric":"swd","value":1.0,"images_shown":1000,"snapshot":"000001"}"#;
    let settings = b"resolution = 16\nminibatch = 8\n[learning_rate]\n4 = 0.001\n";
    let checksums = format!("{}  state.json\n", "0".repeat(64));
    let files: [&[u8]; 6] = [record, settings, best, state, settings, checksums.as_bytes()];
    for (which, text) in files.into_iter().enumerate() {
        seed("run_files", &which.to_string(), &[&[which as u8], text].concat());
    }
    let scalar = [&[10, 6][..], b"Loss/D", &[21, 0, 0, 128, 63]].concat();
    let summary = [&[10, scalar.len() as u8][..], &scalar].concat();
    let event = [&[9][..], &1.0_f64.to_le_bytes(), &[16, 3, 42, summary.len() as u8], &summary].concat();
    let masked = |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes();
    let length = (event.len() as u64).to_le_bytes();
    let record = [&length[..], &masked(&length), &event, &masked(&event)].concat();
    seed("event_files", "kept", &[&[5][..], &record, &record].concat());
    seed("event_files", "cut", &[&[2][..], &record, &record[..record.len() - 3]].concat());
}

fn main() {
    landmarks();
    datasets();
    evaluation();
    builds();
    fixtures("tfrecord_framing", b"", &["lod/tfr/tfr-r02.tfrecords", "lod/tfr/tfr-r03.tfrecords"]);
    let record = fs::read(fixture("lod/tfr/tfr-r02.tfrecords")).expect("the fixture is there");
    let length = usize::from(record[0]);
    seed("tfrecord_example", "r02", &record[12..12 + length]);
    fixtures("npy_labels", b"", &["lod/tfr/tfr-rxx.labels"]);
    let (images, labels) =
        ("sources/mnist/train-images-idx3-ubyte.gz", "sources/mnist/train-labels-idx1-ubyte.gz");
    fixtures("mnist", &[0], &[images]);
    fixtures("mnist", &[1], &[labels]);
    seed("mnist", "plain", &[0, 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]);
    seed("mnist", "plain-labels", &[1, 0, 0, 8, 1, 0, 0, 0, 2, 3, 9]);
    seed("cifar_binary", "ten", &[&[0, 4][..], &[50; 3072]].concat());
    seed("cifar_binary", "hundred", &[&[1, 4, 40][..], &[50; 3072]].concat());
    fixtures("cifar_binary", &[2], &["sources/cifar10_binary/batches.meta.txt"]);
    for folder in ["cifar10_python", "cifar10_python_protocol2", "cifar10_python_protocol5"] {
        fixtures("cifar_pickle", &[0], &[&format!("sources/{folder}/data_batch_1")]);
    }
    fixtures("cifar_pickle", &[1], &["sources/cifar100_python/train"]);
    fixtures("cifar_pickle", &[2], &["sources/cifar10_python/batches.meta"]);
    fixtures("cifar_archive", b"", &["sources/cifar10_python.tar.gz"]);
    fixtures("lmdb", b"", &["sources/lsun_lmdb/data.mdb"]);
    fixtures("zip_archive", b"", &["sources/stylegan.zip"]);
    seed("label_file", "classes.csv", b"file,label\na.png,cat\nb/c.png,\"dog\"\n");
    seed("label_file", "numbers.csv", b"file,age,smile\na.png,1,0.5\nb/c.png,2,-1e3\n");
    seed("label_file", "stylegan.json", br#"{"labels": [["a.png", 2], ["b/c.png", [1.5, 2]]]}"#);
    seed("attribute_answers", "odds.csv", b"\x02file,hair,glasses\ndrawn/000001.png,-1,3\n0, 2 ,-0.5\n");
    seed("attribute_answers", "shares.csv", b"\x03index,a\n0,0\n1,1\n2,0.75\n");
    let swd = r#"{"metric":"swd","value":12.5,"unit":"x1e-3","direction":"lower","levels":[{"resolution":32,"value":10.0}],"interval":{"level":0.95,"low":12.0,"high":13.5},"floor":{"value":1.0,"images":4,"comparable":true},"counts":{"real":4},"protocol":{"seed":0}}"#;
    seed("results", "one.json", swd.as_bytes());
    let all = format!(r#"{{"metrics":[{swd}],"failed":[{{"metric":"fid","reason":"torn"}}]}}"#);
    seed("results", "two.json", format!("{all}\0{swd}").as_bytes());
    runs();
    seed("aligning", "small", &[40; 51]);
    seed("image_file", "map.ppm", b"P6\n# made by hand\n2 1\n200\n\0\x01\x02\x03\x04\x05");
    seed("image_file", "map.pam", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\0\0\0\0");
    for extension in ["jpg", "png", "tif", "tiff", "avif"] {
        for (name, bytes) in files_below(&fixture("decoding"), extension) {
            seed("image_file", &name, &bytes);
        }
    }
}
