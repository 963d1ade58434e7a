//! A recipe for one size of image.

use super::pillow_float::{Filter, PillowFloat};
use super::tf1_bilinear::Tf1Bilinear;
use super::torch_bilinear::TorchBilinear;
use super::two_taps::TwoTaps;
use super::{LONGEST_PX, NetworkResize, NetworkResizeError};
use crate::Planar;

/// A [`NetworkResize`] for images of one size, with all positions and weights computed.
///
/// Nothing in it changes when it is used, so threads can share one.
#[derive(Debug, Clone)]
pub struct NetworkResizePlan {
    recipe: NetworkResize,
    width_px: usize,
    height_px: usize,
    side_px: usize,
    steps: Steps,
}

#[derive(Debug, Clone)]
enum Steps {
    Tf1(TwoTaps<Tf1Bilinear>),
    Torch(TwoTaps<TorchBilinear>),
    Pillow(PillowFloat),
    AsItIs,
}

impl NetworkResizePlan {
    pub(super) fn new(
        recipe: NetworkResize,
        width_px: usize,
        height_px: usize,
        side_px: usize,
    ) -> Result<Self, NetworkResizeError> {
        if [width_px, height_px, side_px].iter().any(|side| !(1..=LONGEST_PX).contains(side)) {
            return Err(NetworkResizeError::Side { width_px, height_px, side_px });
        }
        let pillow = |filter| Steps::Pillow(PillowFloat::new(filter, width_px, height_px, side_px));
        let steps = match recipe {
            NetworkResize::Tf1Bilinear => Steps::Tf1(TwoTaps::new(width_px, height_px, side_px)),
            NetworkResize::TorchBilinear => Steps::Torch(TwoTaps::new(width_px, height_px, side_px)),
            NetworkResize::PilBilinear => pillow(Filter::Bilinear),
            NetworkResize::PilBicubic => pillow(Filter::Bicubic),
            NetworkResize::PilLanczos => pillow(Filter::Lanczos),
            NetworkResize::None if (width_px, height_px) == (side_px, side_px) => Steps::AsItIs,
            NetworkResize::None => {
                return Err(NetworkResizeError::NotTheInput { width_px, height_px, side_px });
            }
        };
        Ok(Self { recipe, width_px, height_px, side_px, steps })
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> NetworkResize {
        self.recipe
    }

    /// Columns of the images planned for, in pixels.
    #[must_use]
    pub fn width_px(&self) -> usize {
        self.width_px
    }

    /// Rows of the images planned for, in pixels.
    #[must_use]
    pub fn height_px(&self) -> usize {
        self.height_px
    }

    /// Side of the network's input, in pixels.
    #[must_use]
    pub fn side_px(&self) -> usize {
        self.side_px
    }

    /// Resizes `image`, u8 `[C,H,W]` of any number of channels, into `out`, f32 `[C,side,side]`: 0..=255,
    /// not rounded. Every value of `out` is written. On the calling thread; the same bits on any thread.
    ///
    /// # Errors
    /// [`NetworkResizeError::NotAsPlanned`] and [`NetworkResizeError::OutLength`].
    pub fn resize_into(&self, image: &Planar<u8>, out: &mut [f32]) -> Result<(), NetworkResizeError> {
        let (width_px, height_px) = (image.width(), image.height());
        if (width_px, height_px) != (self.width_px, self.height_px) {
            return Err(NetworkResizeError::NotAsPlanned {
                width_px,
                height_px,
                planned_width_px: self.width_px,
                planned_height_px: self.height_px,
            });
        }
        let expected = image.channels().saturating_mul(self.side_px).saturating_mul(self.side_px);
        if out.len() != expected {
            return Err(NetworkResizeError::OutLength { length: out.len(), expected });
        }
        let planes = image.data().chunks_exact(width_px * height_px);
        let planes = planes.zip(out.chunks_exact_mut(self.side_px * self.side_px));
        match &self.steps {
            Steps::Tf1(taps) => taps.resize(planes),
            Steps::Torch(taps) => taps.resize(planes),
            Steps::Pillow(passes) => passes.resize(planes),
            Steps::AsItIs => planes.for_each(|(plane, out)| {
                for (out, &value) in out.iter_mut().zip(plane) {
                    *out = f32::from(value);
                }
            }),
        }
        Ok(())
    }
}
