//! The pictures of a report, kept while images are decoded for the metrics.

use std::sync::OnceLock;

use pg_image::Planar;
use pg_metrics::Side;

/// Images of each side that are kept in full.
pub(super) const SHOWN: usize = 24;
/// Longest side of a thumbnail, in pixels.
pub(super) const THUMBNAIL_PX: usize = 64;

/// Collects pictures from several threads at once.
///
/// Memory: 12 kB per real image (a thumbnail of 64x64 RGB), and the first 24 images of each side.
#[derive(Debug)]
pub(crate) struct ReportPictures {
    real: Vec<OnceLock<Planar<u8>>>,
    fake: Vec<OnceLock<Planar<u8>>>,
    thumbnails: Vec<OnceLock<Planar<u8>>>,
}

impl ReportPictures {
    /// Room for so many images of each side; more are ignored.
    pub(crate) fn new(real_count: usize, fake_count: usize) -> Self {
        let room = |count: usize| (0..count).map(|_| OnceLock::new()).collect();
        Self {
            real: room(real_count.min(SHOWN)),
            fake: room(fake_count.min(SHOWN)),
            thumbnails: room(real_count),
        }
    }

    /// Takes what it needs of image `index` of a side, `[3,H,W]`; each image is taken once.
    pub(crate) fn see(&self, side: Side, index: usize, image: &Planar<u8>) {
        let kept = match side {
            Side::Real => {
                if let Some(place) = self.thumbnails.get(index) {
                    place.get_or_init(|| thumbnail(image));
                }
                &self.real
            }
            Side::Fake => &self.fake,
        };
        if let Some(place) = kept.get(index) {
            place.get_or_init(|| image.clone());
        }
    }

    /// The images of a side that are kept in full, with their index.
    pub(super) fn shown(&self, side: Side) -> impl Iterator<Item = (usize, &Planar<u8>)> {
        let kept = match side {
            Side::Real => &self.real,
            Side::Fake => &self.fake,
        };
        kept.iter().enumerate().filter_map(|(index, place)| Some((index, place.get()?)))
    }

    /// Thumbnails of all real images, with their index.
    pub(super) fn real_thumbnails(&self) -> Vec<(usize, &Planar<u8>)> {
        self.thumbnails.iter().enumerate().filter_map(|(index, place)| Some((index, place.get()?))).collect()
    }
}

/// The image with its longer side reduced to 64 pixels by box averages; smaller images as they are.
pub(super) fn thumbnail(image: &Planar<u8>) -> Planar<u8> {
    let longer = image.width().max(image.height());
    if longer <= THUMBNAIL_PX {
        return image.clone();
    }
    let side = |length: usize| (length * THUMBNAIL_PX / longer).max(1);
    box_average(image, side(image.width()), side(image.height()))
}

/// Means over the pixels of each of `width` x `height` cells, rounded half up; a pixel belongs to the cell that
/// holds its upper left corner. Exact box filtering where the sizes divide.
fn box_average(image: &Planar<u8>, width: usize, height: usize) -> Planar<u8> {
    let (w, h) = (image.width(), image.height());
    let mut reduced = Planar::filled(image.channels(), height, width, 0_u8);
    let mut column_sums = vec![0_u32; w];
    for c in 0..image.channels() {
        let plane = image.plane(c);
        for (row, out) in reduced.plane_mut(c).chunks_exact_mut(width).enumerate() {
            let (top, bottom) = ((row * h).div_ceil(height), ((row + 1) * h).div_ceil(height));
            column_sums.fill(0);
            for source in plane[top * w..bottom * w].chunks_exact(w) {
                for (sum, &v) in column_sums.iter_mut().zip(source) {
                    *sum += u32::from(v);
                }
            }
            for (column, v) in out.iter_mut().enumerate() {
                let (left, right) = ((column * w).div_ceil(width), ((column + 1) * w).div_ceil(width));
                let sum: u64 = column_sums[left..right].iter().map(|&s| u64::from(s)).sum();
                let count = ((bottom - top) * (right - left)).max(1) as u64;
                *v = ((2 * sum + count) / (2 * count)) as u8;
            }
        }
    }
    reduced
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thumbnails_are_box_averages() {
        let data: Vec<u8> = (0..3 * 128 * 128).map(|i| (i * 31 % 251) as u8).collect();
        let image = Planar::from_data(3, 128, 128, data).unwrap();
        let small = thumbnail(&image);
        assert_eq!((small.channels(), small.height(), small.width()), (3, 64, 64));
        let at = |c: usize, y: usize, x: usize| f64::from(image.plane(c)[y * 128 + x]);
        for (c, y, x) in [(0, 0, 0), (1, 63, 17), (2, 30, 63)] {
            let sum = at(c, 2 * y, 2 * x)
                + at(c, 2 * y, 2 * x + 1)
                + at(c, 2 * y + 1, 2 * x)
                + at(c, 2 * y + 1, 2 * x + 1);
            assert_eq!(f64::from(small.plane(c)[y * 64 + x]), (sum / 4.0 + 0.5).floor());
        }
    }

    proptest! {
        #[test]
        fn any_size_fits_and_a_plain_image_stays_plain(w in 1_usize..300, h in 1_usize..300, v: u8) {
            let small = thumbnail(&Planar::filled(3, h, w, v));
            prop_assert!(small.width().max(small.height()) <= 64 && small.width().min(small.height()) >= 1);
            prop_assert!(small.data().iter().all(|&u| u == v));
        }
    }
}
