//! The input recipes of feature networks: how an image of any size becomes the square that the network reads.
//!
//! Scores that rest on a network's features depend on the last bits of its input, so each recipe is the
//! arithmetic of one published program and not just a filter of that name.

#[cfg(test)]
mod oracle;
mod pillow_float;
mod plan;
mod tf1_bilinear;
mod torch_bilinear;
mod two_taps;

use thiserror::Error;

use crate::Planar;
pub use plan::NetworkResizePlan;

/// The longest side of an image or of a network's input, in pixels.
const LONGEST_PX: usize = 1 << 20;

/// How an image becomes the square input of a feature network, as named by the recipe.
///
/// Values stay on the scale 0..=255 and are not rounded; the shape of the image is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkResize {
    /// TensorFlow 1's `resize_bilinear` as networks call it: two taps a side whatever the scale, output
    /// pixel i at input position i * in/out, without the shift by half a pixel. The same bits.
    Tf1Bilinear,
    /// PyTorch's `interpolate` with mode `bilinear` and the defaults: two taps a side whatever the scale,
    /// output pixel i at (i + 0.5) * in/out - 0.5.
    TorchBilinear,
    /// Pillow's bilinear filter on each channel as 32-bit float image; where it shrinks, the filter is as
    /// much wider.
    PilBilinear,
    /// Pillow's bicubic filter (a = -0.5) likewise, limited to 0..=255.
    PilBicubic,
    /// Pillow's Lanczos filter of 3 lobes likewise, limited to 0..=255.
    PilLanczos,
    /// Values as they are; an image of another size is an error.
    None,
}

/// Why an image cannot become a network's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkResizeError {
    /// A side is 0 or longer than can be planned for.
    #[error(
        "cannot scale {width_px}x{height_px} to {side_px}x{side_px} pixels: expected 1 to {LONGEST_PX} pixels a side"
    )]
    Side {
        /// Columns of the image.
        width_px: usize,
        /// Rows of the image.
        height_px: usize,
        /// Side of the network's input.
        side_px: usize,
    },
    /// [`NetworkResize::None`] and an image that is not of the network's size.
    #[error(
        "the image has {width_px}x{height_px} pixels and the network reads {side_px}x{side_px}: the recipe `none` does not scale, choose another recipe (such as `tf1-bilinear`) or scale the images before"
    )]
    NotTheInput {
        /// Columns of the image.
        width_px: usize,
        /// Rows of the image.
        height_px: usize,
        /// Side of the network's input.
        side_px: usize,
    },
    /// An image of another size than the plan was made for.
    #[error(
        "the image has {width_px}x{height_px} pixels, the plan was made for {planned_width_px}x{planned_height_px}"
    )]
    NotAsPlanned {
        /// Columns of the image.
        width_px: usize,
        /// Rows of the image.
        height_px: usize,
        /// Columns planned for.
        planned_width_px: usize,
        /// Rows planned for.
        planned_height_px: usize,
    },
    /// Room for more or fewer values than the input has.
    #[error("room for {length} values, the network's input has {expected} (channels * side * side)")]
    OutLength {
        /// Values there is room for.
        length: usize,
        /// Values of the input.
        expected: usize,
    },
}

impl NetworkResize {
    /// All recipes.
    pub const ALL: [Self; 6] = [
        Self::Tf1Bilinear,
        Self::TorchBilinear,
        Self::PilBilinear,
        Self::PilBicubic,
        Self::PilLanczos,
        Self::None,
    ];

    /// The recipe's name, as files and command lines have it: `"tf1-bilinear"`, `"torch-bilinear"`,
    /// `"pil-bilinear"`, `"pil-bicubic"`, `"pil-lanczos"`, `"none"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tf1Bilinear => "tf1-bilinear",
            Self::TorchBilinear => "torch-bilinear",
            Self::PilBilinear => "pil-bilinear",
            Self::PilBicubic => "pil-bicubic",
            Self::PilLanczos => "pil-lanczos",
            Self::None => "none",
        }
    }

    /// The recipe of that [`name`](Self::name); `None` when there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|recipe| recipe.name() == name)
    }

    /// What can be computed beforehand for images of `width_px` x `height_px` that become `side_px` x
    /// `side_px`. Costs about as much as the resize of a small image: worth keeping for sets with few sizes.
    ///
    /// # Errors
    /// [`NetworkResizeError::Side`], and [`NetworkResizeError::NotTheInput`] for [`NetworkResize::None`].
    pub fn plan(
        self,
        width_px: usize,
        height_px: usize,
        side_px: usize,
    ) -> Result<NetworkResizePlan, NetworkResizeError> {
        NetworkResizePlan::new(self, width_px, height_px, side_px)
    }

    /// Plans for one image and resizes it: u8 `[C,H,W]` to f32 `[C,side,side]`, 0..=255, not rounded.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn resize(self, image: &Planar<u8>, side_px: usize) -> Result<Planar<f32>, NetworkResizeError> {
        let plan = self.plan(image.width(), image.height(), side_px)?;
        let mut resized = Planar::filled(image.channels(), side_px, side_px, 0.0);
        plan.resize_into(image, resized.data_mut())?;
        Ok(resized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_recipes_are_one_to_one() {
        for recipe in NetworkResize::ALL {
            assert_eq!(NetworkResize::from_name(recipe.name()), Some(recipe));
        }
        assert_eq!(NetworkResize::from_name("bicubic"), None);
    }

    #[test]
    fn empty_and_endless_sides_are_refused() {
        for (width_px, height_px, side_px) in
            [(0, 5, 5), (5, 0, 5), (5, 5, 0), (usize::MAX, 5, 5), (5, 5, LONGEST_PX + 1)]
        {
            for recipe in NetworkResize::ALL {
                let error = recipe.plan(width_px, height_px, side_px).unwrap_err();
                assert_eq!(error, NetworkResizeError::Side { width_px, height_px, side_px });
            }
        }
        let empty = Planar::from_data(3, 0, 0, Vec::new()).unwrap();
        let error = NetworkResize::PilBicubic.resize(&empty, 8).unwrap_err();
        assert!(error.to_string().contains("0x0 to 8x8 pixels: expected 1 to 1048576"), "{error}");
    }

    #[test]
    fn none_refuses_another_size_with_both_sizes_and_the_remedy() {
        for (width, height) in [(4, 5), (5, 4), (8, 8)] {
            let error = NetworkResize::None.plan(width, height, 5).unwrap_err().to_string();
            assert!(error.contains(&format!("{width}x{height}")) && error.contains("5x5"), "{error}");
            assert!(error.contains("choose another recipe"), "{error}");
        }
    }

    #[test]
    fn an_image_of_another_size_than_planned_is_refused() {
        let plan = NetworkResize::Tf1Bilinear.plan(6, 7, 3).unwrap();
        let error = plan.resize_into(&Planar::filled(1, 6, 7, 0), &mut [0.0; 9]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the image has 7x6 pixels, the plan was made for 6x7",
            "rows and columns exchanged"
        );
    }

    #[test]
    fn room_of_another_length_is_refused() {
        let plan = NetworkResize::PilLanczos.plan(6, 7, 3).unwrap();
        for length in [0, 9, 26, 28] {
            let error = plan.resize_into(&Planar::filled(3, 7, 6, 0), &mut vec![0.0; length]).unwrap_err();
            assert_eq!(error, NetworkResizeError::OutLength { length, expected: 27 });
        }
    }
}
