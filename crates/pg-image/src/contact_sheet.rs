//! Many pictures in one.

use crate::Raster;

/// Pixels between pictures.
const GAP_PX: usize = 2;

/// Lays pictures of one size out in rows of `columns`, two white pixels apart: RGB u8.
///
/// `None` when there is no picture, no column, or the pictures differ in size.
#[must_use]
pub fn contact_sheet(pictures: &[Raster], columns: usize) -> Option<Raster> {
    contact_sheet_on(pictures, columns, 255)
}

/// [`contact_sheet`] with another grey than white between the pictures.
#[must_use]
pub fn contact_sheet_on(pictures: &[Raster], columns: usize, grey: u8) -> Option<Raster> {
    let (w, h) = pictures.first().map(|p| (p.width(), p.height()))?;
    if columns == 0 || pictures.iter().any(|p| (p.width(), p.height()) != (w, h)) {
        return None;
    }
    let columns = columns.min(pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let (width, height) = (columns * (w + GAP_PX) - GAP_PX, rows * (h + GAP_PX) - GAP_PX);
    let mut data = vec![grey; width * height * 3];
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = (i % columns * (w + GAP_PX), i / columns * (h + GAP_PX));
        let rgb = picture.clone().into_rgb();
        for (y, row) in rgb.data().chunks_exact(w * 3).enumerate() {
            data[((top + y) * width + left) * 3..][..w * 3].copy_from_slice(row);
        }
    }
    Raster::from_data(width, height, 3, data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(v: u8) -> Raster {
        Raster::from_data(1, 1, 1, vec![v]).unwrap()
    }

    #[test]
    fn pictures_run_left_to_right_then_down() {
        let sheet = contact_sheet(&[dot(1), dot(2), dot(3)], 2).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (4, 4));
        let at = |x: usize, y: usize| sheet.data()[(y * 4 + x) * 3];
        assert_eq!([at(0, 0), at(3, 0), at(0, 3), at(3, 3), at(1, 1)], [1, 2, 3, 255, 255]);
    }

    #[test]
    fn nothing_and_mixed_sizes_give_no_sheet() {
        assert_eq!(contact_sheet(&[], 3), None);
        assert_eq!(contact_sheet(&[dot(1), Raster::from_data(2, 1, 1, vec![0, 0]).unwrap()], 3), None);
    }
}
