//! A reader of the few pickle instructions that CIFAR's Python files and NumPy's arrays are made of.
//!
//! A pickle is a program for a stack machine (Python's `pickletools` documents the instructions). This one
//! knows data instructions only, and of calls only those that make a NumPy array of u8, which it carries
//! out itself: nothing is ever imported or run. Values live in one list and name each other by number, so
//! nesting costs no stack.

use std::collections::HashMap;
use std::ops::Range;

use crate::errors::Fault;
use crate::little_endian::{u16_at, u32_at, u64_at};

/// CIFAR's largest file takes about 400 000 instructions.
const MAX_INSTRUCTIONS: usize = 4_000_000;

/// Number of a value in [`Pickle`].
pub(super) type ValueId = usize;

/// A value. Ranges are places in the file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Integer(i64),
    /// Numbers with a fraction: nothing here needs their value.
    Float,
    /// Python 2 strings and bytes.
    Bytes(Range<usize>),
    /// UTF-8.
    Text(Range<usize>),
    /// Bytes, stored as the UTF-8 text of as many characters (protocol 2 written by Python 3).
    Latin1(Range<usize>),
    List(Vec<ValueId>),
    Tuple(Vec<ValueId>),
    Dict(Vec<(ValueId, ValueId)>),
    /// `module name`.
    Global(String),
    /// The kind of an array's numbers, e.g. `u1`.
    Dtype(Range<usize>),
    Array(Array),
}

/// A NumPy array, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    pub(super) shape: Vec<i64>,
    /// Bytes or Latin-1 text, `None` before the array is filled.
    pub(super) data: Option<ValueId>,
    is_u8: bool,
    column_major: bool,
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    top: ValueId,
}

impl<'a> Pickle<'a> {
    /// Reads `bytes`, a whole file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let top = machine.run()?;
        Ok(Self { bytes, values: machine.values, top })
    }

    /// What the top dictionary has under `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self.values.get(self.top)? else { return None };
        let (_, value) = entries.iter().rfind(|(k, _)| self.text(*k) == Some(key.as_bytes()))?;
        self.values.get(*value)
    }

    /// The numbers of a list.
    pub(super) fn integers(&self, value: &Value) -> Option<Vec<i64>> {
        let Value::List(list) = value else { return None };
        list.iter()
            .map(|&id| match self.values.get(id) {
                Some(Value::Integer(number)) => Some(*number),
                _ => None,
            })
            .collect()
    }

    /// The strings of a list.
    pub(super) fn strings(&self, value: &Value) -> Option<Vec<String>> {
        let Value::List(list) = value else { return None };
        list.iter().map(|&id| self.text(id).map(|t| String::from_utf8_lossy(t).into_owned())).collect()
    }

    /// Shape and bytes of a row-major array of u8.
    pub(super) fn u8_array(&self, value: &Value) -> Result<(Vec<usize>, ArrayBytes), String> {
        let Value::Array(array) = value else { return Err("a value that is no array".to_owned()) };
        let shape: Option<Vec<usize>> = array.shape.iter().map(|&side| usize::try_from(side).ok()).collect();
        let (Some(shape), true, false) = (shape, array.is_u8, array.column_major) else {
            return Err(format!("an array of another kind, of shape {:?}", array.shape));
        };
        let bytes = match array.data.and_then(|id| self.values.get(id)) {
            Some(Value::Bytes(range)) => ArrayBytes::InFile(range.clone()),
            Some(Value::Latin1(range)) => {
                let text = self.bytes.get(range.clone()).and_then(|t| std::str::from_utf8(t).ok());
                let bytes = text.and_then(|t| t.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect());
                ArrayBytes::Decoded(bytes.ok_or("text in place of bytes")?)
            }
            _ => return Err("an array without data".to_owned()),
        };
        let expected = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
        let found = match &bytes {
            ArrayBytes::InFile(range) => range.len(),
            ArrayBytes::Decoded(bytes) => bytes.len(),
        };
        if expected != Some(found) {
            return Err(format!("an array of shape {shape:?} with {found} bytes"));
        }
        Ok((shape, bytes))
    }

    /// A string's bytes; those of [`Value::Latin1`] are right as long as they are ASCII, as names are.
    fn text(&self, id: ValueId) -> Option<&[u8]> {
        match self.values.get(id)? {
            Value::Bytes(range) | Value::Text(range) | Value::Latin1(range) => self.bytes.get(range.clone()),
            _ => None,
        }
    }
}

/// The data of an array.
#[derive(Debug)]
pub(super) enum ArrayBytes {
    InFile(Range<usize>),
    Decoded(Vec<u8>),
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<ValueId>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u64, ValueId>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<ValueId, Fault> {
        for _ in 0..MAX_INSTRUCTIONS {
            let start = self.at;
            let code = self.number(1)? as u8;
            if code == b'.' {
                return self.pop(start);
            }
            self.step(code, start)?;
        }
        Err(Fault::new(self.at, format!("at most {MAX_INSTRUCTIONS} instructions"), "more"))
    }

