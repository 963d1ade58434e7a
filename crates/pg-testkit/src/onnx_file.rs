//! ONNX files written by hand, for tests of what reads them: protocol buffers of a few fields, and models whose
//! weights lie in another file, as `torch.onnx.export` writes them.

/// Numbers of fields in `onnx.proto`.
const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZERS: u64 = 5;
const TENSOR_RAW_DATA: u64 = 9;
const TENSOR_NAME: u64 = 8;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;
/// Values begin at multiples of this many bytes, as other programs lay them out for mapping.
const ALIGNMENT: usize = 64;

/// A field that holds a message or a text.
#[must_use]
pub fn bytes_field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut field = varint(number << 3 | 2);
    field.extend(varint(content.len() as u64));
    field.extend_from_slice(content);
    field
}

/// A field that holds an integer.
#[must_use]
pub fn integer_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The fields of a tensor that say that its values lie elsewhere, by the `entries` of `external_data`.
#[must_use]
pub fn external_fields(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for (key, value) in entries {
        let entry = [bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat();
        tensor.extend(bytes_field(TENSOR_EXTERNAL_DATA, &entry));
    }
    tensor.extend(integer_field(TENSOR_DATA_LOCATION, 1));
    tensor
}

/// A tensor of that name that lies elsewhere; without type and shape, which nothing here reads.
#[must_use]
pub fn external_tensor(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    [bytes_field(TENSOR_NAME, name.as_bytes()), external_fields(entries)].concat()
}

/// A model with one graph that holds the initializer `tensor`.
#[must_use]
pub fn model_of_initializer(tensor: &[u8]) -> Vec<u8> {
    bytes_field(MODEL_GRAPH, &bytes_field(GRAPH_INITIALIZERS, tensor))
}

/// A model in two files.
#[derive(Debug, Clone)]
pub struct SplitModel {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// The file that it refers to.
    pub weights: Vec<u8>,
}

/// `onnx` with the values of its graph's initializers in a file at `location`.
///
/// # Panics
/// When `onnx` is no model with initializers whose values are raw bytes.
#[must_use]
pub fn with_weights_outside(onnx: &[u8], location: &str) -> SplitModel {
    let mut weights = Vec::new();
    let onnx = rewritten(onnx, MODEL_GRAPH, &mut |graph| {
        rewritten(graph, GRAPH_INITIALIZERS, &mut |tensor| {
            let mut values = Vec::new();
            let mut moved = rewritten_field(tensor, TENSOR_RAW_DATA, &mut |raw| {
                values = raw.to_vec();
                Vec::new()
            });
            weights.resize(weights.len().next_multiple_of(ALIGNMENT), 0);
            let (offset, length) = (weights.len().to_string(), values.len().to_string());
            weights.extend(values);
            moved.extend(external_fields(&[
                ("location", location),
                ("offset", &offset),
                ("length", &length),
            ]));
            moved
        })
    });
    assert!(!weights.is_empty(), "a model with initializers of raw bytes");
    SplitModel { onnx, weights }
}

/// `message` with the content of its fields called `number` replaced by what `change` makes of it.
fn rewritten(message: &[u8], number: u64, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    rewritten_field(message, number, &mut |content| bytes_field(number, &change(content)))
}

/// `message` with its fields called `number` replaced by what `change` makes of their content.
fn rewritten_field(message: &[u8], number: u64, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut written = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let tag = read_varint(&mut rest);
        let content = match tag & 7 {
            0 => {
                read_varint(&mut rest);
                &[]
            }
            1 => taken(&mut rest, 8),
            2 => {
                let length = read_varint(&mut rest) as usize;
                taken(&mut rest, length)
            }
            5 => taken(&mut rest, 4),
            kind => panic!("wire type {kind} in a model"),
        };
        if tag == number << 3 | 2 {
            written.extend(change(content));
        } else {
            written.extend_from_slice(&before[..before.len() - rest.len()]);
        }
    }
    written
}

fn taken<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

fn read_varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let byte = taken(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    value
}
