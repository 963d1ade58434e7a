//! Latents drawn by number, and their images.

use std::ops::Range;

use anyhow::Result;
use ndarray::{Array2, ArrayView3, Axis, s};
use pg_image::Planar;
use pg_metrics::{DrawnLatent, draw_layer_noise};
use pg_onnx::{Lanes, PathGenerator};

use super::finite_outputs::{NetworkOutput, check_finite};
use super::{Networks, OpenedGenerator};
use crate::args::{LatentArgs, LatentChoice};

/// Latents in a batch on a processor or GPU: more only take memory.
const AT_ONCE: usize = 8;

/// A generator that draws latents and images by number, on several threads.
pub(crate) struct Drawing<'a> {
    lanes: Lanes<PathGenerator>,
    pub(crate) opened: OpenedGenerator,
    args: &'a LatentArgs,
}

impl<'a> Drawing<'a> {
    pub(crate) fn open(networks: &Networks, args: &'a LatentArgs) -> Result<Self> {
        let (generator, opened) = OpenedGenerator::open(networks, args)?;
        let generators =
            networks.side_by_side(generator, |first| OpenedGenerator::another(networks, first))?;
        Ok(Self { lanes: Lanes::new(generators), opened, args })
    }

    /// The points `indices`, which share their noise, in the space asked for: `[N, size]`; and their images, where
    /// `with_images` asks for them.
    pub(crate) fn group(
        &self,
        indices: Range<usize>,
        with_images: bool,
    ) -> Result<(Array2<f32>, Vec<Planar<u8>>)> {
        let space = self.opened.latents;
        let first = indices.start;
        let drawn: Vec<DrawnLatent> = indices.map(|index| space.latent(self.args.seed, index)).collect();
        let rows = space.rows(&drawn);
        let in_z = rows.slice(s![.., ..space.size]).to_owned();
        if self.args.space == LatentChoice::Z && !with_images {
            return Ok((in_z, Vec::new()));
        }
        let noise = draw_layer_noise(self.args.seed, first, &self.opened.noise_sides_px);
        self.lanes.with(|generator| {
            // Once for all: what a batch is does not show in its points.
            let w = generator.has_styles().then(|| generator.map(&rows.view())).transpose()?;
            let output = |name| NetworkOutput { role: "GENERATOR", path: &self.opened.argument, name };
            if let Some(w) = &w {
                check_finite(&w.view(), output("w"), |row| first + row)?;
            }
            let mut images = Vec::new();
            if with_images {
                let at_once = self.args.runtime.batch.unwrap_or(AT_ONCE);
                for places in (0..rows.nrows()).step_by(at_once) {
                    let places = places..(places + at_once).min(rows.nrows());
                    let of_batch = first + places.start;
                    let drawn = match &w {
                        Some(w) => generator.images_of_styles(&w.slice(s![places, ..]), &noise)?,
                        None => generator.images_of_latents(&rows.slice(s![places, ..]), &noise)?,
                    };
                    // Rounded to bytes NaN would be black.
                    check_finite(&drawn.view(), output("images"), |row| of_batch + row)?;
                    images.extend(drawn.axis_iter(Axis(0)).map(|image| in_bytes(&image)));
                }
            }
            let points = match (self.args.space, w) {
                (LatentChoice::W, Some(w)) => w,
                _ => in_z,
            };
            Ok((points, images))
        })
    }
}

/// `[C,R,R]`, nominally in [-1, 1], as three channels of bytes: rounded half to even, as the sampler's files are.
fn in_bytes(image: &ArrayView3<'_, f32>) -> Planar<u8> {
    let (channels, height, width) = image.dim();
    let byte = |value: &f32| (value * 127.5 + 127.5).round_ties_even().clamp(0.0, 255.0) as u8;
    let mut bytes: Vec<u8> = image.iter().map(byte).collect();
    if channels == 1 {
        bytes = bytes.repeat(3);
    }
    Planar::from_data(3, height, width, bytes).unwrap_or_else(|| Planar::filled(3, height, width, 0))
}
