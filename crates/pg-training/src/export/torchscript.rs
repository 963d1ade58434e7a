//! A generator as a TorchScript module: an archive of its code, as TorchScript's Python, and of its weights.
//!
//! Written rather than traced: the weights are parameters with names that move between devices, and nothing depends on
//! the size of a batch that was traced.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use pg_networks::{GeneratorOperation, GeneratorProgram, GeneratorStep};
use tch::Tensor;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::pickle::Pickle;
use super::weights::bytes_of;
use super::{ExportError, ExportMetadata, Sizes};

/// The folder that all records lie in.
const ARCHIVE: &str = "generator";
/// Version of TorchScript's archives; later ones changed only operators that no generator uses.
const ARCHIVE_VERSION: &str = "3\n";
/// What Python gets with `torch.jit.load(path, _extra_files={"pg.json": ""})`.
const METADATA: &str = "extra/pg.json";

/// The archive's bytes.
pub(super) fn encode(
    program: &GeneratorProgram,
    sizes: Sizes,
    metadata: &ExportMetadata,
) -> Result<Vec<u8>, ExportError> {
    let mut script = Script::default();
    let inputs: Vec<&str> = program.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut values: Vec<String> = inputs.iter().map(|&name| name.to_owned()).collect();
    for (index, step) in program.steps.iter().enumerate() {
        let inputs: Vec<&str> = step.inputs.iter().map(|&value| values[value].as_str()).collect();
        let expression = script.expression(step, &inputs);
        let value = format!("x{}", index + 1);
        // Infallible: a string takes any text.
        let _ = writeln!(script.body, "    {value} = {expression}");
        values.push(value);
    }
    let result = values.last().map_or("", String::as_str);
    let integers = [
        ("latent_size", sizes.latent),
        ("label_size", sizes.label),
        ("channels", sizes.channels),
        ("resolution", sizes.side_px),
    ];
    let code = script.class(&integers, &inputs, result);
    let described: serde_json::Map<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();

    let mut archive = Archive::new();
    archive.record("data.pkl", &script.attributes(&integers))?;
    archive.record("code/__torch__.py", code.as_bytes())?;
    for (key, (_, tensor)) in script.tensors().enumerate() {
        archive.record(&format!("data/{key}"), &bytes_of(tensor)?)?;
    }
    let mut constants = Pickle::new();
    constants.empty_tuple();
    archive.record("constants.pkl", &constants.finish())?;
    archive.record(METADATA, format!("{:#}\n", serde_json::Value::Object(described)).as_bytes())?;
    archive.record("version", ARCHIVE_VERSION.as_bytes())?;
    archive.finish()
}

