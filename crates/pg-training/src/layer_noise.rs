//! The pictures of noise that a style-based generator's layers add (arXiv:1812.04948, section 2).

use pg_networks::RowShare;
use tch::{Device, Tensor};

use crate::random_streams::{Stream, normal_source};

/// Where an image's noise comes from: the same stream and counter give the same noise in any batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoiseSource {
    pub(crate) seed: u64,
    pub(crate) stream: Stream,
    pub(crate) counter: u64,
}

/// Noise `[count,1,S,S]` for each of `sides_px`, of all images from one source; `count` are those of `share`.
pub(crate) fn noise_of_step(
    source: NoiseSource,
    sides_px: &[i64],
    count: i64,
    share: RowShare,
    device: Device,
) -> Vec<Tensor> {
    let mut draw = normal_source(source.seed, source.stream, source.counter);
    let picture = |&side: &i64| {
        let pixels = (side * side) as usize;
        let numbers = share.take(draw(count as usize * share.ranks() * pixels), pixels);
        Tensor::from_slice(&numbers).view([count, 1, side, side]).to_device(device)
    };
    sides_px.iter().map(picture).collect()
}

/// Noise `[N,1,S,S]` for each of `sides_px`, of N images from a source each; zeros without one.
pub(crate) fn noise_of_images(
    sources: &[Option<NoiseSource>],
    sides_px: &[i64],
    device: Device,
) -> Vec<Tensor> {
    let pixels: Vec<usize> = sides_px.iter().map(|side| (side * side) as usize).collect();
    let mut layers: Vec<Vec<f32>> = pixels.iter().map(|p| Vec::with_capacity(p * sources.len())).collect();
    for source in sources {
        let mut draw = source.map(|source| normal_source(source.seed, source.stream, source.counter));
        for (layer, &pixels) in layers.iter_mut().zip(&pixels) {
            match &mut draw {
                Some(draw) => layer.extend(draw(pixels)),
                None => layer.resize(layer.len() + pixels, 0.0),
            }
        }
    }
    let shaped = |(numbers, &side): (&Vec<f32>, &i64)| {
        Tensor::from_slice(numbers).view([sources.len() as i64, 1, side, side]).to_device(device)
    };
    layers.iter().zip(sides_px).map(shaped).collect()
}
