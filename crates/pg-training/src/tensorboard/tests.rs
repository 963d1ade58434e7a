//! The files are read back by a reader of their own: wire format and checksums written out once more.

use std::collections::BTreeMap;

use super::*;

/// CRC-32C bit by bit, reflected polynomial 0x82F63B78.
fn slow_crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

fn unmasked(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap()).wrapping_sub(0xA282_EAD8).rotate_left(15)
}

/// The data of all records, checksums checked.
fn read_records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at(12);
        assert_eq!(unmasked(&header[8..]), slow_crc32c(&header[..8]));
        let length = u64::from_le_bytes(header[..8].try_into().unwrap()) as usize;
        let (data, rest) = rest.split_at(length);
        let (footer, rest) = rest.split_at(4);
        assert_eq!(unmasked(footer), slow_crc32c(data));
        records.push(data.to_vec());
        bytes = rest;
    }
    records
}

/// A field's value: numbers as their bits.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Field {
    fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { panic!("{self:?}") }
    }

    fn bytes(&self) -> &[u8] {
        if let Self::Bytes(bytes) = self { bytes } else { panic!("{self:?}") }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&digit, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(digit & 0x7f) << shift;
        if digit & 0x80 == 0 {
            break;
        }
    }
    value
}

/// All fields of a message, by number, in order.
fn fields(mut bytes: &[u8]) -> BTreeMap<u64, Vec<Field>> {
    let mut found: BTreeMap<u64, Vec<Field>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |n: usize| {
            let (taken, rest) = bytes.split_at(n);
            bytes = rest;
            taken.to_vec()
        };
        let value = match key & 7 {
            1 => Field::Number(u64::from_le_bytes(take(8).try_into().unwrap())),
            5 => Field::Number(u32::from_le_bytes(take(4).try_into().unwrap()).into()),
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(taken.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        found.entry(key >> 3).or_default().push(value);
    }
    found
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// (step, tag, value) of every scalar in the folder, in the order of files and events.
fn scalars(folder: &Path) -> Vec<(u64, String, f32)> {
    let mut found = Vec::new();
    for file in event_files(folder) {
        for record in read_records(&std::fs::read(file).unwrap()) {
            let event = fields(&record);
            for summary in event.get(&5).into_iter().flatten() {
                for value in &fields(summary.bytes())[&1] {
                    let value = fields(value.bytes());
                    if let Some(number) = value.get(&2) {
                        let number = f32::from_bits(number[0].number() as u32);
                        found.push((event[&2][0].number(), value[&1][0].text(), number));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn scalars_and_pictures_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::new(folder.path(), 0);
    writer.scalars(300, 1_700_000_000.5, &[("Loss/D", -0.1), ("Loss/G", 2.0)]).unwrap();
    let png = [7; 300];
    let picture = EventPicture { width_px: 640, height_px: 48, channels: 3, png: &png };
    writer.picture(70_000, 1_700_000_001.0, "fakes", &picture).unwrap();

    for (step, tag, expected) in
        [(300, "Loss/", true), (300, "Metrics/", false), (70_000, "fakes", true), (70_001, "fakes", false)]
    {
        assert_eq!(EventWriter::new(folder.path(), 0).holds(step, tag).unwrap(), expected, "{tag} at {step}");
    }
    let files = event_files(folder.path());
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].file_name().unwrap(), "events.out.tfevents.1700000000.pgkit");
    let records = read_records(&std::fs::read(&files[0]).unwrap());
    assert_eq!(records.len(), 3);
    assert_eq!(fields(&records[0])[&3][0].text(), "brain.Event:2");
    let event = fields(&records[1]);
    assert_eq!(f64::from_bits(event[&1][0].number()), 1_700_000_000.5);
    assert_eq!(scalars(folder.path()), [(300, "Loss/D".to_owned(), -0.1), (300, "Loss/G".to_owned(), 2.0)]);
    let event = fields(&records[2]);
    assert_eq!(event[&2][0].number(), 70_000);
    let value = fields(fields(event[&5][0].bytes())[&1][0].bytes());
    assert_eq!(value[&1][0].text(), "fakes");
    let image = fields(value[&4][0].bytes());
    assert_eq!((image[&1][0].number(), image[&2][0].number(), image[&3][0].number()), (48, 640, 3));
    assert_eq!(image[&4][0].bytes(), png);
}

#[test]
fn a_run_that_goes_on_leaves_each_step_once_and_marks_where_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = EventWriter::new(folder.path(), 0);
    for step in [100, 200, 300] {
        killed.scalars(step, 50.0, &[("Loss/D", 1.0)]).unwrap();
    }
    drop(killed);
    // The last record is torn.
    let first = &event_files(folder.path())[0];
    let bytes = std::fs::read(first).unwrap();
    std::fs::write(first, &bytes[..bytes.len() - 3]).unwrap();

    // In the same second, from the snapshot at 100.
    let mut resumed = EventWriter::new(folder.path(), 100);
    resumed.scalars(200, 50.0, &[("Loss/D", 2.0)]).unwrap();
    resumed.scalars(300, 50.0, &[("Loss/D", 2.0)]).unwrap();
    let steps: Vec<_> = scalars(folder.path()).into_iter().map(|(step, _, value)| (step, value)).collect();
    assert_eq!(steps, [(100, 1.0), (200, 2.0), (300, 2.0)]);

    let files = event_files(folder.path());
    assert_eq!(files.len(), 2);
    let start = fields(&read_records(&std::fs::read(&files[1]).unwrap())[1]);
    assert_eq!(start[&2][0].number(), 101);
    assert_eq!(fields(start[&7][0].bytes())[&1][0].number(), 1);
}

#[test]
fn without_events_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(EventWriter::new(folder.path(), 10));
    assert!(event_files(folder.path()).is_empty());
}
