//! The message inside a record: a `tf.train.Example` with the features `shape` (int64 list `[C,H,W]`) and
//! `data` (one byte string, `[C,H,W]` u8), in protocol buffer encoding.
//!
//! The order of the two features is not fixed: they are entries of a map.

use std::ops::Range;

use crate::errors::Fault;

/// Where the picture is in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[C,H,W]` u8.
    pub(super) data: Range<usize>,
}

/// Finds the picture in an Example.
pub(super) fn parse(message: &[u8]) -> Result<Picture, Fault> {
    let mut shape: Option<Vec<u64>> = None;
    let mut data: Option<Range<usize>> = None;
    // Example.features = 1, Features.feature = 1 (map entries), entry: key = 1, value = 2.
    for features in messages(message, 0..message.len(), 1)? {
        for entry in messages(message, features, 1)? {
            let key = messages(message, entry.clone(), 1)?.pop();
            let value = messages(message, entry, 2)?.pop();
            let (Some(key), Some(value)) = (key, value) else { continue };
            let at = key.start;
            match message.get(key) {
                Some(b"shape") if shape.is_none() => shape = Some(int64_list(message, value)?),
                Some(b"data") if data.is_none() => data = Some(one_byte_string(message, value)?),
                Some(b"shape" | b"data") => {
                    return Err(Fault::new(at, "each feature once", "\"shape\" or \"data\" again"));
                }
                _ => {}
            }
        }
    }
    let shape = shape.ok_or_else(|| Fault::new(0, "a feature \"shape\"", "none"))?;
    let data = data.ok_or_else(|| Fault::new(0, "a feature \"data\"", "none"))?;
    let [channels, height, width] = shape[..] else {
        return Err(Fault::new(0, "a shape [C,H,W]", format!("{shape:?}")));
    };
    let values = channels.checked_mul(height).and_then(|n| n.checked_mul(width));
    if !matches!(channels, 1 | 3) || values != Some(data.len() as u64) || data.is_empty() {
        let expected = "1 or 3 channels and channels * height * width bytes of data";
        return Err(Fault::new(data.start, expected, format!("shape {shape:?} and {} bytes", data.len())));
    }
    // All three are at most the number of bytes.
    Ok(Picture { channels: channels as usize, height: height as usize, width: width as usize, data })
}

/// The Example of a picture `[C,H,W]`.
pub(super) fn encode(channels: usize, height: usize, width: usize, data: &[u8]) -> Vec<u8> {
    let mut sides = Vec::new();
    for side in [channels, height, width] {
        push_varint(&mut sides, side as u64);
    }
    // Feature: bytes_list = 1, int64_list = 3; both lists: value = 1.
    let shape = entry(b"shape", &field(3, &field(1, &sides)));
    let data = entry(b"data", &field(1, &field(1, data)));
    field(1, &[field(1, &shape), field(1, &data)].concat())
}

fn entry(key: &[u8], feature: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, feature)].concat()
}

/// A field of wire type 2: bytes with their length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 6);
    out.push(number << 3 | 2);
    push_varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One field of a message.
enum Field {
    Varint(u64),
    Bytes(Range<usize>),
    /// Fixed-width numbers, which no feature used here has.
    Other,
}

