use std::fs;
use std::path::Path;

use pg_testkit::onnx_file::{bytes_field, external_tensor, integer_field, model_of_initializer};
use proptest::prelude::*;

use super::external_tensors::{ExternalTensor, WalkError, external_tensors};
use super::*;

const ENTRIES: [(&str, &str); 3] = [("location", "w.data"), ("offset", "8"), ("length", "4")];

fn attribute_of(number: u64, content: &[u8]) -> Vec<u8> {
    bytes_field(5, &bytes_field(number, content))
}

/// A graph with one node whose attribute holds `content` in its field `number`.
fn graph_of_attribute(number: u64, content: &[u8]) -> Vec<u8> {
    bytes_field(1, &attribute_of(number, content))
}

fn model_of_graph(graph: &[u8]) -> Vec<u8> {
    bytes_field(7, graph)
}

/// Every place of a model where a tensor can stand, and a model with `tensor` there.
fn places(tensor: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let initializer = bytes_field(5, tensor);
    let in_attribute = |number, content: &[u8]| model_of_graph(&graph_of_attribute(number, content));
    let half = |number| bytes_field(number, tensor);
    let mut deep = initializer.clone();
    for _ in 0..30 {
        deep = graph_of_attribute(6, &deep);
    }
    let (start, end) = tensor.split_at(tensor.len() - 2);
    let split = [bytes_field(5, start), bytes_field(5, end)].concat();
    vec![
        ("initializer", model_of_graph(&initializer)),
        ("attribute of a node (Constant)", in_attribute(5, tensor)),
        ("attribute of a node, in two pieces", model_of_graph(&bytes_field(1, &bytes_field(5, &split)))),
        ("list of tensors in an attribute", in_attribute(10, tensor)),
        ("initializer of a graph in an attribute (If)", in_attribute(6, &initializer)),
        ("initializer of a list of graphs in an attribute", in_attribute(11, &initializer)),
        ("constant in the body of a Loop", in_attribute(6, &graph_of_attribute(5, tensor))),
        ("thirty graphs deep", model_of_graph(&deep)),
        ("values of a sparse initializer", model_of_graph(&bytes_field(15, &half(1)))),
        ("indices of a sparse initializer", model_of_graph(&bytes_field(15, &half(2)))),
        ("values of a sparse tensor in an attribute", in_attribute(22, &half(1))),
        ("indices in a list of sparse tensors", in_attribute(23, &half(2))),
        ("constant in a function", bytes_field(25, &bytes_field(7, &attribute_of(5, tensor)))),
        ("default of an attribute of a function", bytes_field(25, &bytes_field(11, &bytes_field(5, tensor)))),
        ("body of an If in a function", bytes_field(25, &bytes_field(7, &attribute_of(6, &initializer)))),
        ("initialisation of training", bytes_field(20, &bytes_field(1, &initializer))),
        ("algorithm of training", bytes_field(20, &bytes_field(2, &initializer))),
    ]
}

#[test]
fn a_tensor_outside_is_found_wherever_it_stands() {
    let tensor = external_tensor("w", &ENTRIES);
    for (place, model) in places(&tensor) {
        let expected = ExternalTensor {
            name: "w".to_owned(),
            location: "w.data".to_owned(),
            offset: 8,
            length: Some(4),
            sha1: None,
            says_more: false,
        };
        assert_eq!(external_tensors(&model), Ok(vec![expected]), "{place}");
    }
}

#[test]
fn a_tensor_inside_is_not_taken_for_one_outside_wherever_it_stands() {
    // With entries left over from before its values came inside: only the place counts.
    let entry = [bytes_field(1, b"location"), bytes_field(2, b"w.data")].concat();
    for place in [integer_field(14, 0), Vec::new()] {
        let tensor = [bytes_field(8, b"w"), bytes_field(13, &entry), place].concat();
        for (place, model) in places(&[tensor, bytes_field(9, &[0; 8])].concat()) {
            assert_eq!(external_tensors(&model), Ok(Vec::new()), "{place}");
        }
    }
}

