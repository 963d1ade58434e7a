//! Which tensors of an ONNX file lie in files beside it.
//!
//! ONNX calls this external data (`onnx.proto`, message `TensorProto`, fields `external_data` and `data_location`).
//! Tensors stand in more places than the graph's initializers: in attributes of nodes (`Constant`), in graphs that
//! are attributes (the bodies of `If`, `Loop` and `Scan`), in functions, in training graphs, and as the two halves of
//! sparse tensors.

use super::wire_format::{Malformed, Message};

/// Numbers of fields in `onnx.proto`.
mod number {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const MODEL_TRAINING: u64 = 20;
    pub(super) const MODEL_FUNCTIONS: u64 = 25;
    pub(super) const TRAINING_GRAPHS: [u64; 2] = [1, 2];
    pub(super) const GRAPH_NODES: u64 = 1;
    pub(super) const GRAPH_INITIALIZERS: u64 = 5;
    pub(super) const GRAPH_SPARSE_INITIALIZERS: u64 = 15;
    pub(super) const FUNCTION_NODES: u64 = 7;
    pub(super) const FUNCTION_ATTRIBUTES: u64 = 11;
    pub(super) const NODE_ATTRIBUTES: u64 = 5;
    pub(super) const ATTRIBUTE_TENSOR: u64 = 5;
    pub(super) const ATTRIBUTE_GRAPH: u64 = 6;
    pub(super) const ATTRIBUTE_TENSORS: u64 = 10;
    pub(super) const ATTRIBUTE_GRAPHS: u64 = 11;
    pub(super) const ATTRIBUTE_SPARSE_TENSOR: u64 = 22;
    pub(super) const ATTRIBUTE_SPARSE_TENSORS: u64 = 23;
    pub(super) const SPARSE_HALVES: [u64; 2] = [1, 2];
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const TENSOR_EXTERNAL_DATA: u64 = 13;
    pub(super) const TENSOR_DATA_LOCATION: u64 = 14;
    pub(super) const ENTRY_KEY: u64 = 1;
    pub(super) const ENTRY_VALUE: u64 = 2;
}

/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: u32 = 1;
/// Graphs in attributes of nodes of graphs; each is three messages deep, of which readers allow a hundred.
const DEEPEST_GRAPH: usize = 33;

/// A tensor whose values lie in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalTensor {
    /// Its name; empty for tensors that have none, such as those of attributes.
    pub(crate) name: String,
    /// The file, relative to the folder of the ONNX file.
    pub(crate) location: String,
    pub(crate) offset: u64,
    /// To the end of the file where it is not said.
    pub(crate) length: Option<u64>,
    /// SHA-1 of the whole file, hexadecimal, where it is said.
    pub(crate) sha1: Option<String>,
    /// Whether it says more about the file than ONNX defines, e.g. where prepared copies of the values lie.
    pub(crate) says_more: bool,
}

/// Why no external tensors can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WalkError {
    /// The bytes are not those of an ONNX model.
    Malformed,
    /// Graphs lie within graphs without end.
    TooDeep,
    /// A tensor says where it lies in a way that cannot be read.
    Entry { tensor: String, detail: String },
}

impl From<Malformed> for WalkError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The external tensors of the ONNX file `model`, in the order of the file.
pub(crate) fn external_tensors(model: &[u8]) -> Result<Vec<ExternalTensor>, WalkError> {
    let mut walk = Walk::default();
    let model = Message::new(model)?;
    for graph in model.messages(number::MODEL_GRAPH) {
        walk.graph(graph, 0)?;
    }
    for training in model.messages(number::MODEL_TRAINING) {
        let training = Message::new(training)?;
        for graph in number::TRAINING_GRAPHS.into_iter().flat_map(|number| training.messages(number)) {
            walk.graph(graph, 0)?;
        }
    }
    for function in model.messages(number::MODEL_FUNCTIONS) {
        let function = Message::new(function)?;
        walk.nodes(function, number::FUNCTION_NODES, 0)?;
        walk.attributes(function, number::FUNCTION_ATTRIBUTES, 0)?;
    }
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Vec<ExternalTensor>,
}

