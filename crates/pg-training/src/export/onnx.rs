//! A generator as an ONNX model of plain standard operators.

use pg_networks::{GeneratorOperation, GeneratorProgram, GeneratorStep};
use tch::Tensor;

use super::protobuf::Message;
use super::weights::bytes_of;
use super::{ExportError, ExportMetadata, OutputInfo};

/// `TensorProto.DataType`
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// The first version whose `ReduceMean` takes its axes as an input.
const AXES_ARE_INPUTS: u32 = 18;

/// The model's bytes.
pub(super) fn encode(
    program: &GeneratorProgram,
    output: &OutputInfo,
    opset: u32,
    metadata: &ExportMetadata,
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph { opset, ..Graph::default() };
    let mut values: Vec<String> = program.inputs.iter().map(|input| input.name.clone()).collect();
    for (index, step) in program.steps.iter().enumerate() {
        let last = index + 1 == program.steps.len();
        let name = if last { output.name } else { step.name.as_str() };
        let inputs: Vec<&str> = step.inputs.iter().map(|&value| values[value].as_str()).collect();
        graph.step(step, &inputs, name)?;
        values.push(name.to_owned());
    }
    // Noise may be of one image for all.
    let axis = |name: &str| if name.starts_with("noise") { "M" } else { "N" };
    let inputs: Vec<_> =
        program.inputs.iter().map(|input| value_info(&input.name, axis(&input.name), &input.shape)).collect();
    let graph = Message::new()
        .messages(1, &graph.nodes)
        .text(2, "generator")
        .messages(5, &graph.initializers)
        .messages(11, &inputs)
        .message(12, &value_info(output.name, "N", &output.shape));
    let properties: Vec<_> =
        metadata.iter().map(|(key, value)| Message::new().text(1, key).text(2, value)).collect();
    let model = Message::new()
        .integer(1, ir_version(opset))
        .text(2, "pgkit")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph)
        .message(8, &Message::new().text(1, "").integer(2, i64::from(opset)))
        .messages(14, &properties);
    Ok(model.into_bytes())
}

/// The version of the file format that came with an operator set: an older program may know no later one.
fn ir_version(opset: u32) -> i64 {
    match opset {
        ..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        _ => 10,
    }
}

/// A graph in the making: `NodeProto`s and `TensorProto`s.
#[derive(Default)]
struct Graph {
    opset: u32,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
}

