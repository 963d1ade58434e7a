//! The style-based generator (arXiv:1812.04948, section 2) in the same plain loops.

use super::{Map, PlainNetwork};

/// What an image is drawn from: a latent for each layer, and noise `[side,side]` for each layer.
pub(crate) struct StyleInputs<'a> {
    pub(crate) latents: &'a [&'a [f64]],
    pub(crate) noise: &'a [Vec<f64>],
}

impl Map {
    /// [1 2 1] in both axes over 16, zeros beyond the edge.
    pub(super) fn blurred(&self) -> Self {
        let inside = |s: usize| (1..=self.side).contains(&s);
        Self::filled(self.channels, self.side, |c, y, x| {
            let mut sum = 0.0;
            for (dy, wy) in [1.0, 2.0, 1.0].into_iter().enumerate() {
                for (dx, wx) in [1.0, 2.0, 1.0].into_iter().enumerate() {
                    if inside(y + dy) && inside(x + dx) {
                        sum += wy * wx * self.at(c, y + dy - 1, x + dx - 1);
                    }
                }
            }
            sum / 16.0
        })
    }

    fn instance_normed(&self) -> Self {
        let pixels = (self.side * self.side) as f64;
        let mut values = Vec::new();
        for map in self.values.chunks(self.side * self.side) {
            let mean = map.iter().sum::<f64>() / pixels;
            let variance = map.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / pixels;
            values.extend(map.iter().map(|v| (v - mean) / (variance + 1e-8).sqrt()));
        }
        Self::new(self.channels, self.side, values)
    }
}

impl PlainNetwork {
    /// z to w: eight layers at most, as many as there are; their weights and biases act a hundredth as much.
    pub(crate) fn map(&self, latent: &[f64]) -> Vec<f64> {
        let square: f64 = latent.iter().map(|z| z * z).sum::<f64>() / latent.len() as f64;
        let mut x: Vec<f64> = latent.iter().map(|z| z / (square + 1e-8).sqrt()).collect();
        let mut k = 0;
        while let Some(weight) = self.weights.get(&format!("mapping.dense{k}.weight")) {
            let bias = &self.weights[&format!("mapping.dense{k}.bias")];
            let scale = 2.0_f64.sqrt() / (x.len() as f64).sqrt() * 0.01;
            x = bias
                .iter()
                .zip(weight.chunks(x.len()))
                .map(|(bias, row)| {
                    let product: f64 = row.iter().zip(&x).map(|(w, x)| w * scale * x).sum();
                    product + bias * 0.01
                })
                .map(|v: f64| v.max(0.2 * v))
                .collect();
            k += 1;
        }
        x
    }

    /// Noise, bias, rectifier, instance norm, style.
    fn finished(&self, name: &str, layer: usize, x: &Map, inputs: &StyleInputs<'_>) -> Map {
        let bias = &self.weights[&format!("{name}.bias")];
        let strength = &self.weights[&format!("{name}.noise")];
        let noise = &inputs.noise[layer];
        let x = Map::filled(x.channels, x.side, |c, y, xx| {
            x.at(c, y, xx) + strength[c] * noise[y * x.side + xx] + bias[c]
        });
        let x = x.rectified().instance_normed();
        let style = self.dense(&format!("{name}.style"), &self.map(inputs.latents[layer]), 1.0);
        Map::filled(x.channels, x.side, |c, y, xx| x.at(c, y, xx) * (style[c] + 1.0) + style[x.channels + c])
    }

    /// [`PlainNetwork::conv`] without its bias.
    fn unbiased(&self, name: &str, x: &Map) -> Map {
        let biased = self.conv(name, x, 3, 2.0_f64.sqrt());
        let bias = &self.weights[&format!("{name}.bias")];
        Map::filled(biased.channels, biased.side, |c, y, xx| biased.at(c, y, xx) - bias[c])
    }

    /// The image at level `side`, faded in by `fade_in`.
    pub(crate) fn generate_styled(&self, inputs: &StyleInputs<'_>, side: usize, fade_in: f64) -> Map {
        let constant = Map::new(self.maps(4), 4, self.weights["r0004.const.value"].clone());
        let mut x = self.finished("r0004.const", 0, &constant, inputs);
        x = self.finished("r0004.conv", 1, &self.unbiased("r0004.conv", &x), inputs);
        let mut image = self.conv("r0004.to_rgb", &x, 1, 1.0);
        let (mut px, mut layer) = (8, 2);
        while px <= side {
            let name = format!("r{px:04}.conv0_up");
            x = self.finished(&name, layer, &self.unbiased(&name, &x.doubled()).blurred(), inputs);
            let name = format!("r{px:04}.conv1");
            x = self.finished(&name, layer + 1, &self.unbiased(&name, &x), inputs);
            let new = self.conv(&format!("r{px:04}.to_rgb"), &x, 1, 1.0);
            image = if px == side { image.doubled().mixed(&new, fade_in) } else { new };
            px *= 2;
            layer += 2;
        }
        image
    }
}