#[test]
fn entries_that_cannot_be_read_are_refused_with_the_tensor_s_name() {
    for (entries, expected) in [
        (&[("offset", "8")][..], "no entry says in which file it lies"),
        (&[("location", "")], "no entry says in which file it lies"),
        (&[("location", "a"), ("offset", "-1")], "its offset is \"-1\", expected a number of bytes"),
        (&[("location", "a"), ("length", "4k")], "its length is \"4k\", expected a number of bytes"),
        (&[("location", "a"), ("location", "b")], "it has two entries called location"),
    ] {
        let found = external_tensors(&model_of_initializer(&external_tensor("w", entries)));
        assert_eq!(found, Err(WalkError::Entry { tensor: "w".to_owned(), detail: expected.to_owned() }));
    }
    let endless = (0..40).fold(Vec::new(), |graph, _| graph_of_attribute(6, &graph));
    assert_eq!(external_tensors(&model_of_graph(&endless)), Err(WalkError::TooDeep));
    assert_eq!(external_tensors(b"# no model\n"), Err(WalkError::Malformed));
}

/// Writes a model that refers to `w.data` by `entries`, and that file, to a folder.
fn write(folder: &Path, entries: &[&[(&str, &str)]], weights: &[u8]) -> PathBuf {
    let tensors: Vec<u8> =
        entries.iter().flat_map(|entries| bytes_field(5, &external_tensor("w", entries))).collect();
    let model = folder.join("net.onnx");
    fs::write(&model, bytes_field(7, &tensors)).unwrap();
    fs::write(folder.join("w.data"), weights).unwrap();
    model
}

fn identity(path: &Path) -> String {
    ModelFile::read(path).unwrap().sha256().to_owned()
}

