use super::*;
use crate::Source;
use pg_testkit::golden::fixture;

/// The formula that the fixtures' generator makes pixels by.
fn value(image: usize, channel: usize, y: usize, x: usize) -> u8 {
    (image * 31 + channel * 85 + y * 7 + x * 3) as u8
}

#[track_caller]
fn assert_images(source: &Source, count: usize) {
    assert_eq!(source.items().len(), count);
    for image in 0..count {
        let Content::Pixels(raster) = source.read(image, &DecodeLimits::default()).unwrap() else {
            panic!("pixels are expected");
        };
        assert_eq!((raster.width(), raster.height(), raster.channels()), (SIDE, SIDE, 3));
        for (i, &found) in raster.data().iter().enumerate() {
            let (y, x, channel) = (i / 3 / SIDE, i / 3 % SIDE, i % 3);
            assert_eq!(found, value(image, channel, y, x), "image {image} at {x},{y}");
        }
    }
}

#[test]
fn all_versions_of_cifar_10_hold_the_same_images_and_classes() {
    for path in [
        "cifar10_binary",
        "cifar10_python",
        "cifar10_python.tar.gz",
        "cifar10_python_protocol2",
        "cifar10_python_protocol5",
    ] {
        let source = Source::open(&fixture(&format!("sources/{path}"))).unwrap();
        assert_images(&source, 6);
        let labels = source.labels().unwrap().unwrap();
        assert_eq!(
            (0..6).map(|i| labels.class(i).unwrap()).collect::<Vec<_>>(),
            [9, 2, 5, 8, 1, 4],
            "{path}"
        );
        let first_name = if path.contains("protocol") { "0" } else { "airplane" };
        assert_eq!((labels.names().len(), labels.names()[0].as_str()), (10, first_name), "{path}");
    }
}

#[test]
fn both_versions_of_cifar_100_hold_the_same_images_and_fine_classes() {
    for path in ["cifar100_binary", "cifar100_python"] {
        let source = Source::open(&fixture(&format!("sources/{path}"))).unwrap();
        assert_images(&source, 4);
        let labels = source.labels().unwrap().unwrap();
        assert_eq!((0..4).map(|i| labels.class(i).unwrap()).collect::<Vec<_>>(), [99, 0, 50, 7], "{path}");
        assert_eq!((labels.names().len(), labels.names()[99].as_str()), (100, "fine_99"), "{path}");
    }
}

#[test]
fn one_file_is_read_with_the_names_beside_it() {
    let source = Source::open(&fixture("sources/cifar10_binary/data_batch_2.bin")).unwrap();
    assert_eq!(source.items()[0].name, "data_batch_2.bin/00000");
    let labels = source.labels().unwrap().unwrap();
    assert_eq!((labels.len(), labels.class(0), labels.names()[8].as_str()), (3, Some(8), "ship"));
}

#[test]
fn damage_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let message = |bytes: Vec<u8>| {
        std::fs::write(folder.path().join("data_batch_1.bin"), bytes).unwrap();
        open(folder.path()).unwrap_err().to_string()
    };
    let mut records = vec![0; 2 * 3073];
    records[3073] = 10;
    assert!(
        message(records.clone())
            .contains("data_batch_1.bin is damaged at byte 3073: expected a class below 10, found 10")
    );
    records.pop();
    assert!(
        message(records)
            .contains("at byte 3073: expected records of 3073 bytes (CIFAR-10), found 3072 bytes")
    );
    assert!(message(Vec::new()).contains("found 0 bytes"));
    std::fs::write(folder.path().join("batches.meta.txt"), "cat\ndog\n").unwrap();
    assert!(message(vec![0; 3073]).contains("2 class names, expected 10"));
}

#[test]
fn pickles_of_other_things_are_refused() {
    let wrong = |bytes: &[u8]| read_pickle("train".to_owned(), bytes.to_vec()).unwrap_err().expected;
    assert!(wrong(b"\x80\x02}.").contains("labels or fine_labels"));
    assert!(wrong(b"\x80\x02}U\x06labels]K\x0aas.").contains("classes below 10"));
    assert!(wrong(b"\x80\x02}U\x06labels]s.").contains("with data"));
    assert!(wrong(b"\x80\x02}(U\x06labels]U\x04dataNu.").contains("an array of u8"));
    assert!(wrong(b"\x80\x02]").contains("more instructions"));
}
