//! Named weights of a network, in a fixed order.

use tch::{Device, Kind, Tensor};

use crate::NetworkError;

/// Draws `count` independent numbers from N(0, 1).
pub type NormalSource<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

/// All weights of a network: names like `r0016.conv0.weight`, leaf tensors that carry gradients; and a few
/// numbers that are not trained (running statistics), which carry none.
///
/// The order is that of construction, coarse to fine, and is the same for equal architectures.
#[derive(Debug, Default)]
pub struct Parameters {
    entries: Vec<(String, Tensor)>,
}

impl Parameters {
    /// The weights of several parts of a network, in order.
    pub(crate) fn joined(parts: Vec<Self>) -> Self {
        Self { entries: parts.into_iter().flat_map(|part| part.entries).collect() }
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Those of [`Self::iter`] that are trained.
    pub fn trained(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(_, tensor)| tensor.requires_grad())
    }

    /// Those of [`Self::iter`] that are not trained: running statistics.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(_, tensor)| !tensor.requires_grad())
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of scalar weights in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Copies the values of equally named tensors into these weights, in place.
    ///
    /// # Errors
    /// [`NetworkError::Weights`] for the first weight that is missing or has another shape; the
    /// weights before it have been copied by then.
    pub fn load(&self, values: &[(String, Tensor)]) -> Result<(), NetworkError> {
        for (name, tensor) in &self.entries {
            let wrong =
                |found: String| NetworkError::Weights { name: name.clone(), expected: tensor.size(), found };
            let value = values.iter().find(|(other, _)| other == name);
            let (_, value) = value.ok_or_else(|| wrong("nothing under this name".to_owned()))?;
            if value.size() != tensor.size() {
                return Err(wrong(format!("{:?}", value.size())));
            }
            tch::no_grad(|| tensor.shallow_clone().f_copy_(value))?;
        }
        Ok(())
    }

    /// Copies all values from the same network's other copy, in place.
    ///
    /// # Errors
    /// [`NetworkError::Weights`] when the two differ in shape.
    pub fn copy_from(&self, other: &Parameters) -> Result<(), NetworkError> {
        let values: Vec<_> = other.iter().map(|(n, t)| (n.to_owned(), t.shallow_clone())).collect();
        self.load(&values)
    }
}

/// Adds weights to a network under construction.
pub(crate) struct ParameterBuilder<'a> {
    parameters: Parameters,
    device: Device,
    draw: NormalSource<'a>,
}

impl<'a> ParameterBuilder<'a> {
    pub(crate) fn new(device: Device, draw: NormalSource<'a>) -> Self {
        Self { parameters: Parameters::default(), device, draw }
    }

    /// A weight drawn from N(0, deviation^2).
    pub(crate) fn normal(&mut self, name: String, shape: &[i64], deviation: f64) -> Tensor {
        let count: i64 = shape.iter().product();
        let mut values = Tensor::from_slice(&(self.draw)(count as usize)).reshape(shape);
        if deviation != 1.0 {
            values *= deviation;
        }
        if shape.len() == 4 {
            // In memory [outputs,H,W,inputs]: the order that convolutions read.
            values = values.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        }
        self.leaf(name, &values)
    }

    /// A weight that starts at 0.
    pub(crate) fn zeros(&mut self, name: String, shape: &[i64]) -> Tensor {
        self.constant(name, shape, 0.0)
    }

    /// A weight that starts at `value`.
    pub(crate) fn constant(&mut self, name: String, shape: &[i64], value: f64) -> Tensor {
        self.leaf(name, &Tensor::full(shape, value, (Kind::Float, Device::Cpu)))
    }

    /// Numbers that belong to the network but are not trained; they start at `value`.
    pub(crate) fn buffer(&mut self, name: String, shape: &[i64], value: f64) -> Tensor {
        let values = Tensor::full(shape, value, (Kind::Float, Device::Cpu));
        self.add(name, values.to_device(self.device))
    }

    /// [`Self::buffer`] that starts with numbers from N(0, 1).
    pub(crate) fn buffer_normal(&mut self, name: String, shape: &[i64]) -> Tensor {
        let count: i64 = shape.iter().product();
        let values = Tensor::from_slice(&(self.draw)(count as usize)).reshape(shape);
        self.add(name, values.to_device(self.device))
    }

    /// All weights, in the order they were added.
    pub(crate) fn finish(self) -> Parameters {
        self.parameters
    }

    fn leaf(&mut self, name: String, values: &Tensor) -> Tensor {
        self.add(name, values.to_device(self.device).set_requires_grad(true))
    }

    fn add(&mut self, name: String, tensor: Tensor) -> Tensor {
        let shared = tensor.shallow_clone();
        self.parameters.entries.push((name, tensor));
        shared
    }
}
