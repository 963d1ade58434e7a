//! A level of an image as bytes, little endian.

use std::borrow::Cow;

use pg_image::Planar;
use pg_metrics::{DESCRIPTOR_CHANNELS, KeptLevel, LevelForm, LevelRecord};

pub(crate) fn to_bytes(record: &LevelRecord) -> Cow<'_, [u8]> {
    match record {
        LevelRecord::Patches(values) => Cow::Owned(of_floats(values)),
        LevelRecord::Gaussian(level) => Cow::Owned(of_floats(level.data())),
        LevelRecord::Pixels(image) => Cow::Borrowed(image.data()),
    }
}

/// `None` when the bytes are not as many as the level has.
pub(crate) fn from_bytes(KeptLevel { px, form }: KeptLevel, bytes: Vec<u8>) -> Option<LevelRecord> {
    match form {
        LevelForm::Patches => Some(LevelRecord::Patches(to_floats(&bytes))),
        LevelForm::Gaussian => {
            let level = Planar::from_data(DESCRIPTOR_CHANNELS, px, px, to_floats(&bytes));
            level.map(LevelRecord::Gaussian)
        }
        LevelForm::Pixels => Planar::from_data(DESCRIPTOR_CHANNELS, px, px, bytes).map(LevelRecord::Pixels),
    }
}

pub(crate) fn of_floats(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    for (bytes, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
    bytes
}

fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
