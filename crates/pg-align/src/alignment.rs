//! The whole way from a photo to an aligned square.

use pg_image::{QuadSampler, Raster};
use serde::Serialize;

use crate::{
    AlignError, Landmarks, OrientedSquare, Preset, crop, enlarge, oriented_square, pad, shrink,
    upright_square,
};

/// How the four times oversampled square becomes the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinalFilter {
    /// Mean of each 4x4 block, rounded half to even: the paper's text.
    Box,
    /// Lanczos: what the authors' program does.
    Lanczos,
}

/// What decides an aligned image beside photo and landmarks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignSettings {
    /// Side of the output in pixels: a power of two from 4 to 4096, 1024 in the paper.
    pub size_px: usize,
    /// Last step.
    pub filter: FinalFilter,
    /// Whose crop.
    pub preset: Preset,
    /// Whether the crop turns with the face; if not, it is an [`upright_square`].
    pub rotation: bool,
    /// Whether what lies outside the photo is made up by [`pad`]; if not, it is black.
    pub padding: bool,
    /// How far the crop is moved along the photo's x and y, in sides of the crop, finite; see
    /// [`RandomShift`](crate::RandomShift).
    pub shift: [f64; 2],
}

impl AlignSettings {
    /// The published crop: turned, padded, not moved.
    #[must_use]
    pub fn new(size_px: usize, filter: FinalFilter, preset: Preset) -> Self {
        Self { size_px, filter, preset, rotation: true, padding: true, shift: [0.0; 2] }
    }

    /// The square of a face under these settings.
    ///
    /// # Errors
    /// [`AlignError::Size`], [`AlignError::Degenerate`].
    pub fn square(&self, landmarks: &Landmarks) -> Result<OrientedSquare, AlignError> {
        let square = if self.rotation { oriented_square } else { upright_square };
        Ok(square(landmarks, self.size_px, self.preset)?.shifted(self.shift))
    }
}

/// An aligned face.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// u8 `[size,size,C]`.
    pub image: Raster,
    /// How it came about.
    pub geometry: Geometry,
}

/// What was done to a photo: enough to find every output pixel in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Geometry {
    /// Corners `[x, y]` in pixels of the photo: upper left, lower left, lower right, upper right.
    pub quad: [[f32; 2]; 4],
    /// Output pixels per pixel of the photo.
    pub zoom: f64,
    /// Divisor of the photo's size before anything else; below 2 it was not shrunk.
    pub shrink: usize,
    /// Left, top, right, bottom of the part of the shrunk photo that was used.
    pub crop: [i64; 4],
    /// Factor of enlargement; below 2 it was not enlarged.
    pub superres: usize,
    /// Pixels made up on the left, top, right and bottom, after enlargement; null for none.
    pub pad: Option<[usize; 4]>,
}

/// Samples the square into `size` x `size` pixels: bilinear into four times the size, then `filter`.
#[must_use]
pub fn transform(image: &Raster, square: &OrientedSquare, filter: FinalFilter) -> Raster {
    let quad = square.quad.map(|p| p.map(|v| v + 0.5));
    let sampler = QuadSampler::new(image, quad, 4 * square.size_px);
    match filter {
        FinalFilter::Box => sampler.square_averaged_4x4(),
        FinalFilter::Lanczos => sampler.square_resized(square.size_px),
    }
}

/// Aligns the face with the given landmarks (arXiv:1710.10196, appendix C): u8 `[H,W,C]` to u8
/// `[size,size,C]`. [`Preset::Ffhq`] leaves out [`enlarge`].
///
/// Takes the photo because large ones are replaced by smaller ones on the way. The same bits for any
/// number of threads. Memory at 1024 px: 20 MB beside the photo and its enlargement (up to 16 MB without
/// padding), and while a face at the border is padded the two pictures and a grid, up to 250 MB in all.
///
/// # Errors
/// [`AlignError::Size`], [`AlignError::Degenerate`], [`AlignError::Outside`], [`AlignError::TooSmall`],
/// [`AlignError::TooMuchPadding`].
pub fn align(
    mut photo: Raster,
    landmarks: &Landmarks,
    settings: AlignSettings,
) -> Result<Aligned, AlignError> {
    let mut square = settings.square(landmarks)?;
    let (quad, zoom) = (square.quad, square.zoom);
    let shrink = shrink(&mut photo, &mut square);
    let (border, crop) = crop(&mut photo, &mut square)?;
    let superres = match settings.preset {
        Preset::Celeba => enlarge(&mut photo, &mut square)?,
        Preset::Ffhq => 1,
    };
    let pad = if settings.padding { pad(&mut photo, &mut square, border)? } else { None };
    let image = transform(&photo, &square, settings.filter);
    Ok(Aligned { image, geometry: Geometry { quad, zoom, shrink, crop, superres, pad } })
}
