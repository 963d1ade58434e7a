//! The few fields of TensorFlow's `Event` and `Summary` messages that are written here, in protobuf's wire format.

use super::EventPicture;

/// What an event says; the numbers in the comments are those of the fields.
pub(super) enum Content<'a> {
    /// `Event.file_version` (3): the first event of each file.
    Version,
    /// `Event.session_log` (7) with `status` (1) START (1): whatever earlier files hold from this step on is void.
    Start,
    /// `Event.summary` (5) with a `value` (1) of `tag` (1) and `simple_value` (2) each.
    Scalars(&'a [(&'a str, f64)]),
    /// `Event.summary` (5) with a `value` (1) of `tag` (1) and `image` (4): `height` (1), `width` (2), `colorspace`
    /// (3: the number of channels), `encoded_image_string` (4).
    Picture(&'a str, EventPicture<'a>),
}

/// An `Event` with `wall_time` (1) and `step` (2).
pub(super) fn encode(wall_time: f64, step: u64, content: &Content<'_>) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.varint(2, step);
    match content {
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Start => {
            let mut log = Message::default();
            log.varint(1, 1);
            event.bytes(7, &log.0);
        }
        Content::Scalars(values) => {
            let mut summary = Message::default();
            for (tag, number) in *values {
                let mut value = Message::default();
                value.bytes(1, tag.as_bytes());
                value.float(2, *number as f32);
                summary.bytes(1, &value.0);
            }
            event.bytes(5, &summary.0);
        }
        Content::Picture(tag, picture) => {
            let mut image = Message::default();
            image.varint(1, picture.height_px as u64);
            image.varint(2, picture.width_px as u64);
            image.varint(3, picture.channels as u64);
            image.bytes(4, picture.png);
            let mut value = Message::default();
            value.bytes(1, tag.as_bytes());
            value.bytes(4, &image.0);
            let mut summary = Message::default();
            summary.bytes(1, &value.0);
            event.bytes(5, &summary.0);
        }
    }
    event.0
}

/// Bytes at an event's start that hold its step.
pub(super) const STEP_WITHIN_BYTES: usize = 20;

/// The step of an event that [`encode`] wrote, of which `start` is the beginning.
pub(super) fn step(start: &[u8]) -> Option<u64> {
    // The wall time's key and 8 bytes, the step's key, the step.
    let digits = start.get(10..)?;
    if start.first() != Some(&0x09) || start.get(9) != Some(&0x10) {
        return None;
    }
    let mut step = 0_u64;
    for (index, &digit) in digits.iter().take(10).enumerate() {
        step |= u64::from(digit & 0x7f).checked_shl(7 * index as u32)?;
        if digit < 0x80 {
            return Some(step);
        }
    }
    None
}

/// A message in the making: its fields, one after the other.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u8, value: u64) {
        self.0.push(field << 3);
        self.digits(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.0.push(field << 3 | 2);
        self.digits(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Seven bits at a time, the lowest first.
    fn digits(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
