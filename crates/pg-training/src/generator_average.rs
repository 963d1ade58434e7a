//! The running average of the generator's weights, used for all sampling
//! (arXiv:1710.10196, appendix A: exponential with decay 0.999; arXiv:1812.04948: half-life of 10000 images).

use pg_networks::{Generator, GrowthState};
use tch::Device;

use crate::TrainingError;

/// A second generator whose weights trail behind the trained one's.
#[derive(Debug)]
pub struct GeneratorAverage {
    average: Generator,
}

impl GeneratorAverage {
    /// Starts as a copy of `generator`.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(generator: &Generator, device: Device) -> Result<Self, TrainingError> {
        let average = Generator::new(generator.architecture(), device, &mut |count| vec![0.0; count]);
        average.parameters().copy_from(generator.parameters())?;
        Ok(Self { average })
    }

    /// average += (1 - decay) (weight - average) for the active weights, in place. Inactive weights
    /// do not change in the generator, so their copies stay exact.
    ///
    /// # Errors
    /// libtorch's.
    pub fn update(
        &mut self,
        generator: &Generator,
        state: GrowthState,
        decay: f64,
    ) -> Result<(), TrainingError> {
        tch::no_grad(|| {
            let current = generator.active(state);
            for ((_, average), (_, weight)) in self.average.active(state).into_iter().zip(current) {
                let _ = average.shallow_clone().f_lerp_(weight, 1.0 - decay)?;
            }
            // Running statistics are no weights: the newest are the best.
            for ((_, average), (_, now)) in
                self.average.parameters().buffers().zip(generator.parameters().buffers())
            {
                average.shallow_clone().f_copy_(now)?;
            }
            Ok(())
        })
    }

    /// The averaged generator.
    #[must_use]
    pub fn generator(&self) -> &Generator {
        &self.average
    }
}
