//! Cutting the photo down to the surroundings of the face.

use pg_image::Raster;

use crate::{AlignError, OrientedSquare};

/// Crops `photo` to the square's bounding box (floor, ceil) widened by the border
/// max(round(0.1 size / zoom), 3), inside the photo. Returns the border and the crop as left, top,
/// right, bottom.
///
/// # Errors
/// [`AlignError::Outside`] when nothing of the crop lies in the photo.
pub fn crop(photo: &mut Raster, square: &mut OrientedSquare) -> Result<(i64, [i64; 4]), AlignError> {
    let (width, height) = (photo.width(), photo.height());
    let border = square.border_px();
    let [left, top, right, bottom] = square.bounding_box();
    let [left, top] = [(left - border).max(0), (top - border).max(0)];
    let [right, bottom] = [(right + border).min(width as i64), (bottom + border).min(height as i64)];
    if left >= right || top >= bottom {
        return Err(AlignError::Outside { left, right, top, bottom, width, height });
    }
    let c = photo.channels();
    if (right - left) < width as i64 || (bottom - top) < height as i64 {
        let (x, w) = (left as usize * c, (right - left) as usize * c);
        let rows = photo.data().chunks_exact(width * c).take(bottom as usize).skip(top as usize);
        let data: Vec<u8> = rows.flat_map(|row| &row[x..x + w]).copied().collect();
        if let Ok(cropped) = Raster::from_data(w / c, (bottom - top) as usize, c, data) {
            *photo = cropped;
        }
        square.map(|v, axis| v - [left, top][axis] as f32);
    }
    Ok((border, [left, top, right, bottom]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_outside_the_photo_is_refused_with_its_place() {
        let mut photo = Raster::from_data(20, 20, 1, vec![0; 400]).unwrap();
        let quad = [[100., 0.], [100., 10.], [110., 10.], [110., 0.]];
        let mut square = OrientedSquare { quad, zoom: 6.4, size_px: 64 };
        let error = crop(&mut photo, &mut square).unwrap_err();
        assert!(error.to_string().contains("x 97..20"), "{error}");
    }

    #[test]
    fn the_crop_keeps_border_pixels_around_the_square() {
        let data = (0..400).map(|i| (i % 20) as u8).collect();
        let mut photo = Raster::from_data(20, 20, 1, data).unwrap();
        let quad = [[6.2, 6.0], [6.2, 12.0], [12.2, 12.0], [12.2, 6.0]];
        let mut square = OrientedSquare { quad, zoom: 64.0 / 6.0, size_px: 64 };
        assert_eq!(crop(&mut photo, &mut square).unwrap(), (3, [3, 3, 16, 15]));
        assert_eq!((photo.width(), photo.height(), photo.data()[0]), (13, 12, 3));
        assert_eq!(square.quad[0], [6.2 - 3.0, 3.0]);
    }
}
