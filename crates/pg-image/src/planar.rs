//! Planar (channel-major) images: the layout of tensors and shards.

use crate::Raster;
use crate::raster::deinterleave;

/// An image stored plane by plane: index `(c * height + y) * width + x`, i.e. `[C,H,W]`.
///
/// `T` is `u8` (0..=255, as stored in shards) or `f32` (the same range, not rounded).
#[derive(Debug, Clone, PartialEq)]
pub struct Planar<T> {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<T>,
}

impl<T: Copy> Planar<T> {
    /// Wraps `data` in `[C,H,W]` order; `None` when its length is not `channels * height * width`.
    #[must_use]
    pub fn from_data(channels: usize, height: usize, width: usize, data: Vec<T>) -> Option<Self> {
        let expected = channels.checked_mul(height)?.checked_mul(width)?;
        (data.len() == expected).then_some(Self { channels, height, width, data })
    }

    /// An image of one value everywhere.
    #[must_use]
    pub fn filled(channels: usize, height: usize, width: usize, value: T) -> Self {
        Self { channels, height, width, data: vec![value; channels * height * width] }
    }

    /// Number of planes C.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows H, in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns W, in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, `[C,H,W]`.
    #[must_use]
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All values, `[C,H,W]`, to write to.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The values, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// Plane `channel`, `[H,W]`.
    #[must_use]
    pub fn plane(&self, channel: usize) -> &[T] {
        let size = self.height * self.width;
        &self.data[channel * size..(channel + 1) * size]
    }

    /// Plane `channel`, `[H,W]`, to write to.
    pub fn plane_mut(&mut self, channel: usize) -> &mut [T] {
        let size = self.height * self.width;
        &mut self.data[channel * size..(channel + 1) * size]
    }

    /// The same image with every value mapped.
    #[must_use]
    pub fn map<U: Copy>(&self, f: impl Fn(T) -> U) -> Planar<U> {
        Planar {
            channels: self.channels,
            height: self.height,
            width: self.width,
            data: self.data.iter().map(|&v| f(v)).collect(),
        }
    }
}

impl Planar<u8> {
    /// The same values as `f32`, 0..=255.
    #[must_use]
    pub fn to_f32(&self) -> Planar<f32> {
        self.map(f32::from)
    }

    /// Splits an interleaved photo `[H,W,C]` into planes `[C,H,W]`.
    #[must_use]
    pub fn from_raster(raster: &Raster) -> Self {
        let (channels, height, width) = (raster.channels(), raster.height(), raster.width());
        let mut data = vec![0_u8; raster.data().len()];
        let (r, rest) = data.split_at_mut(height * width);
        if channels == 3 {
            let (g, b) = rest.split_at_mut(height * width);
            deinterleave(raster.data().as_chunks().0, [r, g, b]);
        } else {
            r.copy_from_slice(raster.data());
        }
        Self { channels, height, width, data }
    }
}
