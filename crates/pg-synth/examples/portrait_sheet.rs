//! Draws 24 portraits, cropped to the face, into one picture: `cargo run --example portrait_sheet OUT.png`.

use pg_image::{Raster, files};
use pg_synth::Portrait;

const CELL_PX: usize = 160;
const COLUMNS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "portraits.png".into());
    let (width, height) = (CELL_PX * COLUMNS, CELL_PX * 4);
    let mut sheet = vec![0_u8; width * height * 3];
    let started = std::time::Instant::now();
    for index in 0..32_usize {
        let portrait = Portrait::draw(7, index as u64);
        let [left, right, ..] = portrait.landmarks.0;
        let middle = [f32::midpoint(left[0], right[0]), f32::midpoint(left[1], right[1])];
        let half = (right[0] - left[0]).hypot(right[1] - left[1]) * 2.2;
        for y in 0..CELL_PX {
            for x in 0..CELL_PX {
                let at = |k: usize, m: f32| m + (k as f32 / CELL_PX as f32 * 2.0 - 1.0) * half;
                let (sx, sy) = (at(x, middle[0]) as isize, at(y, middle[1] + half * 0.1) as isize);
                let picture = &portrait.picture;
                if sx >= 0 && sy >= 0 && (sx as usize) < picture.width() && (sy as usize) < picture.height() {
                    let from = (sy as usize * picture.width() + sx as usize) * 3;
                    let to = ((index / COLUMNS * CELL_PX + y) * width + index % COLUMNS * CELL_PX + x) * 3;
                    sheet[to..to + 3].copy_from_slice(&picture.data()[from..from + 3]);
                }
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    files::write_png(path.as_ref(), &Raster::from_data(width, height, 3, sheet)?)?;
    Err(format!("drawn in {seconds:.2} s").into())
}
