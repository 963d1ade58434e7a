//! Gradients averaged over ranks, in buckets that travel while the backward pass still runs.

use pg_networks::gradients_as_they_arrive;
use tch::{Device, TchError, Tensor};

use crate::TrainingError;
use crate::ranks::Ranks;

/// Numbers in a bucket: 4 MiB, long enough that the time to start a sum does not count.
const BUCKET_NUMBERS: usize = 1 << 20;

/// The gradients of `loss` `[]` for `weights`, one by one.
pub(crate) fn gradients_of(loss: &Tensor, weights: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, TrainingError> {
    let inputs: Vec<&Tensor> = weights.iter().map(|(_, weight)| *weight).collect();
    Ok(Tensor::f_run_backward(&[loss], &inputs, false, false)?)
}

/// How gradients are cut into buckets and sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GradientSums {
    /// A bucket is closed when it has as many numbers.
    pub(crate) bucket_numbers: usize,
    /// Sums start while the backward pass runs; else all of them after it.
    pub(crate) overlapping: bool,
}

impl Default for GradientSums {
    fn default() -> Self {
        Self { bucket_numbers: BUCKET_NUMBERS, overlapping: true }
    }
}

/// Means over the ranks.
#[derive(Debug)]
pub(crate) struct Averaged {
    /// Of the gradients, one for each weight.
    pub(crate) gradients: Vec<Tensor>,
    /// Of the further tensors.
    pub(crate) further: Vec<Tensor>,
}

impl GradientSums {
    /// The gradients of `loss` `[]`, the mean of this rank's images, for `weights`, and the tensors `further`, all
    /// averaged over `ranks`. `order` are the indices of `weights` in about the order in which their gradients become
    /// complete; it must be the same on all ranks.
    pub(crate) fn averaged(
        self,
        ranks: &mut dyn Ranks,
        loss: &Tensor,
        weights: &[(&str, &Tensor)],
        order: &[usize],
        further: &[Tensor],
    ) -> Result<Averaged, TrainingError> {
        if ranks.count() == 1 {
            let gradients = gradients_of(loss, weights)?;
            return Ok(Averaged { gradients, further: further.iter().map(Tensor::shallow_clone).collect() });
        }
        let inputs: Vec<&Tensor> = weights.iter().map(|(_, weight)| *weight).collect();
        let scale = 1.0 / ranks.count() as f64;
        let mut sender = Sender::new(ranks, &inputs, self.buckets(&inputs, order));
        let device = loss.device();
        let mut early: Vec<(usize, Tensor)> = Vec::new();
        gradients_as_they_arrive(loss, &inputs, &mut |index, gradient| {
            if self.overlapping {
                sender.take(index, &gradient);
            } else {
                early.push((index, gradient));
            }
        })?;
        for (index, gradient) in early {
            sender.take(index, &gradient);
        }
        let buckets = sender.finish()?;
        let all: Vec<Tensor> = further.iter().map(|t| t.flatten(0, -1)).collect();
        ranks.start_sum(Tensor::f_cat(&all, 0)?)?;

        let mut gradients: Vec<Option<Tensor>> = inputs.iter().map(|_| None).collect();
        for bucket in &buckets {
            let parts = averages(&ranks.finish_sum()?, scale, device, bucket.iter().map(|&i| inputs[i]))?;
            for (&index, part) in bucket.iter().zip(&parts) {
                gradients[index] = Some(MemoryOrder::of(inputs[index]).shaped(part)?);
            }
        }
        let parts = averages(&ranks.finish_sum()?, scale, device, further.iter())?;
        let further = further.iter().zip(&parts).map(|(tensor, part)| part.f_reshape(tensor.size()));
        let further = further.collect::<Result<_, TchError>>()?;
        // All are there: a weight without a gradient has been an error of the backward pass.
        Ok(Averaged { gradients: gradients.into_iter().flatten().collect(), further })
    }