impl Graph {
    fn step(&mut self, step: &GeneratorStep, inputs: &[&str], output: &str) -> Result<(), ExportError> {
        let name = step.name.as_str();
        let x = inputs.first().copied().unwrap_or_default();
        match &step.operation {
            GeneratorOperation::PixelNorm { epsilon } => self.pixel_norm(name, x, output, *epsilon),
            GeneratorOperation::Dense { weight, bias, side_px } => {
                let weight = self.weights(name, "weight", weight)?;
                let maps = bias.size()[0] / (side_px * side_px);
                let bias = self.weights(name, "bias", bias)?;
                let flat = format!("{name}.flat");
                self.node("Gemm", &[x, &weight, &bias], &flat, &[integer("transB", 1)]);
                // 0 takes the input's size, so that N stays what it is.
                let shape = self.constant_integers(name, "shape", &[0, maps, *side_px, *side_px]);
                self.node("Reshape", &[&flat, &shape], output, &[]);
            }
            GeneratorOperation::Convolution { weight, bias, padding_px } => {
                let kernel_px = weight.size()[2];
                let parts = self.weight_and_bias(name, weight, bias.as_ref())?;
                let inputs: Vec<&str> = [x].into_iter().chain(parts.iter().map(String::as_str)).collect();
                self.node("Conv", &inputs, output, &convolution_attributes(kernel_px, 1, *padding_px));
            }
            GeneratorOperation::DoublingConvolution { weight, bias } => {
                let kernel_px = weight.size()[2];
                let parts = self.weight_and_bias(name, weight, bias.as_ref())?;
                let inputs: Vec<&str> = [x].into_iter().chain(parts.iter().map(String::as_str)).collect();
                self.node("ConvTranspose", &inputs, output, &convolution_attributes(kernel_px, 2, 1));
            }
            GeneratorOperation::BatchNorm { weight, bias, mean, variance, epsilon } => {
                let weight = self.weights(name, "weight", weight)?;
                let bias = self.weights(name, "bias", bias)?;
                let mean = self.weights(name, "mean", mean)?;
                let variance = self.weights(name, "variance", variance)?;
                let inputs = [x, &weight, &bias, &mean, &variance];
                self.node("BatchNormalization", &inputs, output, &[float("epsilon", *epsilon)]);
            }
            GeneratorOperation::LeakyRelu { slope } => {
                self.node("LeakyRelu", &[x], output, &[float("alpha", *slope)]);
            }
            GeneratorOperation::Doubling => {
                let scales = self.constant_floats(name, "scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
                let attributes = [
                    string("mode", "nearest"),
                    string("nearest_mode", "floor"),
                    string("coordinate_transformation_mode", "asymmetric"),
                ];
                // The empty name leaves out the region of interest.
                self.node("Resize", &[x, "", &scales], output, &attributes);
            }
            GeneratorOperation::Mix { share } => {
                let (difference, part) = (format!("{name}.difference"), format!("{name}.part"));
                let share = self.constant_floats(name, "share", &[], &[*share as f32]);
                let image = inputs.get(1).copied().unwrap_or(x);
                self.node("Sub", &[image, x], &difference, &[]);
                self.node("Mul", &[&difference, &share], &part, &[]);
                self.node("Add", &[x, &part], output, &[]);
            }
            other => self.style_step(name, inputs, output, other)?,
        }
        Ok(())
    }

    /// The steps that only style-based generators have.
    fn style_step(
        &mut self,
        name: &str,
        inputs: &[&str],
        output: &str,
        operation: &GeneratorOperation,
    ) -> Result<(), ExportError> {
        let x = inputs.first().copied().unwrap_or_default();
        let second = inputs.get(1).copied();
        match operation {
            GeneratorOperation::Linear { weight, bias } => {
                let weight = self.weights(name, "weight", weight)?;
                let bias = self.weights(name, "bias", bias)?;
                self.node("Gemm", &[x, &weight, &bias], output, &[integer("transB", 1)]);
            }
            GeneratorOperation::EmbeddedLabels { weight } => {
                let (labels, latent) = (weight.size()[0], weight.size()[1]);
                let weight = self.weights(name, "weight", weight)?;
                let [z, label, embedded] = ["z", "label", "embedded"].map(|part| format!("{name}.{part}"));
                self.slice(name, "z", x, &z, (0, latent));
                self.slice(name, "label", x, &label, (latent, latent + labels));
                self.node("MatMul", &[&label, &weight], &embedded, &[]);
                self.node("Concat", &[&z, &embedded], output, &[integer("axis", 1)]);
            }
            GeneratorOperation::Layer { layer } => {
                let index = self.initializer(name, "index", INT64, &[], &layer.to_le_bytes());
                self.node("Gather", &[x, &index], output, &[integer("axis", 1)]);
            }
            GeneratorOperation::Constant { value } => {
                let value = self.weights(name, "value", value)?;
                let [sizes, count, shape] = ["sizes", "count", "shape"].map(|part| format!("{name}.{part}"));
                self.node("Shape", &[x], &sizes, &[]);
                let first = self.constant_integers(name, "first", &[0]);
                self.node("Gather", &[&sizes, &first], &count, &[]);
                // Sizes of 1 are stretched to those of the value.
                let ones = self.constant_integers(name, "ones", &[1, 1, 1]);
                self.node("Concat", &[&count, &ones], &shape, &[integer("axis", 0)]);
                self.node("Expand", &[&value, &shape], output, &[]);
            }
            GeneratorOperation::Blur { kernel } => {
                let channels = kernel.size()[0];
                let kernel = self.weights(name, "kernel", kernel)?;
                let mut attributes = convolution_attributes(3, 1, 1).to_vec();
                attributes.push(integer("group", channels));
                self.node("Conv", &[x, &kernel], output, &attributes);
            }
            GeneratorOperation::Noise { strength, values } => {
                let strength = self.weights(name, "strength", strength)?;
                let noise = match (second, values) {
                    (Some(noise), _) => noise.to_owned(),
                    (None, Some(values)) => self.weights(name, "values", values)?,
                    (None, None) => strength.clone(),
                };
                let scaled = format!("{name}.scaled");
                self.node("Mul", &[&noise, &strength], &scaled, &[]);
                self.node("Add", &[x, &scaled], output, &[]);
            }
            GeneratorOperation::Bias { bias } => {
                let bias = self.weights(name, "bias", bias)?;
                self.node("Add", &[x, &bias], output, &[]);
            }
            GeneratorOperation::InstanceNorm { channels, epsilon } => {
                let ones = self.constant_floats(name, "ones", &[*channels], &vec![1.0; *channels as usize]);
                let zeros = self.constant_floats(name, "zeros", &[*channels], &vec![0.0; *channels as usize]);
                let attributes = [float("epsilon", *epsilon)];
                self.node("InstanceNormalization", &[x, &ones, &zeros], output, &attributes);
            }
            GeneratorOperation::Modulation { channels } => {
                let style = second.unwrap_or_default();
                let [parts, scale, shift, factor, scaled] =
                    ["parts", "scale", "shift", "factor", "scaled"].map(|part| format!("{name}.{part}"));
                let shape = self.constant_integers(name, "shape", &[0, 2 * channels, 1, 1]);
                self.node("Reshape", &[style, &shape], &parts, &[]);
                self.slice(name, "scale", &parts, &scale, (0, *channels));
                self.slice(name, "shift", &parts, &shift, (*channels, 2 * channels));
                let one = self.constant_floats(name, "one", &[], &[1.0]);
                self.node("Add", &[&scale, &one], &factor, &[]);
                self.node("Mul", &[x, &factor], &scaled, &[]);
                self.node("Add", &[&scaled, &shift], output, &[]);
            }
            _ => {}
        }
        Ok(())
    }

    /// Part of axis 1, from the first number to before the second.
    fn slice(&mut self, step: &str, part: &str, x: &str, output: &str, (start, end): (i64, i64)) {
        let start = self.constant_integers(step, &format!("{part}.start"), &[start]);
        let end = self.constant_integers(step, &format!("{part}.end"), &[end]);
        let axis = self.constant_integers(step, &format!("{part}.axis"), &[1]);
        self.node("Slice", &[x, &start, &end, &axis], output, &[]);
    }

    /// Names of a layer's weights and, where it has one, bias.
    fn weight_and_bias(
        &mut self,
        step: &str,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Vec<String>, ExportError> {
        let mut names = vec![self.weights(step, "weight", weight)?];
        if let Some(bias) = bias {
            names.push(self.weights(step, "bias", bias)?);
        }
        Ok(names)
    }

    fn pixel_norm(&mut self, name: &str, x: &str, output: &str, epsilon: f64) {
        let [square, mean, sum, root] =
            ["square", "mean", "sum", "root"].map(|part| format!("{name}.{part}"));
        self.node("Mul", &[x, x], &square, &[]);
        let keep = integer("keepdims", 1);
        if self.opset >= AXES_ARE_INPUTS {
            let axes = self.constant_integers(name, "axes", &[1]);
            self.node("ReduceMean", &[&square, &axes], &mean, &[keep]);
        } else {
            self.node("ReduceMean", &[&square], &mean, &[integers("axes", &[1]), keep]);
        }
        let epsilon = self.constant_floats(name, "epsilon", &[], &[epsilon as f32]);
        self.node("Add", &[&mean, &epsilon], &sum, &[]);
        self.node("Sqrt", &[&sum], &root, &[]);
        self.node("Div", &[x, &root], output, &[]);
    }

    /// A node, named after its output.
    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Message]) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
        let node = node.text(2, output).text(3, output).text(4, operator).messages(5, attributes);
        self.nodes.push(node);
    }

    /// A step's weights; returns their name.
    fn weights(&mut self, step: &str, part: &str, tensor: &Tensor) -> Result<String, ExportError> {
        Ok(self.initializer(step, part, FLOAT, &tensor.size(), &bytes_of(tensor)?))
    }

    fn constant_floats(&mut self, step: &str, part: &str, shape: &[i64], values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(step, part, FLOAT, shape, &bytes)
    }

    fn constant_integers(&mut self, step: &str, part: &str, values: &[i64]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(step, part, INT64, &[values.len() as i64], &bytes)
    }

    fn initializer(&mut self, step: &str, part: &str, kind: i64, shape: &[i64], bytes: &[u8]) -> String {
        let name = format!("{step}.{part}");
        let tensor = shape.iter().fold(Message::new(), |tensor, &size| tensor.integer(1, size));
        self.initializers.push(tensor.integer(2, kind).text(8, &name).bytes(9, bytes));
        name
    }
}

