//! The small network of experiments in the plane (arXiv:1704.00028, section 3).

use tch::{Device, Tensor};

use crate::parameters::{NormalSource, ParameterBuilder, Parameters};

/// Fully connected layers with rectifiers between them and a linear output.
///
/// Weights are drawn from N(0, 2 / fan_in), He's initialiser, and not scaled at run time; biases
/// start at 0.
#[derive(Debug)]
pub struct ToyMlp {
    parameters: Parameters,
    /// Weight `[outputs,inputs]` and bias `[outputs]` of each layer.
    layers: Vec<(Tensor, Tensor)>,
}

impl ToyMlp {
    /// A network whose layers have `sizes[0]` inputs, then `sizes[1]`, … outputs, weights from `draw`.
    pub fn new(sizes: &[i64], device: Device, draw: NormalSource<'_>) -> Self {
        let mut initial = |count: usize, inputs: i64| {
            let scale = (2.0 / inputs as f64).sqrt() as f32;
            draw(count).into_iter().map(|number| number * scale).collect::<Vec<f32>>()
        };
        // The builder draws plain normal numbers: scaled ones come through its source.
        let mut layers = Vec::new();
        let mut parameters = Vec::new();
        for (index, pair) in sizes.windows(2).enumerate() {
            let &[inputs, outputs] = pair else { continue };
            let mut source = |count| initial(count, inputs);
            let mut builder = ParameterBuilder::new(device, &mut source);
            let weight = builder.normal(format!("layer{index}.weight"), &[outputs, inputs], 1.0);
            let bias = builder.zeros(format!("layer{index}.bias"), &[outputs]);
            parameters.push(builder.finish());
            layers.push((weight, bias));
        }
        Self { parameters: Parameters::joined(parameters), layers }
    }

    /// The weights.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// `[N,inputs]` to `[N,outputs]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut y = x.shallow_clone();
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            y = y.linear(weight, Some(bias));
            if index + 1 < self.layers.len() {
                y = y.relu();
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_affine_maps_with_rectifiers_between() {
        let mut draw = |count| vec![1.0; count];
        let network = ToyMlp::new(&[2, 3, 1], Device::Cpu, &mut draw);
        let names: Vec<&str> = network.parameters().iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["layer0.weight", "layer0.bias", "layer1.weight", "layer1.bias"]);
        // Weights 1 in the first layer, sqrt(2/3) in the second.
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 1.0, -4.0]).view([2, 2]);
        let y = Vec::<f32>::try_from(network.forward(&x).flatten(0, -1)).unwrap();
        assert!((y[0] - 9.0 * (2.0_f32 / 3.0).sqrt()).abs() < 1e-5 && y[1] == 0.0, "{y:?}");
    }
}