    /// Indices of weights by bucket.
    fn buckets(self, weights: &[&Tensor], order: &[usize]) -> Vec<Vec<usize>> {
        let mut buckets: Vec<Vec<usize>> = Vec::new();
        let mut numbers = self.bucket_numbers;
        for &index in order {
            if numbers >= self.bucket_numbers {
                buckets.push(Vec::new());
                numbers = 0;
            }
            numbers += weights[index].numel();
            if let Some(bucket) = buckets.last_mut() {
                bucket.push(index);
            }
        }
        buckets
    }
}

/// Sends buckets off as they become complete, in their order.
struct Sender<'a> {
    ranks: &'a mut dyn Ranks,
    orders: Vec<MemoryOrder>,
    buckets: Vec<Vec<usize>>,
    /// Flat gradients by weight, until they are sent.
    waiting: Vec<Option<Tensor>>,
    sent: usize,
    error: Option<TrainingError>,
}

impl<'a> Sender<'a> {
    fn new(ranks: &'a mut dyn Ranks, weights: &[&Tensor], buckets: Vec<Vec<usize>>) -> Self {
        Self {
            ranks,
            orders: weights.iter().map(|weight| MemoryOrder::of(weight)).collect(),
            buckets,
            waiting: weights.iter().map(|_| None).collect(),
            sent: 0,
            error: None,
        }
    }

    fn take(&mut self, index: usize, gradient: &Tensor) {
        if self.error.is_none()
            && let Err(error) = self.take_or_fail(index, gradient)
        {
            self.error = Some(error);
        }
    }

    fn take_or_fail(&mut self, index: usize, gradient: &Tensor) -> Result<(), TrainingError> {
        self.waiting[index] = Some(self.orders[index].flat(gradient)?);
        // The others start the same sums: a bucket waits for those before it.
        while let Some(bucket) = self.buckets.get(self.sent) {
            if bucket.iter().any(|&index| self.waiting[index].is_none()) {
                break;
            }
            let parts: Vec<Tensor> = bucket.iter().filter_map(|&index| self.waiting[index].take()).collect();
            // Also of one: a gradient may lie in memory that others see.
            self.ranks.start_sum(Tensor::f_cat(&parts, 0)?)?;
            self.sent += 1;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Vec<usize>>, TrainingError> {
        self.error.map_or(Ok(self.buckets), Err)
    }
}

/// The order of a weight's dimensions in memory, slowest first: gradients travel and come back as the weight lies, so
/// that the optimiser reads both in one go.
struct MemoryOrder {
    dimensions: Vec<i64>,
    size: Vec<i64>,
}

impl MemoryOrder {
    fn of(weight: &Tensor) -> Self {
        let (strides, size) = (weight.stride(), weight.size());
        let mut dimensions: Vec<i64> = (0..size.len() as i64).collect();
        dimensions.sort_by_key(|&d| std::cmp::Reverse(strides[d as usize]));
        Self { dimensions, size }
    }

    fn flat(&self, gradient: &Tensor) -> Result<Tensor, TchError> {
        gradient.f_permute(&self.dimensions)?.f_reshape([-1])
    }

    fn shaped(&self, flat: &Tensor) -> Result<Tensor, TchError> {
        let permuted: Vec<i64> = self.dimensions.iter().map(|&d| self.size[d as usize]).collect();
        let mut back = vec![0; self.dimensions.len()];
        for (place, &dimension) in self.dimensions.iter().enumerate() {
            back[dimension as usize] = place as i64;
        }
        flat.f_view(permuted.as_slice())?.f_permute(back)
    }
}

/// `sum` `[N]` times `scale`, cut into flat parts as long as `tensors`.
fn averages<'a>(
    sum: &Tensor,
    scale: f64,
    device: Device,
    tensors: impl Iterator<Item = &'a Tensor>,
) -> Result<Vec<Tensor>, TchError> {
    let lengths: Vec<i64> = tensors.map(|tensor| tensor.numel() as i64).collect();
    sum.f_to_device(device)?.f_mul_scalar_(scale)?.f_split_with_sizes(lengths, 0)
}
