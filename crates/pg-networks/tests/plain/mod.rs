//! The networks as the paper and its program define them, in plain loops: nearest doubling, then a
//! convolution; a convolution, then 2x2 means; nothing fused, one image at a time, f64.

mod style;

use std::collections::HashMap;

pub(crate) use style::StyleInputs;

/// Feature maps of one image, `[C,S,S]`.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    channels: usize,
    side: usize,
    pub(crate) values: Vec<f64>,
}

impl Map {
    pub(crate) fn new(channels: usize, side: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), channels * side * side);
        Self { channels, side, values }
    }

    fn filled(channels: usize, side: usize, mut value: impl FnMut(usize, usize, usize) -> f64) -> Self {
        let mut values = Vec::new();
        for c in 0..channels {
            for y in 0..side {
                for x in 0..side {
                    values.push(value(c, y, x));
                }
            }
        }
        Self { channels, side, values }
    }

    fn at(&self, c: usize, y: usize, x: usize) -> f64 {
        self.values[(c * self.side + y) * self.side + x]
    }

    fn doubled(&self) -> Self {
        Self::filled(self.channels, 2 * self.side, |c, y, x| self.at(c, y / 2, x / 2))
    }

    fn halved(&self) -> Self {
        Self::filled(self.channels, self.side / 2, |c, y, x| {
            let block = [(0, 0), (0, 1), (1, 0), (1, 1)];
            block.iter().map(|(dy, dx)| self.at(c, 2 * y + dy, 2 * x + dx)).sum::<f64>() / 4.0
        })
    }

    fn rectified(mut self) -> Self {
        for value in &mut self.values {
            *value = value.max(0.2 * *value);
        }
        self
    }

    fn pixel_normed(&self) -> Self {
        Self::filled(self.channels, self.side, |c, y, x| {
            let square: f64 = (0..self.channels).map(|k| self.at(k, y, x).powi(2)).sum();
            self.at(c, y, x) / (square / self.channels as f64 + 1e-8).sqrt()
        })
    }

    fn mixed(&self, new: &Self, share: f64) -> Self {
        Self::filled(self.channels, self.side, |c, y, x| {
            self.at(c, y, x) + share * (new.at(c, y, x) - self.at(c, y, x))
        })
    }
}

pub(crate) struct PlainNetwork {
    fmap_base: usize,
    fmap_max: usize,
    weights: HashMap<String, Vec<f64>>,
    /// Blurred before each halving, as beside a style-based generator.
    filtered: bool,
}

impl PlainNetwork {
    pub(crate) fn new(fmap_base: usize, fmap_max: usize, weights: HashMap<String, Vec<f64>>) -> Self {
        Self { fmap_base, fmap_max, weights, filtered: false }
    }

    pub(crate) fn filtered(mut self) -> Self {
        self.filtered = true;
        self
    }

    fn maps(&self, side: usize) -> usize {
        let stage = side.ilog2() - 1;
        (self.fmap_base >> stage).min(self.fmap_max)
    }