fn convolution_attributes(kernel_px: i64, stride: i64, padding_px: i64) -> [Message; 3] {
    [
        integers("kernel_shape", &[kernel_px; 2]),
        integers("pads", &[padding_px; 4]),
        integers("strides", &[stride; 2]),
    ]
}

/// `AttributeProto`s; field 20 is the type.
fn integer(name: &str, value: i64) -> Message {
    Message::new().text(1, name).integer(3, value).integer(20, 2)
}

fn float(name: &str, value: f64) -> Message {
    Message::new().text(1, name).float(2, value as f32).integer(20, 1)
}

fn string(name: &str, value: &str) -> Message {
    Message::new().text(1, name).text(4, value).integer(20, 3)
}

fn integers(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::new().text(1, name), |m, &value| m.integer(8, value)).integer(20, 7)
}

/// `ValueInfoProto` of a float tensor; a size that is not given is called `axis`.
fn value_info(name: &str, axis: &str, shape: &[Option<i64>]) -> Message {
    let shape = shape.iter().fold(Message::new(), |message, size| {
        let dimension = match size {
            Some(size) => Message::new().integer(1, *size),
            None => Message::new().text(2, axis),
        };
        message.message(1, &dimension)
    });
    let tensor = Message::new().integer(1, FLOAT).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}
