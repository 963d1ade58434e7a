//! Damaged files never do more than give an error: bytes changed, cut off, repeated, anywhere.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::path::{Path, PathBuf};

use pg_image::files::DecodeLimits;
use pg_sources::{Source, SourceFormat, labels_from_file};
use pg_testkit::golden::fixture;
use proptest::prelude::*;

/// What happens to a file.
#[derive(Debug, Clone)]
enum Damage {
    /// The byte at this part of the length becomes another one.
    Change(f64, u8),
    /// The rest behind this part of the length is lost.
    Cut(f64),
    /// Bytes from one place overwrite those at another.
    Copy(f64, f64, usize),
}

fn place() -> impl Strategy<Value = f64> {
    // Headers matter most: half of the places are in the first hundredth.
    prop_oneof![0.0..1.0, 0.0..0.01]
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        1 => place().prop_map(Damage::Cut),
        1 => (place(), place(), 1_usize..64).prop_map(|(from, to, n)| Damage::Copy(from, to, n)),
    ];
    proptest::collection::vec(one, 1..6)
}

fn apply(bytes: &mut Vec<u8>, damage: &[Damage]) {
    for one in damage {
        let at = |part: f64| ((bytes.len() as f64 * part) as usize).min(bytes.len().saturating_sub(1));
        match *one {
            Damage::Change(part, byte) => {
                let at = at(part);
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = byte;
                }
            }
            Damage::Cut(part) => {
                let at = at(part);
                bytes.truncate(at);
            }
            Damage::Copy(from, to, n) => {
                let (from, to) = (at(from), at(to));
                let n = n.min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + n, to);
            }
        }
    }
}

/// Opens and reads all there is; errors are fine.
fn read_all(path: &Path, format: SourceFormat) {
    let limits = DecodeLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
    let _ = SourceFormat::detect(path);
    let Ok(source) = Source::open_as(path, format) else { return };
    for index in 0..source.items().len() {
        let _ = source.read(index, &limits);
    }
    if let Ok(Some(labels)) = source.labels() {
        assert_eq!(labels.len(), source.items().len());
    }
}

/// Damages one file of a copy of the fixture and reads it.
fn survives(folder: &str, file: &str, format: SourceFormat, damage: &[Damage]) {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(folder)).unwrap().flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let path = copy.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    apply(&mut bytes, damage);
    fs::write(&path, bytes).unwrap();
    read_all(copy.path(), format);
}

/// Damages a copy of a fixture that is one file and reads it.
fn one_file_survives(bytes: &[u8], format: SourceFormat, damage: &[Damage]) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("damaged");
    let mut bytes = bytes.to_vec();
    apply(&mut bytes, damage);
    fs::write(&path, bytes).unwrap();
    read_all(&path, format);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_tfrecords_are_no_harm(damage in damage()) {
        survives("lod/tfr", "tfr-r06.tfrecords", SourceFormat::Tfrecord, &damage);
        survives("lod/tfr", "tfr-rxx.labels", SourceFormat::Tfrecord, &damage);
    }

    #[test]
    fn damaged_databases_are_no_harm(damage in damage()) {
        survives("sources/lsun_lmdb", "data.mdb", SourceFormat::Lmdb, &damage);
    }

    #[test]
    fn damaged_cifar_files_are_no_harm(damage in damage()) {
        survives("sources/cifar10_binary", "data_batch_1.bin", SourceFormat::Cifar, &damage);
        survives("sources/cifar10_python", "data_batch_1", SourceFormat::Cifar, &damage);
        survives("sources/cifar10_python", "batches.meta", SourceFormat::Cifar, &damage);
        survives("sources/cifar100_python", "train", SourceFormat::Cifar, &damage);
    }

    #[test]
    fn damaged_archives_are_no_harm(damage in damage()) {
        let archive = fs::read(fixture("sources/cifar10_python.tar.gz")).unwrap();
        one_file_survives(&archive, SourceFormat::Cifar, &damage);
        let archive = fs::read(fixture("sources/stylegan.zip")).unwrap();
        one_file_survives(&archive, SourceFormat::Zip, &damage);
    }

    #[test]
    fn damaged_mnist_files_are_no_harm(damage in damage()) {
        survives("sources/mnist", "train-images-idx3-ubyte.gz", SourceFormat::Mnist, &damage);
        survives("sources/mnist", "train-labels-idx1-ubyte.gz", SourceFormat::Mnist, &damage);
    }

    #[test]
    fn damaged_label_files_are_no_harm(damage in damage()) {
        let source = Source::open(&fixture("sources/stylegan.zip")).unwrap();
        let json = r#"{"labels": [["00000/img00000000.png", 2], ["00000/img00000001.png", [1.5, 2]]]}"#;
        for text in [json, "file,label\n00000/img00000000.png,cat\n00000/img00000001.png,\"dog\"\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut bytes = text.as_bytes().to_vec();
            apply(&mut bytes, &damage);
            fs::write(file.path(), bytes).unwrap();
            let _ = labels_from_file(file.path(), source.items());
        }
    }

    #[test]
    fn any_bytes_at_all_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in SourceFormat::ALL {
            if format != SourceFormat::Folder {
                one_file_survives(&bytes, format, &[]);
            }
        }
    }
}