/// A class in the making.
#[derive(Default)]
struct Script<'a> {
    parameters: Vec<(String, &'a Tensor)>,
    buffers: Vec<(String, &'a Tensor)>,
    body: String,
}

impl<'a> Script<'a> {
    /// What a step's value is; its weights become the module's.
    fn expression(&mut self, step: &'a GeneratorStep, inputs: &[&str]) -> String {
        let x = inputs.first().copied().unwrap_or_default();
        let mut weight = |part: &str, tensor: &'a Tensor| named(&mut self.parameters, step, part, tensor);
        match &step.operation {
            GeneratorOperation::PixelNorm { epsilon } => {
                let mean = format!("torch.mean(torch.mul({x}, {x}), [1], True)");
                format!("torch.mul({x}, torch.rsqrt(torch.add({mean}, {epsilon:?})))")
            }
            GeneratorOperation::Dense { weight: w, bias, side_px } => {
                let maps = bias.size()[0] / (side_px * side_px);
                let (w, b) = (weight("weight", w), weight("bias", bias));
                format!("torch.reshape(torch.linear({x}, {w}, {b}), [-1, {maps}, {side_px}, {side_px}])")
            }
            GeneratorOperation::Convolution { weight: w, bias, padding_px: p } => {
                let w = weight("weight", w);
                let b = bias.as_ref().map_or("None".to_owned(), |bias| weight("bias", bias));
                format!("torch.conv2d({x}, {w}, {b}, [1, 1], [{p}, {p}])")
            }
            GeneratorOperation::DoublingConvolution { weight: w, bias } => {
                let w = weight("weight", w);
                let b = bias.as_ref().map_or("None".to_owned(), |bias| weight("bias", bias));
                format!("torch.conv_transpose2d({x}, {w}, {b}, [2, 2], [1, 1])")
            }
            GeneratorOperation::BatchNorm { weight: w, bias, mean, variance, epsilon } => {
                let (w, b) = (weight("weight", w), weight("bias", bias));
                let mut buffer = |part, tensor: &'a Tensor| named(&mut self.buffers, step, part, tensor);
                let (m, v) = (buffer("mean", mean), buffer("variance", variance));
                format!("torch.batch_norm({x}, {w}, {b}, {m}, {v}, False, 0.1, {epsilon:?}, False)")
            }
            GeneratorOperation::LeakyRelu { slope } => format!("torch.leaky_relu({x}, {slope:?})"),
            GeneratorOperation::Doubling => format!("torch.upsample_nearest2d({x}, None, [2.0, 2.0])"),
            GeneratorOperation::Mix { share } => {
                format!("torch.lerp({x}, {}, {share:?})", inputs.get(1).copied().unwrap_or(x))
            }
            other => self.style_expression(step, inputs, other),
        }
    }

    /// Of the steps that only style-based generators have.
    fn style_expression(
        &mut self,
        step: &'a GeneratorStep,
        inputs: &[&str],
        operation: &'a GeneratorOperation,
    ) -> String {
        let x = inputs.first().copied().unwrap_or_default();
        let second = inputs.get(1).copied();
        let mut weight = |part: &str, tensor: &'a Tensor| named(&mut self.parameters, step, part, tensor);
        match operation {
            GeneratorOperation::Linear { weight: w, bias } => {
                let (w, b) = (weight("weight", w), weight("bias", bias));
                format!("torch.linear({x}, {w}, {b})")
            }
            GeneratorOperation::EmbeddedLabels { weight: w } => {
                let (labels, latent) = (w.size()[0], w.size()[1]);
                let w = weight("weight", w);
                let part = |from: i64, to: i64| format!("torch.slice({x}, 1, {from}, {to}, 1)");
                let (z, label) = (part(0, latent), part(latent, latent + labels));
                format!("torch.cat([{z}, torch.matmul({label}, {w})], 1)")
            }
            GeneratorOperation::Layer { layer } => format!("torch.select({x}, 1, {layer})"),
            GeneratorOperation::Constant { value } => {
                format!("torch.expand({}, [torch.size({x}, 0), -1, -1, -1])", weight("value", value))
            }
            GeneratorOperation::Blur { kernel } => {
                let channels = kernel.size()[0];
                let kernel = named(&mut self.buffers, step, "kernel", kernel);
                format!("torch.conv2d({x}, {kernel}, None, [1, 1], [1, 1], [1, 1], {channels})")
            }
            GeneratorOperation::Noise { strength, values } => {
                let strength = weight("strength", strength);
                let noise = match (second, values) {
                    (Some(noise), _) => noise.to_owned(),
                    (None, Some(values)) => named(&mut self.buffers, step, "values", values),
                    (None, None) => strength.clone(),
                };
                format!("torch.add({x}, torch.mul({noise}, {strength}))")
            }
            GeneratorOperation::Bias { bias } => format!("torch.add({x}, {})", weight("bias", bias)),
            GeneratorOperation::InstanceNorm { epsilon, .. } => {
                format!("torch.instance_norm({x}, None, None, None, None, True, 0.1, {epsilon:?}, False)")
            }
            GeneratorOperation::Modulation { channels: c } => {
                let parts = format!("torch.reshape({}, [-1, {}, 1, 1])", second.unwrap_or_default(), 2 * c);
                let scale = format!("torch.add(torch.slice({parts}, 1, 0, {c}, 1), 1.0)");
                format!("torch.add(torch.mul({x}, {scale}), torch.slice({parts}, 1, {c}, {}, 1))", 2 * c)
            }
            _ => x.to_owned(),
        }
    }

    /// All weights, in the order of the records that hold them.
    fn tensors(&self) -> impl Iterator<Item = &(String, &'a Tensor)> {
        self.parameters.iter().chain(&self.buffers)
    }

    fn class(&self, integers: &[(&str, i64)], inputs: &[&str], result: &str) -> String {
        let names = |list: &[(String, &Tensor)]| -> String {
            let quoted: Vec<String> = list.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            quoted.join(", ")
        };
        let mut code = format!(
            "class Generator(Module):\n  __parameters__ = [{}]\n  __buffers__ = [{}]\n",
            names(&self.parameters),
            names(&self.buffers)
        );
        let tensors = self.tensors().map(|(name, _)| (name.as_str(), "Tensor"));
        let numbers = integers.iter().map(|(name, _)| (*name, "int"));
        for (name, kind) in tensors.chain(numbers).chain([("training", "bool")]) {
            let _ = writeln!(code, "  {name} : {kind}");
        }
        let _ = write!(
            code,
            "  def forward(self: __torch__.Generator,\n    {}) -> Tensor:\n{}    return {result}\n",
            inputs.iter().map(|name| format!("{name}: Tensor")).collect::<Vec<_>>().join(",\n    "),
            self.body
        );
        code
    }

    fn attributes(&self, integers: &[(&str, i64)]) -> Vec<u8> {
        let mut pickle = Pickle::new();
        pickle.object("__torch__", "Generator", |p| {
            for (key, (name, tensor)) in self.tensors().enumerate() {
                p.text(name);
                p.tensor(&key.to_string(), &tensor.size());
            }
            for (name, value) in integers {
                p.text(name);
                p.integer(*value);
            }
            p.text("training");
            p.boolean(false);
        });
        pickle.finish()
    }
}

/// Adds a step's tensor to `list`; returns how code refers to it.
fn named<'a>(
    list: &mut Vec<(String, &'a Tensor)>,
    step: &GeneratorStep,
    part: &str,
    tensor: &'a Tensor,
) -> String {
    // Attributes have no dots.
    let name = format!("{}_{part}", step.name.replace('.', "_"));
    let reference = format!("self.{name}");
    list.push((name, tensor));
    reference
}

/// The archive in the making: a zip without compression.
struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    fn record(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        // No time of day: the same generator makes the same bytes. Aligned as libtorch does, for mapped reading.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .with_alignment(64);
        self.0.start_file(format!("{ARCHIVE}/{name}"), options)?;
        self.0.write_all(bytes).map_err(zip::result::ZipError::from)?;
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, ExportError> {
        Ok(self.0.finish()?.into_inner())
    }
}