/// The fields of the message at `range`: number and value each.
fn fields(message: &[u8], range: Range<usize>) -> Result<Vec<(u64, Field)>, Fault> {
    let mut fields = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let start = at;
        let tag = varint(message, &mut at, range.end)?;
        let value = match tag & 7 {
            0 => Field::Varint(varint(message, &mut at, range.end)?),
            2 => {
                let length = varint(message, &mut at, range.end)?;
                if length > (range.end - at) as u64 {
                    let found = format!("{} bytes", range.end - at);
                    return Err(Fault::new(start, format!("a field of {length} bytes"), found));
                }
                at += length as usize;
                Field::Bytes(at - length as usize..at)
            }
            wire @ (1 | 5) => {
                at += if wire == 1 { 8 } else { 4 };
                if at > range.end {
                    return Err(Fault::new(start, "a fixed-width number", "the end of the message"));
                }
                Field::Other
            }
            wire => return Err(Fault::new(start, "wire type 0, 1, 2 or 5", wire.to_string())),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

/// The byte fields `number` of the message at `range`.
fn messages(message: &[u8], range: Range<usize>, number: u64) -> Result<Vec<Range<usize>>, Fault> {
    let fields = fields(message, range)?.into_iter();
    Ok(fields
        .filter_map(|field| match field {
            (n, Field::Bytes(bytes)) if n == number => Some(bytes),
            _ => None,
        })
        .collect())
}

/// The numbers of a Feature that holds an int64 list, packed or not.
fn int64_list(message: &[u8], feature: Range<usize>) -> Result<Vec<u64>, Fault> {
    let mut numbers = Vec::new();
    for list in messages(message, feature, 3)? {
        for (number, value) in fields(message, list)? {
            match (number, value) {
                (1, Field::Varint(value)) => numbers.push(value),
                (1, Field::Bytes(packed)) => {
                    let mut at = packed.start;
                    while at < packed.end {
                        numbers.push(varint(message, &mut at, packed.end)?);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(numbers)
}

/// The one byte string of a Feature.
fn one_byte_string(message: &[u8], feature: Range<usize>) -> Result<Range<usize>, Fault> {
    let at = feature.start;
    let mut strings = Vec::new();
    for list in messages(message, feature, 1)? {
        strings.extend(messages(message, list, 1)?);
    }
    match (strings.pop(), strings.len()) {
        (Some(bytes), 0) => Ok(bytes),
        (last, others) => {
            let found = others + usize::from(last.is_some());
            Err(Fault::new(at, "one byte string", format!("{found}")))
        }
    }
}

fn varint(message: &[u8], at: &mut usize, end: usize) -> Result<u64, Fault> {
    let start = *at;
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        match message.get(*at).filter(|_| *at < end) {
            Some(&byte) => {
                *at += 1;
                value |= u64::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    return Ok(value);
                }
            }
            None => return Err(Fault::new(start, "a number", "the end of the message")),
        }
    }
    Err(Fault::new(start, "a number of at most 10 bytes", "more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let data: Vec<u8> = (0..3 * 16 * 16).map(|i| (i % 251) as u8).collect();
        let message = encode(3, 16, 16, &data);
        let picture = parse(&message).unwrap();
        assert_eq!((picture.channels, picture.height, picture.width), (3, 16, 16));
        assert_eq!(message[picture.data], data);
    }

    #[test]
    fn the_first_bytes_are_those_of_the_authors_exporter() {
        let start = b"\x0a\x50\x0a\x10\x0a\x05shape\x12\x07\x1a\x05\x0a\x03\x03\x04\x04\x0a\x3c\x0a\x04data\x12\x34\x0a\x32\x0a\x30";
        assert_eq!(encode(3, 4, 4, &[7; 48])[..34], start[..]);
    }

    #[test]
    fn numbers_that_are_not_packed_are_read_too() {
        let unpacked = [8, 1, 8, 1, 8, 2];
        let shape = entry(b"shape", &field(3, &unpacked));
        let data = entry(b"data", &field(1, &field(1, &[5, 6])));
        let message = field(1, &[field(1, &data), field(1, &shape)].concat());
        assert_eq!(parse(&message).map(|p| (p.height, p.width)), Ok((1, 2)));
    }

    #[test]
    fn shapes_and_data_that_do_not_fit_are_refused() {
        let message = |c, h, w, bytes: usize| parse(&encode(c, h, w, &vec![0; bytes])).unwrap_err().found;
        assert_eq!(message(3, 2, 2, 11), "shape [3, 2, 2] and 11 bytes");
        assert_eq!(message(2, 2, 2, 8), "shape [2, 2, 2] and 8 bytes");
        assert_eq!(message(1, 0, 0, 0), "shape [1, 0, 0] and 0 bytes");
        let huge = usize::MAX / 2;
        assert!(message(3, huge, huge, 4).contains("4 bytes"));
    }

    #[test]
    fn any_cut_is_refused() {
        let whole = encode(1, 2, 2, &[1, 2, 3, 4]);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }
}
