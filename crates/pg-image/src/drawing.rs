//! Lines and dots over pictures, for previews.

use crate::Raster;

/// Draws a line from `from` to `to` with round ends, smooth at its edges, over `picture` (u8 `[H,W,C]`);
/// a dot where both are one place. Points `[x, y]` and `width_px` in pixels, pixel centres at + 0.5;
/// `colour` RGB, of which a grey picture takes the mean. What lies outside is cut off.
pub fn draw_stroke(picture: &mut Raster, from: [f64; 2], to: [f64; 2], width_px: f64, colour: [u8; 3]) {
    let reach = width_px / 2.0 + 1.0;
    let (width, height, channels) = (picture.width(), picture.height(), picture.channels());
    let colour = match channels {
        1 => [colour.map(f64::from).iter().sum::<f64>() / 3.0; 3],
        _ => colour.map(f64::from),
    };
    let span = |axis: usize, n: usize| {
        let (low, high) = (from[axis].min(to[axis]) - reach, from[axis].max(to[axis]) + reach);
        low.floor().clamp(0.0, n as f64) as usize..high.ceil().clamp(0.0, n as f64) as usize
    };
    for y in span(1, height) {
        for x in span(0, width) {
            let away = distance([x as f64 + 0.5, y as f64 + 0.5], from, to);
            let cover = (width_px / 2.0 + 0.5 - away).clamp(0.0, 1.0);
            if cover > 0.0 {
                let pixel = &mut picture.data_mut()[(y * width + x) * channels..][..channels];
                for (value, ink) in pixel.iter_mut().zip(colour) {
                    *value = (f64::from(*value) + (ink - f64::from(*value)) * cover).round() as u8;
                }
            }
        }
    }
}

/// Distance of point `p` from the line between `a` and `b`.
fn distance(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (along, to_p) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length = along[0] * along[0] + along[1] * along[1];
    let t =
        if length > 0.0 { ((to_p[0] * along[0] + to_p[1] * along[1]) / length).clamp(0.0, 1.0) } else { 0.0 };
    (to_p[0] - t * along[0]).hypot(to_p[1] - t * along[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_covers_its_width_and_leaves_the_rest() {
        let mut picture = Raster::from_data(10, 10, 3, vec![0; 300]).unwrap();
        draw_stroke(&mut picture, [2.0, 5.0], [8.0, 5.0], 2.0, [255, 100, 0]);
        let at = |x: usize, y: usize| &picture.data()[(y * 10 + x) * 3..][..3];
        assert_eq!((at(5, 4), at(5, 5)), (&[255, 100, 0][..], &[255, 100, 0][..]));
        assert_eq!((at(5, 2), at(5, 7), at(0, 5)), (&[0; 3][..], &[0; 3][..], &[0; 3][..]));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut picture = Raster::from_data(4, 4, 1, vec![9; 16]).unwrap();
        draw_stroke(&mut picture, [-9e9, 50.0], [9e9, 60.0], 3.0, [255; 3]);
        assert!(picture.data().iter().all(|&v| v == 9));
        draw_stroke(&mut picture, [0.5, 0.5], [0.5, 0.5], 1.0, [30, 60, 90]);
        assert_eq!(picture.data()[0], 60);
    }
}
