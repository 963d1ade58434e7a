//! The wire format of protocol buffers, as far as walking through an ONNX file needs it.

use std::borrow::Cow;

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The number that the message's definition gives it.
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer, a boolean or an enumeration.
    Varint(u64),
    /// A message, a text, or packed numbers.
    Bytes(&'a [u8]),
    /// A fixed-width number or a group: nothing that the walk looks at.
    Other,
}

/// The bytes do not follow the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A message whose bytes follow the wire format. It copies nothing and lists nothing: a file of two gigabytes may well
/// consist of a thousand million fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Checks `bytes` to their end; messages within it are checked when they are looked at.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: bytes };
        while !reader.rest.is_empty() {
            reader.field()?;
        }
        Ok(Self { bytes })
    }

    /// Its fields, in the order of the file.
    pub(crate) fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let mut reader = Reader { rest: self.bytes };
        std::iter::from_fn(move || if reader.rest.is_empty() { None } else { reader.field().ok() })
    }

    /// The messages in the fields called `number`.
    pub(crate) fn messages(self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter_map(move |field| match field.value {
            Value::Bytes(bytes) if field.number == number => Some(bytes),
            _ => None,
        })
    }

    /// The one message in the fields called `number`. Protocol buffers merge a message that a writer split over
    /// several fields, and the encoding of the merged message is that of its parts in a row.
    pub(crate) fn merged(self, number: u64) -> Option<Cow<'a, [u8]>> {
        let mut parts = self.messages(number);
        let mut whole = Cow::Borrowed(parts.next()?);
        for part in parts {
            whole.to_mut().extend_from_slice(part);
        }
        Some(whole)
    }

    /// The integer in the field called `number`; the last one counts.
    pub(crate) fn integer(self, number: u64) -> Option<u64> {
        let integers = self.fields().filter_map(|field| match field.value {
            Value::Varint(integer) if field.number == number => Some(integer),
            _ => None,
        });
        integers.last()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WireType {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// Groups within groups beyond this are refused, as every reader of protocol buffers does.
const DEEPEST_GROUP: usize = 100;

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let (number, kind) = self.tag()?;
        Ok(Field { number, value: self.value(number, kind, 0)? })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for place in 0..10 {
            let byte = self.take(1)?.first().copied().ok_or(Malformed)?;
            // The tenth byte has room for one more bit; further ones are dropped, as other readers do.
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn tag(&mut self) -> Result<(u64, WireType), Malformed> {
        let tag = self.varint()?;
        let kind = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(Malformed),
        };
        // Field numbers have 29 bits, and 0 is none.
        match tag >> 3 {
            number @ 1..=0x1fff_ffff => Ok((number, kind)),
            _ => Err(Malformed),
        }
    }

    fn value(&mut self, number: u64, kind: WireType, depth: usize) -> Result<Value<'a>, Malformed> {
        match kind {
            WireType::Varint => return Ok(Value::Varint(self.varint()?)),
            WireType::Fixed64 => drop(self.take(8)?),
            WireType::Fixed32 => drop(self.take(4)?),
            WireType::Bytes => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                return Ok(Value::Bytes(self.take(length)?));
            }
            WireType::StartGroup => self.skip_group(number, depth + 1)?,
            WireType::EndGroup => return Err(Malformed),
        }
        Ok(Value::Other)
    }

    /// To the end of the group that began as field `number`.
    fn skip_group(&mut self, number: u64, depth: usize) -> Result<(), Malformed> {
        if depth > DEEPEST_GROUP {
            return Err(Malformed);
        }
        loop {
            match self.tag()? {
                (end, WireType::EndGroup) if end == number => return Ok(()),
                (inner, kind) => drop(self.value(inner, kind, depth)?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
        Message::new(bytes).unwrap().fields().map(|field| (field.number, field.value)).collect()
    }

    #[test]
    fn every_wire_type_is_read_or_skipped() {
        assert_eq!(found(&[0x08, 0x96, 0x01]), [(1, Value::Varint(150))]);
        assert_eq!(found(&[0x12, 2, b'a', b'b']), [(2, Value::Bytes(b"ab"))]);
        assert_eq!(
            found(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4]),
            [(1, Value::Other), (2, Value::Other)]
        );
        // Group 1 with a varint and group 2 inside, then a varint behind it.
        assert_eq!(
            found(&[0x0b, 0x08, 1, 0x13, 0x14, 0x0c, 0x18, 7]),
            [(1, Value::Other), (3, Value::Varint(7))]
        );
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn bytes_that_break_off_or_make_no_sense_are_malformed() {
        for bytes in [
            &[0x08][..],
            &[0x12, 3, b'a'],
            &[0x09, 1],
            &[0x0b, 0x08, 1],
            &[0x0c],
            &[0x0b, 0x14],
            &[0x00, 1],
            &[0x0e, 1],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert_eq!(Message::new(bytes).err(), Some(Malformed), "{bytes:?}");
        }
        assert_eq!(Message::new(&vec![0x0b; 100_000]).err(), Some(Malformed));
    }

    #[test]
    fn a_message_that_is_split_over_fields_is_one() {
        let bytes = [0x12, 2, 0x08, 1, 0x08, 9, 0x12, 2, 0x10, 2];
        let message = Message::new(&bytes).unwrap();
        assert_eq!(message.merged(2).as_deref(), Some(&[0x08, 1, 0x10, 2][..]));
        assert_eq!(message.merged(1), None);
        assert_eq!((message.messages(2).count(), message.integer(1)), (2, Some(9)));
    }
}