    /// Carries out the instruction `code`, which stands at `start`.
    fn step(&mut self, code: u8, start: usize) -> Result<(), Fault> {
        match code {
            // Protocol and frames say nothing about the data.
            0x80 => drop(self.number(1)?),
            0x95 => drop(self.number(8)?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.push_number(1)?,
            b'M' => self.push_number(2)?,
            b'J' => {
                let number = self.number(4)? as u32;
                self.push(Value::Integer(i64::from(number.cast_signed())));
            }
            0x8A => {
                let length = self.number(1)?;
                let range = self.range(length)?;
                let number = long(&self.bytes[range])
                    .ok_or_else(|| Fault::new(start, "a number of 8 bytes", format!("{length}")))?;
                self.push(Value::Integer(number));
            }
            b'I' => {
                let line = self.line()?;
                let value = match line {
                    "00" => Some(Value::Bool(false)),
                    "01" => Some(Value::Bool(true)),
                    other => other.parse().ok().map(Value::Integer),
                };
                let value = value.ok_or_else(|| Fault::new(start, "a number", format!("{line:?}")))?;
                self.push(value);
            }
            b'G' => {
                self.number(8)?;
                self.push(Value::Float);
            }
            b'U' | b'C' => self.push_range(1, Value::Bytes)?,
            b'T' | b'B' => self.push_range(4, Value::Bytes)?,
            0x8E | 0x96 => self.push_range(8, Value::Bytes)?,
            0x8C => self.push_range(1, Value::Text)?,
            b'X' => self.push_range(4, Value::Text)?,
            0x8D => self.push_range(8, Value::Text)?,
            b'(' => self.marks.push(self.stack.len()),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark(start)?;
                self.push(Value::List(items));
            }
            b't' => {
                let items = self.pop_to_mark(start)?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..code {
                    items.insert(0, self.pop(start)?);
                }
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop(start)?;
                self.append(start, vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark(start)?;
                self.append(start, items)?;
            }
            b'd' => {
                let items = self.pop_to_mark(start)?;
                self.push(Value::Dict(Vec::new()));
                self.set_items(start, &items)?;
            }
            b's' => {
                let value = self.pop(start)?;
                let key = self.pop(start)?;
                self.set_items(start, &[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark(start)?;
                self.set_items(start, &items)?;
            }
            b'q' => self.remember(start, 1)?,
            b'r' => self.remember(start, 4)?,
            0x94 => {
                let id = self.memo.len() as u64;
                let top = self.top(start)?;
                self.memo.insert(id, top);
            }
            b'p' => {
                let id = self.line_number(start)?;
                let top = self.top(start)?;
                self.memo.insert(id, top);
            }
            b'h' => self.recall(start, 1)?,
            b'j' => self.recall(start, 4)?,
            b'g' => {
                let id = self.line_number(start)?;
                self.push_remembered(start, id)?;
            }
            b'c' => {
                let module = self.line()?.to_owned();
                let name = self.line()?;
                let global = format!("{module} {name}");
                self.push(Value::Global(global));
            }
            0x93 => {
                let name = self.pop_text(start)?;
                let module = self.pop_text(start)?;
                self.push(Value::Global(format!("{module} {name}")));
            }
            b'R' => self.call(start)?,
            b'b' => self.fill(start)?,
            b'0' => drop(self.pop(start)?),
            b'2' => {
                let top = self.top(start)?;
                self.stack.push(top);
            }
            other => {
                let expected = "a pickle of lists, numbers, strings and arrays only";
                return Err(Fault::new(start, expected, format!("instruction {other:#04x}")));
            }
        }
        Ok(())
    }

    /// Carries out a call that makes an array, or refuses it.
    fn call(&mut self, start: usize) -> Result<(), Fault> {
        let arguments = self.pop(start)?;
        let callee = self.pop(start)?;
        let (Some(Value::Global(name)), Some(Value::Tuple(arguments))) =
            (self.values.get(callee), self.values.get(arguments))
        else {
            return Err(Fault::new(start, "a call of a named function", "another value"));
        };
        let argument = |i: usize| arguments.get(i).and_then(|&id| self.values.get(id));
        let made = match name.as_str() {
            "numpy.core.multiarray _reconstruct" | "numpy._core.multiarray _reconstruct" => {
                Some(Value::Array(Array::default()))
            }
            "numpy.core.numeric _frombuffer" | "numpy._core.numeric _frombuffer" => match argument(0) {
                Some(Value::Bytes(_)) => Some(Value::Array(Array {
                    data: arguments.first().copied(),
                    is_u8: self.is_u8(argument(1)),
                    shape: self.sides(argument(2)),
                    column_major: self.is_text(argument(3), b"F"),
                })),
                _ => None,
            },
            "numpy dtype" => match argument(0) {
                Some(Value::Bytes(range) | Value::Text(range)) => Some(Value::Dtype(range.clone())),
                _ => None,
            },
            "_codecs encode" => match argument(0) {
                Some(Value::Text(range)) if self.is_text(argument(1), b"latin1") => {
                    Some(Value::Latin1(range.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        let name = format!("a call of {name:?}");
        let made = made.ok_or_else(|| Fault::new(start, "calls that make arrays only", name))?;
        self.push(made);
        Ok(())
    }

    /// Gives the array or dtype below the top its state.
    fn fill(&mut self, start: usize) -> Result<(), Fault> {
        let state = self.pop(start)?;
        let target = self.top(start)?;
        match self.values.get(target) {
            // Byte order and alignment, which bytes do not have.
            Some(Value::Dtype(_)) => return Ok(()),
            Some(Value::Array(_)) => {}
            _ => return Err(Fault::new(start, "an array", "another value")),
        }
        // (version, shape, dtype, is column-major, data)
        let Some(Value::Tuple(state)) = self.values.get(state) else {
            return Err(Fault::new(start, "the state of an array", "another value"));
        };
        let part = |i: usize| state.get(i).and_then(|&id| self.values.get(id));
        let array = Array {
            shape: self.sides(part(1)),
            data: state.get(4).copied(),
            is_u8: self.is_u8(part(2)),
            column_major: !matches!(part(3), Some(Value::Bool(false) | Value::Integer(0))),
        };
        if let Some(slot) = self.values.get_mut(target) {
            *slot = Value::Array(array);
        }
        Ok(())
    }

    fn is_u8(&self, dtype: Option<&Value>) -> bool {
        match dtype {
            Some(Value::Dtype(range)) => {
                matches!(self.bytes.get(range.clone()), Some(b"u1" | b"|u1" | b"uint8"))
            }
            _ => false,
        }
    }

    fn is_text(&self, value: Option<&Value>, expected: &[u8]) -> bool {
        match value {
            Some(Value::Text(range) | Value::Bytes(range)) => self.bytes.get(range.clone()) == Some(expected),
            _ => false,
        }
    }

    /// The sides of a shape; what is no number becomes -1, which no array has.
    fn sides(&self, shape: Option<&Value>) -> Vec<i64> {
        let Some(Value::Tuple(sides)) = shape else { return vec![-1] };
        sides
            .iter()
            .map(|&id| match self.values.get(id) {
                Some(Value::Integer(side)) => *side,
                _ => -1,
            })
            .collect()
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn push_number(&mut self, width: usize) -> Result<(), Fault> {
        let number = self.number(width)?;
        self.push(Value::Integer(number as i64));
        Ok(())
    }

    fn push_range(&mut self, width: usize, value: fn(Range<usize>) -> Value) -> Result<(), Fault> {
        let length = self.number(width)?;
        let range = self.range(length)?;
        self.push(value(range));
        Ok(())
    }

    fn append(&mut self, start: usize, items: Vec<ValueId>) -> Result<(), Fault> {
        let target = self.top(start)?;
        match self.values.get_mut(target) {
            Some(Value::List(list)) => list.extend(items),
            _ => return Err(Fault::new(start, "a list to append to", "another value")),
        }
        Ok(())
    }

    fn set_items(&mut self, start: usize, items: &[ValueId]) -> Result<(), Fault> {
        let target = self.top(start)?;
        match self.values.get_mut(target) {
            Some(Value::Dict(dict)) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err(Fault::new(start, "a dictionary and pairs to put into it", "another value")),
        }
        Ok(())
    }

    fn remember(&mut self, start: usize, width: usize) -> Result<(), Fault> {
        let id = self.number(width)?;
        let top = self.top(start)?;
        self.memo.insert(id, top);
        Ok(())
    }

    fn recall(&mut self, start: usize, width: usize) -> Result<(), Fault> {
        let id = self.number(width)?;
        self.push_remembered(start, id)
    }

    fn push_remembered(&mut self, start: usize, id: u64) -> Result<(), Fault> {
        let value = self.memo.get(&id);
        let value =
            value.ok_or_else(|| Fault::new(start, "a value stored before", format!("number {id}")))?;
        self.stack.push(*value);
        Ok(())
    }

    /// The lowest height that may be popped to: what is below the last mark belongs to an open list.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self, start: usize) -> Result<ValueId, Fault> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err(Fault::new(start, "a value on the stack", "none")),
        }
    }

    fn pop(&mut self, start: usize) -> Result<ValueId, Fault> {
        let top = self.top(start)?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self, start: usize) -> Result<Vec<ValueId>, Fault> {
        let mark = self.marks.pop().ok_or_else(|| Fault::new(start, "a mark on the stack", "none"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn pop_text(&mut self, start: usize) -> Result<String, Fault> {
        let id = self.pop(start)?;
        match self.values.get(id) {
            Some(Value::Text(range)) if range.len() < 100 => {
                Ok(String::from_utf8_lossy(&self.bytes[range.clone()]).into_owned())
            }
            _ => Err(Fault::new(start, "a short text", "another value")),
        }
    }

    /// The next `width` bytes as a number: 1, 2, 4 or 8.
    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        let number = match width {
            1 => self.bytes.get(self.at).map(|&byte| u64::from(byte)),
            2 => u16_at(self.bytes, self.at).map(u64::from),
            4 => u32_at(self.bytes, self.at).map(u64::from),
            _ => u64_at(self.bytes, self.at),
        };
        let number = number.ok_or_else(|| Fault::new(self.at, "more instructions", "the end of the file"))?;
        self.at += width;
        Ok(number)
    }

    /// The place of the next `length` bytes.
    fn range(&mut self, length: u64) -> Result<Range<usize>, Fault> {
        let left = self.bytes.len() - self.at;
        if length > left as u64 {
            return Err(Fault::new(
                self.at,
                format!("{length} bytes"),
                format!("{left} to the end of the file"),
            ));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(start..self.at)
    }

    /// The text up to the next line feed, at most 100 bytes.
    fn line(&mut self) -> Result<&str, Fault> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(100).position(|&byte| byte == b'\n');
        let text = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        match (text, end) {
            (Some(text), Some(end)) => {
                self.at += end + 1;
                Ok(text)
            }
            _ => Err(Fault::new(self.at, "a line of text", "other bytes")),
        }
    }

    fn line_number(&mut self, start: usize) -> Result<u64, Fault> {
        let line = self.line()?;
        line.parse().map_err(|_| Fault::new(start, "a number", format!("{line:?}")))
    }
}

/// A little-endian two's complement number of at most 8 bytes.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xFF } else { 0 };
    let mut whole = [fill; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 2 wrote for `{'labels': [6, 300], 'data': array([[1, 2]], uint8)}` in protocol 2, as
    /// in the files of CIFAR's authors.
    const PYTHON_2: &[u8] = b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06M\x2c\x01eU\x04dataq\x04\
        cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x02\x86\
        cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\
        \x89U\x02\x01\x02tbu.";

    #[test]
    fn a_file_of_python_2_is_read() {
        let pickle = Pickle::parse(PYTHON_2).unwrap();
        let labels = pickle.get("labels").unwrap();
        assert_eq!(pickle.integers(labels), Some(vec![6, 300]));
        let (shape, bytes) = pickle.u8_array(pickle.get("data").unwrap()).unwrap();
        assert_eq!(shape, [1, 2]);
        assert!(matches!(bytes, ArrayBytes::InFile(range) if PYTHON_2[range.clone()] == [1, 2]));
        assert!(pickle.get("filenames").is_none());
    }

    #[test]
    fn calls_of_anything_but_arrays_are_refused() {
        let error = Pickle::parse(b"\x80\x02cos\nsystem\nU\x02ls\x85R.").unwrap_err();
        assert_eq!(error.found, "a call of \"os system\"");
        let error = Pickle::parse(b"\x80\x02(K\x01ios\nsystem\n.").unwrap_err();
        assert_eq!(error.found, "instruction 0x69");
    }

    #[test]
    fn long_numbers_keep_their_sign() {
        assert_eq!(
            [&[][..], &[0xFF], &[0xFF, 0], &[0, 0x80]].map(long),
            [Some(0), Some(-1), Some(255), Some(-32768)]
        );
        assert_eq!(long(&[0; 9]), None);
    }

    #[test]
    fn deep_nesting_and_endless_programs_are_no_harm() {
        let mut nested = vec![b')'];
        nested.resize(3_000_000, 0x85);
        nested.push(b'.');
        assert!(Pickle::parse(&nested).is_ok());
        assert_eq!(Pickle::parse(&vec![b'N'; 5_000_000]).unwrap_err().found, "more");
    }

    #[test]
    fn any_cut_or_changed_byte_is_an_error_or_another_value_but_no_panic() {
        for length in 0..PYTHON_2.len() {
            assert!(Pickle::parse(&PYTHON_2[..length]).is_err(), "{length}");
        }
        for at in 0..PYTHON_2.len() {
            for byte in 0..=255 {
                let mut changed = PYTHON_2.to_vec();
                changed[at] = byte;
                if let Ok(pickle) = Pickle::parse(&changed) {
                    for value in ["labels", "data"].iter().filter_map(|key| pickle.get(key)) {
                        let _ = (pickle.integers(value), pickle.strings(value), pickle.u8_array(value));
                    }
                }
            }
        }
    }
}
