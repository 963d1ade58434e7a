//! The picture of a toy run: level sets of the discriminator over the plane, data and samples on top.

use pg_image::Planar;

/// The plane is shown from -EXTENT to EXTENT along both axes.
const EXTENT: f64 = 2.2;
/// Level sets between the lowest and the highest score in view.
const LEVELS: f64 = 24.0;
/// Shares of the pixels below the lowest and above the highest level set: peaks must not take all.
const OUTSIDE: f64 = 0.01;
/// Width of a level set's line, and radius of a point, in pixels.
const LINE_PX: f64 = 1.0;
const POINT_PX: f64 = 2.2;

/// Lowest and highest scores.
const LOW: [f64; 3] = [190.0, 203.0, 221.0];
const HIGH: [f64; 3] = [255.0, 252.0, 244.0];
const LINE: [f64; 3] = [112.0, 120.0, 132.0];
const DATA: [f64; 3] = [232.0, 119.0, 34.0];
const SAMPLES: [f64; 3] = [20.0, 108.0, 60.0];

/// The points of the plane under the pixels of a picture of `side` pixels, row by row from the top: x and
/// y of each in turn.
pub(crate) fn plane(side: usize) -> Vec<f32> {
    let at = |pixel: usize| (pixel as f64 + 0.5) / side as f64 * 2.0 * EXTENT - EXTENT;
    (0..side * side).flat_map(|index| [at(index % side) as f32, -at(index / side) as f32]).collect()
}

/// Draws level sets of `scores` (of the points of [`plane`]), `data` over them in orange, `samples` over
/// those in green; both x and y of each point in turn.
pub(crate) fn draw(side: usize, scores: &[f32], data: &[f32], samples: &[f32]) -> Planar<u8> {
    let mut picture = Planar::filled(3, side, side, 255_u8);
    let (low, high) = range(scores);
    let level = |score: f32| (f64::from(score) - low) / (high - low) * LEVELS;
    let levels: Vec<f64> = scores.iter().map(|&score| level(score)).collect();
    for index in 0..side * side {
        // One shade between two level sets.
        let shade = (levels[index].floor() / (LEVELS - 1.0)).clamp(0.0, 1.0);
        let ground = std::array::from_fn(|c| LOW[c] + shade * (HIGH[c] - LOW[c]));
        paint(&mut picture, index, ground, 1.0);
        paint(&mut picture, index, LINE, line_cover(&levels, side, index));
    }
    for (points, colour) in [(data, DATA), (samples, SAMPLES)] {
        for point in points.chunks_exact(2) {
            dot(&mut picture, side, [f64::from(point[0]), f64::from(point[1])], colour);
        }
    }
    picture
}

/// The scores between which level sets are drawn; never empty.
fn range(scores: &[f32]) -> (f64, f64) {
    let mut sorted: Vec<f32> = scores.iter().copied().filter(|s| s.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize);
    let low = f64::from(at(OUTSIDE).copied().unwrap_or(0.0));
    let high = f64::from(at(1.0 - OUTSIDE).copied().unwrap_or(1.0));
    (low, if high > low { high } else { low + 1.0 })
}

/// How much of a pixel the line of the nearest level set covers, in [0, 1].
fn line_cover(levels: &[f64], side: usize, index: usize) -> f64 {
    let (x, y) = (index % side, index / side);
    let along = |step: usize, position: usize| {
        let before = if position > 0 { levels[index - step] } else { levels[index] };
        let after = if position + 1 < side { levels[index + step] } else { levels[index] };
        (after - before) / 2.0
    };
    let slope = along(1, x).hypot(along(side, y));
    let level = levels[index];
    if slope < 1e-9 || !(0.5..LEVELS - 0.5).contains(&level) {
        return 0.0;
    }
    let distance_px = (level - level.round()).abs() / slope;
    // Where lines lie closer than a pixel they become a shade.
    let cover = (LINE_PX / 2.0 + 0.5 - distance_px).clamp(0.0, 1.0);
    if slope > 0.5 { 0.6 } else { cover }
}

fn dot(picture: &mut Planar<u8>, side: usize, [x, y]: [f64; 2], colour: [f64; 3]) {
    let to_pixel = |v: f64| (v + EXTENT) / (2.0 * EXTENT) * side as f64 - 0.5;
    let (cx, cy) = (to_pixel(x), to_pixel(-y));
    let reach = POINT_PX.ceil() as i64;
    for py in cy.round() as i64 - reach..=cy.round() as i64 + reach {
        for px in cx.round() as i64 - reach..=cx.round() as i64 + reach {
            let inside = (0..side as i64).contains(&px) && (0..side as i64).contains(&py);
            if inside {
                let distance = (px as f64 - cx).hypot(py as f64 - cy);
                let cover = (POINT_PX + 0.5 - distance).clamp(0.0, 1.0);
                paint(picture, py as usize * side + px as usize, colour, 0.75 * cover);
            }
        }
    }
}

fn paint(picture: &mut Planar<u8>, index: usize, colour: [f64; 3], cover: f64) {
    for (c, value) in colour.into_iter().enumerate() {
        let pixel = &mut picture.plane_mut(c)[index];
        *pixel = (f64::from(*pixel) * (1.0 - cover) + value * cover).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_is_seen_with_y_upwards() {
        let points = plane(4);
        assert_eq!(points.len(), 32);
        assert!((points[0] + 1.65).abs() < 1e-6 && (points[1] - 1.65).abs() < 1e-6);
        assert!((points[30] - 1.65).abs() < 1e-6 && (points[31] + 1.65).abs() < 1e-6);
    }

    #[test]
    fn points_are_drawn_where_they_lie_and_points_outside_are_left_out() {
        let scores = vec![0.0; 44 * 44];
        let picture = draw(44, &scores, &[1.05, 1.05, 9.0, f32::NAN], &[]);
        // 4.4 wide on 44 pixels: a pixel is 0.1; y points up.
        let at = |x: usize, y: usize, c: usize| picture.plane(c)[y * 44 + x];
        assert!(at(32, 11, 2) < 120, "orange has little blue");
        assert!(at(32, 32, 2) > 200);
    }

    #[test]
    fn a_level_set_is_a_line_across_the_slope() {
        let side = 240;
        let scores: Vec<f32> = (0..side * side).map(|index| (index % side) as f32).collect();
        let picture = draw(side, &scores, &[], &[]);
        let row: Vec<u8> = picture.plane(0)[..side].to_vec();
        let dark = row.iter().filter(|&&value| value < 170).count();
        assert!((20..=30).contains(&dark), "{dark} lines");
        assert_eq!(&picture.plane(0)[side..2 * side], row);
    }
}
