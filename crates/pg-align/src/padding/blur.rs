//! The blur of the padded picture: whole by the definition, or from a grid as it is read.

use std::ops::Range;

use pg_image::{CoarseBlur, CoarseRows, Raster, gaussian_blur, mirror_pad};

use super::mask::Mask;

/// What differences of blurred values mean something, in grey levels, where they come from a grid.
const COARSE_PRECISION: f32 = 1e-4;

/// The mirrored picture, blurred.
pub(super) enum Blur {
    /// f32 `[H,W,C]`, and values per row.
    Exact(Vec<f32>, usize),
    /// A grid.
    Coarse(CoarseBlur),
}

impl Blur {
    /// From a grid where sigma (pixels) allows it.
    pub(super) fn new(crop: &Raster, mask: &Mask, sigma: f64) -> Self {
        match CoarseBlur::new(crop, mask.sides(), sigma) {
            Some(blur) => Self::Coarse(blur),
            None => Self::exact(crop, mask, sigma),
        }
    }

    /// By the definition.
    pub(super) fn exact(crop: &Raster, mask: &Mask, sigma: f64) -> Self {
        let mut image = mirror_pad(crop, mask.sides());
        let stride = mask.values_across();
        let shape = [image.len() / stride.max(1), stride / crop.channels(), crop.channels()];
        gaussian_blur(&mut image, shape, sigma, mask.untouched());
        Self::Exact(image, stride)
    }

    /// Grey levels below which values need not be told apart.
    pub(super) fn precision(&self) -> f32 {
        match self {
            Self::Exact(..) => 0.0,
            Self::Coarse(_) => COARSE_PRECISION,
        }
    }

    /// Rows `first..first + count`, to be read one by one.
    pub(super) fn rows(&self, first: usize, count: usize) -> BlurredRows<'_> {
        match self {
            Self::Exact(image, stride) => BlurredRows::Exact(image, *stride),
            Self::Coarse(blur) => BlurredRows::Coarse(blur.rows(first, count)),
        }
    }
}

/// Some rows of a [`Blur`].
pub(super) enum BlurredRows<'a> {
    Exact(&'a [f32], usize),
    Coarse(CoarseRows<'a>),
}

impl BlurredRows<'_> {
    /// Values `part` of row `y`.
    pub(super) fn read(&self, y: usize, part: Range<usize>, out: &mut [f32]) {
        match self {
            Self::Exact(image, stride) => {
                out.copy_from_slice(&image[y * stride + part.start..y * stride + part.end]);
            }
            Self::Coarse(rows) => rows.read(y, part, out),
        }
    }
}