/// What [`ModelFile`] documents, byte by byte.
fn slow_identity(onnx: &[u8], location: &str, tensors: &[(u64, u64)], weights: &[u8]) -> String {
    let mut is_used = vec![false; weights.len()];
    for &(offset, length) in tensors {
        is_used[offset as usize..(offset + length) as usize].fill(true);
    }
    let mut ranges: Vec<(u64, Vec<u8>)> = Vec::new();
    for (at, (&used, &byte)) in is_used.iter().zip(weights).enumerate() {
        let goes_on = at > 0 && is_used[at - 1];
        match ranges.last_mut() {
            Some(last) if used && goes_on => last.1.push(byte),
            _ if used => ranges.push((at as u64, vec![byte])),
            _ => {}
        }
    }
    let mut text = b"pgkit: ONNX file with weights outside, 1\n".to_vec();
    text.extend(Sha256::digest(onnx));
    text.extend((location.len() as u64).to_le_bytes());
    text.extend(location.bytes());
    text.extend((ranges.len() as u64).to_le_bytes());
    for (start, bytes) in ranges {
        text.extend(start.to_le_bytes());
        text.extend((bytes.len() as u64).to_le_bytes());
        text.extend(bytes);
    }
    hex(&Sha256::digest(text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_identity_is_the_documented_one(
        weights in prop::collection::vec(any::<u8>(), 1..300),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
    ) {
        // At least one byte each: no length means to the end of the file.
        let places: Vec<(u64, u64)> = places
            .iter()
            .map(|(start, length)| {
                let start = start.index(weights.len());
                (start as u64, 1 + length.index(weights.len() - start) as u64)
            })
            .collect();
        let texts: Vec<[String; 2]> = places.iter().map(|(o, l)| [o.to_string(), l.to_string()]).collect();
        let entries: Vec<Vec<(&str, &str)>> = texts
            .iter()
            .map(|[offset, length]| vec![("location", "./w.data"), ("offset", offset), ("length", length)])
            .collect();
        let entries: Vec<&[(&str, &str)]> = entries.iter().map(Vec::as_slice).collect();
        let folder = tempfile::tempdir().unwrap();
        let model = write(folder.path(), &entries, &weights);
        let expected = slow_identity(&fs::read(&model).unwrap(), "w.data", &places, &weights);
        prop_assert_eq!(identity(&model), expected);
    }
}

#[test]
fn weights_of_several_chunks_are_hashed_to_their_last_byte() {
    let weights: Vec<u8> = (0..2_600_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let places = [(5_u64, 1_048_576_u64), (1_500_000, 1_000_000)];
    let folder = tempfile::tempdir().unwrap();
    let entries = places.map(|(offset, length)| [offset.to_string(), length.to_string()]);
    let entries = entries
        .each_ref()
        .map(|[offset, length]| [("location", "w.data"), ("offset", offset), ("length", length)]);
    let model = write(folder.path(), &[&entries[0], &entries[1]], &weights);
    let onnx = fs::read(&model).unwrap();
    assert_eq!(identity(&model), slow_identity(&onnx, "w.data", &places, &weights));
    // Without a length, to the end; and where more is said about the file, all of it.
    let model = write(folder.path(), &[&[("location", "w.data"), ("offset", "2000000")]], &weights);
    let onnx = fs::read(&model).unwrap();
    assert_eq!(identity(&model), slow_identity(&onnx, "w.data", &[(2_000_000, 600_000)], &weights));
    let model = write(folder.path(), &[&[("location", "w.data"), ("prepacked_0", "k|0;8;ab")]], &weights);
    let onnx = fs::read(&model).unwrap();
    assert_eq!(identity(&model), slow_identity(&onnx, "w.data", &[(0, 2_600_000)], &weights));
}

#[test]
fn a_model_in_one_file_has_the_plain_sha_256_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    // `printf '' | sha256sum`; an empty file is a model without a graph.
    fs::write(&path, b"").unwrap();
    assert_eq!(identity(&path), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let fixture = pg_testkit::golden::fixture("fid/e2e/tiny_inception.onnx");
    assert_eq!(&identity(&fixture)[..16], "583bd495433002c2");
    assert_eq!(ModelFile::read(&fixture).unwrap().weights().count(), 0);
}

#[test]
fn the_identity_follows_the_weights_and_not_the_folder() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = write(one.path(), &[&ENTRIES], b"0123456789abcdef");
    let expected = identity(&first);
    // Another folder, another name of the ONNX file, and bytes that no tensor refers to.
    let elsewhere = write(two.path(), &[&ENTRIES], b"________89ab____more");
    let renamed = two.path().join("other.onnx");
    fs::rename(&elsewhere, &renamed).unwrap();
    assert_eq!(identity(&renamed), expected);
    // One bit of a weight.
    fs::write(two.path().join("w.data"), b"0123456799ab").unwrap();
    assert_ne!(identity(&renamed), expected);
}

#[test]
fn weights_that_are_missing_or_too_short_are_refused_by_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let model = write(folder.path(), &[&ENTRIES], b"0123456789a");
    let error = ModelFile::read(&model).unwrap_err().to_string();
    let file = folder.path().join("w.data");
    assert!(error.contains(&format!("cannot read `{}`", file.display())), "{error}");
    assert!(
        error.contains("tensor \"w\"") && error.contains("ends at byte 12, but the file has 11"),
        "{error}"
    );
    for entries in [
        [("location", "w.data"), ("offset", "12")],
        [("location", "w.data"), ("length", "18446744073709551615")],
    ] {
        let model = write(folder.path(), &[&entries], b"0123456789a");
        assert!(matches!(ModelFile::read(&model), Err(OnnxError::WeightsTooShort { .. })), "{entries:?}");
    }
    fs::remove_file(&file).unwrap();
    let missing = ModelFile::read(&model).unwrap_err();
    let error = missing.to_string();
    assert!(matches!(missing, OnnxError::WeightsUnreadable { .. }), "{error}");
    assert!(error.contains(&file.display().to_string()) && error.contains("keep both files"), "{error}");
    fs::create_dir(&file).unwrap();
    assert!(matches!(ModelFile::read(&model), Err(OnnxError::WeightsUnreadable { .. })));
}

#[test]
fn weights_outside_the_folder_of_the_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("w.data"), [0; 16]).unwrap();
    let absolute = folder.path().join("w.data").display().to_string();
    for location in [
        "../w.data",
        "a/../../w.data",
        &absolute,
        "/",
        "..",
        ".",
        "C:\\w.data",
        "C:w.data",
        "a\\b",
        "\\\\host\\w",
    ] {
        let model = write(&inner, &[&[("location", location)]], b"here");
        let error = ModelFile::read(&model).unwrap_err();
        assert!(matches!(error, OnnxError::WeightsOutside { .. }), "{location}: {error}");
        assert!(error.to_string().contains(&format!("`{location}`")), "{error}");
        assert!(matches!(ModelFile::locations(&model), Err(OnnxError::WeightsOutside { .. })));
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_folder_and_beside_the_file_that_the_model_is_a_link_to() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let (blobs, model) = (folder.path().join("blobs"), folder.path().join("snapshots/main"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&model).unwrap();
    write(&blobs, &[&ENTRIES], b"0123456789abcdef");
    // As in caches of downloads: both files are links to where all files lie under names of their own.
    fs::rename(blobs.join("net.onnx"), blobs.join("1a2b")).unwrap();
    fs::rename(blobs.join("w.data"), blobs.join("3c4d")).unwrap();
    symlink("../../blobs/1a2b", model.join("net.onnx")).unwrap();
    symlink("../../blobs/3c4d", model.join("w.data")).unwrap();
    let linked = identity(&model.join("net.onnx"));
    let plain = write(&model.join(".."), &[&ENTRIES], b"0123456789abcdef");
    assert_eq!(identity(&plain), linked);
    // A model that is a file itself, with weights that lead away.
    fs::remove_file(model.join("net.onnx")).unwrap();
    fs::copy(blobs.join("1a2b"), model.join("net.onnx")).unwrap();
    let error = ModelFile::read(&model.join("net.onnx")).unwrap_err();
    assert!(matches!(error, OnnxError::WeightsOutside { .. }), "{error}");
}

#[test]
fn a_checksum_in_the_model_is_held_against_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    // `printf 0123456789abcdef | sha1sum`
    let right = "fe5567e8d769550852182cdf69d74bb16dff8e29";
    let with = |sha1: &'static str| [ENTRIES[0], ENTRIES[1], ENTRIES[2], ("checksum", sha1)];
    let model = write(folder.path(), &[&with(right)], b"0123456789abcdef");
    assert_eq!(identity(&model).len(), 64);
    let upper =
        write(folder.path(), &[&with("FE5567E8D769550852182CDF69D74BB16DFF8E29")], b"0123456789abcdef");
    assert_eq!(identity(&upper).len(), 64);
    let model = write(folder.path(), &[&with(right)], b"0123456789abcdeF");
    let error = ModelFile::read(&model).unwrap_err().to_string();
    assert!(error.contains(&format!("expected SHA-1 {right}, found ")), "{error}");
}

