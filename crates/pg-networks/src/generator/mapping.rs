//! The mapping network, from z to w (arXiv:1812.04948, section 2).

use tch::{TchError, Tensor};

use crate::dense::{Dense, DenseLayer};
use crate::parameters::ParameterBuilder;
use crate::weight::{GAIN_RELU, WeightStyle};
use crate::{Architecture, StyleArchitecture, leaky_relu, pixel_norm};

/// Dense layers with leaky rectifiers, and the running mean of what they give.
#[derive(Debug)]
pub(super) struct Mapping {
    /// A vector as long as a latent for each label.
    labels: Option<Tensor>,
    layers: Vec<DenseLayer>,
    average: Tensor,
    average_decay: f64,
    latent_size: i64,
}

impl Mapping {
    pub(super) fn new(
        builder: &mut ParameterBuilder<'_>,
        architecture: &Architecture,
        style: &StyleArchitecture,
    ) -> Self {
        let size = i64::from(architecture.latent_size);
        let label_size = i64::from(architecture.label_size);
        let labels = (label_size > 0)
            .then(|| builder.normal("mapping.labels.weight".to_owned(), &[label_size, size], 1.0));
        let first = if labels.is_some() { 2 * size } else { size };
        let weights =
            WeightStyle { lr_multiplier: style.mapping_lr_multiplier, ..architecture.generator_weights() };
        let layers = (0..style.mapping_layers)
            .map(|k| {
                let inputs = if k == 0 { first } else { size };
                let name = format!("mapping.dense{k}");
                DenseLayer::new(builder, &name, (inputs, size), GAIN_RELU, size, weights)
            })
            .collect();
        let average = builder.buffer("mapping.average".to_owned(), &[size], 0.0);
        Self { labels, layers, average, average_decay: style.w_average_decay, latent_size: size }
    }

    pub(super) fn scaled(&self) -> MappingAt {
        MappingAt {
            labels: self.labels.as_ref().map(Tensor::shallow_clone),
            layers: self.layers.iter().map(DenseLayer::scaled).collect(),
            average: self.average.shallow_clone(),
            average_decay: self.average_decay,
            latent_size: self.latent_size,
        }
    }
}

/// A [`Mapping`] ready to run.
#[derive(Debug)]
pub(super) struct MappingAt {
    pub(super) labels: Option<Tensor>,
    pub(super) layers: Vec<Dense>,
    average: Tensor,
    average_decay: f64,
    latent_size: i64,
}

impl MappingAt {
    /// `[N,latent_size + label_size]` to w, `[N,latent_size]`: latents, and what the labels stand for, to unit mean
    /// square, then through the layers.
    pub(super) fn forward(&self, latents: &Tensor) -> Tensor {
        let mut x = match &self.labels {
            None => latents.shallow_clone(),
            Some(labels) => {
                let (z, label) = self.parts(latents);
                Tensor::cat(&[z, label.matmul(labels)], 1)
            }
        };
        x = pixel_norm(&x);
        for layer in &self.layers {
            x = leaky_relu(&layer.forward(&x));
        }
        x
    }

    fn parts(&self, latents: &Tensor) -> (Tensor, Tensor) {
        let labels = latents.size()[1] - self.latent_size;
        (latents.narrow(1, 0, self.latent_size), latents.narrow(1, self.latent_size, labels))
    }

    /// Lets the running mean follow the mean of `w` `[N,latent_size]`.
    pub(super) fn observe(&self, w: &Tensor) -> Result<(), TchError> {
        tch::no_grad(|| {
            let mean = w.mean_dim(0, false, None::<tch::Kind>);
            self.average.shallow_clone().f_lerp_(&mean, 1.0 - self.average_decay).map(drop)
        })
    }

    /// Numbers of a latent and its label.
    pub(super) fn input_size(&self) -> i64 {
        self.latent_size + self.labels.as_ref().map_or(0, |labels| labels.size()[0])
    }

    pub(super) fn average(&self) -> &Tensor {
        &self.average
    }
}