    /// A convolution of `kernel` x `kernel`, zeros beyond the edge, weights scaled by gain / sqrt(fan in).
    fn conv(&self, name: &str, x: &Map, kernel: usize, gain: f64) -> Map {
        let (weight, bias) =
            (&self.weights[&format!("{name}.weight")], &self.weights[&format!("{name}.bias")]);
        let scale = gain / ((x.channels * kernel * kernel) as f64).sqrt();
        Map::filled(bias.len(), x.side, |o, y, xx| {
            let mut sum = bias[o];
            for c in 0..x.channels {
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (sy, sx) = (y + ky, xx + kx);
                        let edge = kernel / 2;
                        let inside = |s: usize| s >= edge && s - edge < x.side;
                        if inside(sy) && inside(sx) {
                            let w = weight[((o * x.channels + c) * kernel + ky) * kernel + kx];
                            sum += scale * w * x.at(c, sy - edge, sx - edge);
                        }
                    }
                }
            }
            sum
        })
    }

    fn dense(&self, name: &str, x: &[f64], gain: f64) -> Vec<f64> {
        let weight = &self.weights[&format!("{name}.weight")];
        let bias = &self.weights[&format!("{name}.bias")];
        let scale = gain / (x.len() as f64).sqrt();
        let outputs = weight.len() / x.len();
        // The generator's first layer shares a bias over the 16 positions of a map.
        (0..outputs)
            .map(|o| {
                let row = &weight[o * x.len()..][..x.len()];
                let product: f64 = row.iter().zip(x).map(|(w, x)| scale * w * x).sum();
                product + bias[o * bias.len() / outputs]
            })
            .collect()
    }

    /// The image of a latent at level `side`, faded in by `fade_in`.
    pub(crate) fn generate(&self, latent: &[f64], side: usize, fade_in: f64) -> Map {
        let relu = 2.0_f64.sqrt();
        let square: f64 = latent.iter().map(|z| z * z).sum::<f64>() / latent.len() as f64;
        let latent: Vec<f64> = latent.iter().map(|z| z / (square + 1e-8).sqrt()).collect();
        let x = self.dense("r0004.dense", &latent, relu / 4.0);
        let mut x = Map::new(self.maps(4), 4, x).rectified().pixel_normed();
        x = self.conv("r0004.conv", &x, 3, relu).rectified().pixel_normed();
        let mut image = self.conv("r0004.to_rgb", &x, 1, 1.0);
        let mut px = 8;
        while px <= side {
            x = self.conv(&format!("r{px:04}.conv0_up"), &x.doubled(), 3, relu).rectified().pixel_normed();
            x = self.conv(&format!("r{px:04}.conv1"), &x, 3, relu).rectified().pixel_normed();
            let new = self.conv(&format!("r{px:04}.to_rgb"), &x, 1, 1.0);
            image = if px == side { image.doubled().mixed(&new, fade_in) } else { new };
            px *= 2;
        }
        image
    }

    /// Scores of a minibatch, in groups of images n, n + N/G, n + 2N/G, … for the standard deviation.
    pub(crate) fn scores(&self, images: &[Map], fade_in: f64, group: usize) -> Vec<f64> {
        let features: Vec<Map> = images.iter().map(|image| self.features(image, fade_in)).collect();
        let groups = images.len() / group;
        let deviation: Vec<f64> = (0..groups)
            .map(|first| {
                let count = features[0].values.len();
                let sum: f64 = (0..count)
                    .map(|index| {
                        let values: Vec<f64> =
                            (0..group).map(|k| features[first + k * groups].values[index]).collect();
                        let mean = values.iter().sum::<f64>() / group as f64;
                        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / group as f64;
                        (variance + 1e-8).sqrt()
                    })
                    .sum();
                sum / count as f64
            })
            .collect();
        features
            .iter()
            .enumerate()
            .map(|(image, x)| {
                let mut values = x.values.clone();
                values.extend([deviation[image % groups]; 16]);
                let relu = 2.0_f64.sqrt();
                let x = Map::new(x.channels + 1, 4, values);
                let x = self.conv("r0004.conv", &x, 3, relu).rectified();
                let x: Vec<f64> = self.dense("r0004.dense", &x.values, relu);
                let x: Vec<f64> = x.into_iter().map(|v| v.max(0.2 * v)).collect();
                self.dense("r0004.score", &x, 1.0)[0]
            })
            .collect()
    }

    /// An image's features at 4 px.
    fn features(&self, image: &Map, fade_in: f64) -> Map {
        let relu = 2.0_f64.sqrt();
        let from_rgb =
            |image: &Map| self.conv(&format!("r{:04}.from_rgb", image.side), image, 1, relu).rectified();
        let mut x = from_rgb(image);
        let mut px = image.side;
        while px > 4 {
            x = self.conv(&format!("r{px:04}.conv0"), &x, 3, relu).rectified();
            if self.filtered {
                x = x.blurred();
            }
            x = self.conv(&format!("r{px:04}.conv1_down"), &x, 3, relu).halved().rectified();
            if px == image.side {
                x = from_rgb(&image.halved()).mixed(&x, fade_in);
            }
            px /= 2;
        }
        x
    }
}