impl Walk {
    fn graph(&mut self, graph: &[u8], depth: usize) -> Result<(), WalkError> {
        if depth > DEEPEST_GRAPH {
            return Err(WalkError::TooDeep);
        }
        let graph = Message::new(graph)?;
        self.nodes(graph, number::GRAPH_NODES, depth)?;
        for tensor in graph.messages(number::GRAPH_INITIALIZERS) {
            self.tensor(tensor)?;
        }
        graph.messages(number::GRAPH_SPARSE_INITIALIZERS).try_for_each(|sparse| self.sparse(sparse))
    }

    fn nodes(&mut self, of: Message<'_>, number: u64, depth: usize) -> Result<(), WalkError> {
        of.messages(number)
            .try_for_each(|node| self.attributes(Message::new(node)?, number::NODE_ATTRIBUTES, depth))
    }

    fn attributes(&mut self, of: Message<'_>, number: u64, depth: usize) -> Result<(), WalkError> {
        for attribute in of.messages(number) {
            let attribute = Message::new(attribute)?;
            if let Some(tensor) = attribute.merged(number::ATTRIBUTE_TENSOR) {
                self.tensor(&tensor)?;
            }
            for tensor in attribute.messages(number::ATTRIBUTE_TENSORS) {
                self.tensor(tensor)?;
            }
            if let Some(sparse) = attribute.merged(number::ATTRIBUTE_SPARSE_TENSOR) {
                self.sparse(&sparse)?;
            }
            for sparse in attribute.messages(number::ATTRIBUTE_SPARSE_TENSORS) {
                self.sparse(sparse)?;
            }
            for number in [number::ATTRIBUTE_GRAPH, number::ATTRIBUTE_GRAPHS] {
                for graph in attribute.messages(number) {
                    self.graph(graph, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn sparse(&mut self, sparse: &[u8]) -> Result<(), WalkError> {
        let sparse = Message::new(sparse)?;
        for half in number::SPARSE_HALVES {
            if let Some(tensor) = sparse.merged(half) {
                self.tensor(&tensor)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &[u8]) -> Result<(), WalkError> {
        let tensor = Message::new(tensor)?;
        // Enumerations have 32 bits; readers drop the others.
        if tensor.integer(number::TENSOR_DATA_LOCATION).map(|place| place as u32) != Some(EXTERNAL) {
            return Ok(());
        }
        let name = tensor.messages(number::TENSOR_NAME).last().unwrap_or_default();
        self.found.push(entries(tensor, &String::from_utf8_lossy(name))?);
        Ok(())
    }
}

/// What the entries of `external_data` say.
fn entries(tensor: Message<'_>, name: &str) -> Result<ExternalTensor, WalkError> {
    let wrong = |detail: String| WalkError::Entry { tensor: name.to_owned(), detail };
    let (mut location, mut offset, mut length, mut sha1) = (None, None, None, None);
    let mut says_more = false;
    for entry in tensor.messages(number::TENSOR_EXTERNAL_DATA) {
        let entry = Message::new(entry)?;
        let text = |number: u64| {
            let bytes = entry.messages(number).last().unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))
        };
        let (key, value) = (text(number::ENTRY_KEY)?, text(number::ENTRY_VALUE)?);
        let bytes = || {
            let parsed = value.parse::<u64>();
            parsed.map_err(|_| wrong(format!("its {key} is {value:?}, expected a number of bytes")))
        };
        let said_before = match key {
            "location" => location.replace(value.to_owned()).is_some(),
            "offset" => offset.replace(bytes()?).is_some(),
            "length" => length.replace(bytes()?).is_some(),
            "checksum" => sha1.replace(value.to_ascii_lowercase()).is_some(),
            _ => {
                says_more = true;
                false
            }
        };
        if said_before {
            return Err(wrong(format!("it has two entries called {key}")));
        }
    }
    let location = location.filter(|location| !location.is_empty());
    let location = location.ok_or_else(|| wrong("no entry says in which file it lies".to_owned()))?;
    // ONNX Runtime takes 0 for unsaid.
    let length = length.filter(|&length| length > 0);
    let (name, offset) = (name.to_owned(), offset.unwrap_or(0));
    Ok(ExternalTensor { name, location, offset, length, sha1, says_more })
}
