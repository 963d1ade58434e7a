//! A whole portrait.

use pg_image::Raster;

use crate::appearance::Appearance;
use crate::attributes::Attributes;
use crate::canvas::Canvas;
use crate::painting::{background, clothes, extras, eyes, hair, head, mouth, nose};
use crate::pose::{Landmarks, Pose};
use crate::random::Choices;
use crate::{noise, painting::features::Features};

/// A drawn portrait with its landmarks and traits.
#[derive(Debug, Clone)]
pub struct Portrait {
    /// The picture, RGB, 200 to 900 pixels a side.
    pub picture: Raster,
    /// The five points, exact.
    pub landmarks: Landmarks,
    /// The traits drawn.
    pub appearance: Appearance,
}

impl Portrait {
    /// Portrait `index` of the set with this `seed`.
    ///
    /// # Panics
    /// Never: sizes are positive by construction.
    #[must_use]
    pub fn draw(seed: u64, index: u64) -> Self {
        let mut choices = Choices::new(seed, index);
        let pose = Pose::draw(&mut choices);
        let appearance = Appearance::draw(&mut choices);
        let features = Features::place(&pose, &appearance);
        let mut canvas = Canvas::new(pose);

        background::paint(&mut canvas, &mut choices);
        hair::paint_behind(&mut canvas, &appearance);
        clothes::paint(&mut canvas, &appearance);
        head::paint(&mut canvas, &appearance);
        if appearance.beard {
            extras::paint_beard(&mut canvas, &appearance, &features);
        }
        mouth::paint(&mut canvas, &appearance, &features);
        nose::paint(&mut canvas, &appearance, &features);
        eyes::paint(&mut canvas, &appearance, &features);
        hair::paint_before(&mut canvas, &appearance);
        if appearance.glasses {
            extras::paint_glasses(&mut canvas, &appearance, &features);
        }

        let exposure = choices.between(0.85, 1.12);
        let warmth = choices.between(-0.05, 0.05);
        let noise_level = choices.between(0.004, 0.02);
        let seed = choices.bits();
        let bytes = canvas.develop(|x, y, [r, g, b]| {
            let grain = noise::grain(x, y, seed) * noise_level;
            [
                r * exposure * (1.0 + warmth) + grain,
                g * exposure + grain,
                b * exposure * (1.0 - warmth) + grain,
            ]
        });
        let picture =
            Raster::from_data(pose.width, pose.height, 3, bytes).expect("three bytes were pushed per pixel");
        Self { picture, landmarks: features.landmarks(&pose), appearance }
    }

    /// The landmarks of [`draw`](Self::draw)`(seed, index)`, without drawing.
    #[must_use]
    pub fn landmarks_of(seed: u64, index: u64) -> Landmarks {
        let mut choices = Choices::new(seed, index);
        let pose = Pose::draw(&mut choices);
        let appearance = Appearance::draw(&mut choices);
        Features::place(&pose, &appearance).landmarks(&pose)
    }

    /// The attributes of [`draw`](Self::draw)`(seed, index)`, without drawing.
    #[must_use]
    pub fn attributes_of(seed: u64, index: u64) -> Attributes {
        let mut choices = Choices::new(seed, index);
        let pose = Pose::draw(&mut choices);
        Attributes::of(&pose, &Appearance::draw(&mut choices))
    }
}