#[test]
fn weights_that_are_written_again_after_they_were_hashed_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let model = ModelFile::read(&write(folder.path(), &[&ENTRIES], b"0123456789abcdef")).unwrap();
    model.check_unchanged().unwrap();
    fs::write(folder.path().join("w.data"), b"0123456789abcdefg").unwrap();
    assert!(matches!(model.check_unchanged(), Err(OnnxError::Changed { .. })));
    fs::remove_file(folder.path().join("w.data")).unwrap();
    assert!(matches!(model.check_unchanged(), Err(OnnxError::Changed { .. })));
    let path = write(folder.path(), &[&ENTRIES], b"0123456789abcdef");
    let model = ModelFile::read(&path).unwrap();
    fs::write(&path, b"").unwrap();
    let error = model.check_unchanged().unwrap_err().to_string();
    assert!(error.contains(&format!("`{}`", path.display())), "{error}");
}

#[test]
fn files_that_are_no_onnx_are_refused_before_anything_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    for (content, expected) in
        [(&b"# a text\n"[..], "malformed"), (b"\x1c\0\0\0ORTM\0\0\0\0", "ONNX Runtime's own format")]
    {
        fs::write(&path, content).unwrap();
        let error = ModelFile::read(&path).unwrap_err();
        assert!(matches!(error, OnnxError::NotAModel { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(matches!(ModelFile::read(folder.path()), Err(OnnxError::ModelUnreadable { .. })));
    // Longer than any protocol buffer; sparse, so that it takes no room.
    File::create(&path).unwrap().set_len(1 << 31).unwrap();
    let error = ModelFile::read(&path).unwrap_err();
    assert!(error.to_string().contains("less than 2 GiB"), "{error}");
}
