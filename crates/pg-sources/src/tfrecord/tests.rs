use super::*;
use crate::Source;
use pg_testkit::golden::{fixture, json, picture};

fn pixels(source: &Source, index: usize) -> Raster {
    match source.read(index, &DecodeLimits::default()).unwrap() {
        Content::Pixels(raster) => raster,
        Content::Encoded(_) => panic!("pixels are expected"),
    }
}

#[test]
fn every_level_of_the_authors_exporter_is_read() {
    for (level, side) in [(2, 4), (3, 8), (4, 16), (5, 32), (6, 64)] {
        let source = Source::open(&fixture(&format!("lod/tfr/tfr-r0{level}.tfrecords"))).unwrap();
        assert_eq!(source.items().len(), 2);
        for image in 0..2 {
            let expected = picture(&format!("lod/img{image}_lod_{side}.png"));
            assert_eq!(Planar::from_raster(&pixels(&source, image)).data(), expected.data, "{side}");
        }
    }
}

#[test]
fn a_folder_gives_its_finest_level_and_its_labels() {
    let source = Source::open(&fixture("lod/tfr")).unwrap();
    assert_eq!(source.items()[1].name, "tfr-r06.tfrecords/000001");
    assert_eq!(pixels(&source, 0).width(), 64);
    let labels = source.labels().unwrap().unwrap();
    assert_eq!((labels.len(), labels.names().len()), (2, 4));
    assert!((0..2).all(|i| crate::one_hot_class(&labels.row(i).unwrap()).is_some()));
}

#[test]
fn records_are_framed_as_the_authors_exporter_frames_them() {
    let expected = json("lod/expected.json");
    for (name, file) in expected["files"].as_object().unwrap() {
        let opened = PositionedFile::open(&fixture(&format!("lod/tfr/{name}"))).unwrap();
        for (frame, record) in frames(&opened).unwrap().into_iter().zip(file["record"].as_array().unwrap()) {
            let data = read(&opened, frame).unwrap();
            assert_eq!(Some(frame.length), record["length"].as_u64());
            assert_eq!(
                Some(u64::from(framing::masked_crc(&frame.length.to_le_bytes()))),
                record["len_crc"].as_u64()
            );
            assert_eq!(Some(u64::from(framing::masked_crc(&data))), record["data_crc"].as_u64());
        }
    }
}

#[test]
fn what_is_exported_is_read_back_and_has_the_authors_length() {
    let folder = tempfile::tempdir().unwrap();
    let side = Resolution::new(64).unwrap();
    let path = folder.path().join(TfRecordFile::<Vec<u8>>::file_name("set", side));
    let original = Source::open(&fixture("lod/tfr")).unwrap();
    let mut bytes = Vec::new();
    let mut file = TfRecordFile::new(&mut bytes, 3, side);
    for image in 0..2 {
        file.push(Planar::from_raster(&pixels(&original, image)).data()).unwrap();
    }
    assert!(file.push(&[0; 12]).is_err());
    assert_eq!(bytes.len(), 24_686);
    std::fs::write(&path, bytes).unwrap();
    let mut labels = Vec::new();
    TfRecordFile::write_labels(&mut labels, &original.labels().unwrap().unwrap()).unwrap();
    std::fs::write(folder.path().join(labels_file_name("set")), labels).unwrap();
    let source = Source::open(folder.path()).unwrap();
    assert_eq!((pixels(&source, 0), pixels(&source, 1)), (pixels(&original, 0), pixels(&original, 1)));
    assert_eq!(source.labels().unwrap(), original.labels().unwrap());
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let whole = std::fs::read(fixture("lod/tfr/tfr-r02.tfrecords")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let all_read = |bytes: &[u8]| {
        std::fs::write(file.path(), bytes).unwrap();
        let opened = open(file.path())?;
        (0..opened.items.len())
            .try_for_each(|i| opened.collection.read(i, &DecodeLimits::default()).map(drop))
    };
    assert!(all_read(&whole).is_ok());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(matches!(all_read(&changed), Err(SourceError::Damaged { .. })), "bit {bit} of byte {at}");
        }
        let at_a_record = at % 98 == 0;
        assert_eq!(all_read(&whole[..at]).is_ok(), at_a_record, "cut to {at} of {} bytes", whole.len());
    }
}

#[test]
fn two_datasets_in_a_folder_and_labels_of_other_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a-r02.tfrecords", "b-r03.tfrecords"] {
        std::fs::copy(fixture("lod/tfr/tfr-r02.tfrecords"), folder.path().join(name)).unwrap();
    }
    let error = Source::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("several datasets (a, b): name one file"), "{error}");
    let mut labels = Vec::new();
    npy::write(&mut labels, 3, 1, [1.0; 3].into_iter()).unwrap();
    std::fs::write(folder.path().join("a-rxx.labels"), labels).unwrap();
    let source = Source::open(&folder.path().join("a-r02.tfrecords")).unwrap();
    let error = source.labels().unwrap_err().to_string();
    assert!(
        error.contains("a-rxx.labels cannot be used: 3 rows, expected one for each of 2 images"),
        "{error}"
    );
}

#[test]
fn limits_hold() {
    let source = Source::open(&fixture("lod/tfr")).unwrap();
    let limits = DecodeLimits { max_bytes: 1000, ..DecodeLimits::default() };
    assert!(matches!(source.read(0, &limits), Err(SourceError::Files(FilesError::TooManyBytes { .. }))));
}
