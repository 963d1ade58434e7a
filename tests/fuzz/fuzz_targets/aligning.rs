//! Alignment of a small photo by any landmarks: sizes and places that no face has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_align::{AlignSettings, FinalFilter, Landmarks, Preset, align};
use pg_image::Raster;

fuzz_target!(|input: (u8, u8, u8, [f32; 10], [f32; 2])| {
    let (width, height, choices, mut points, shift) = input;
    let bit = |i: u8| choices & (1 << i) != 0;
    let (width, height) = (1 + usize::from(width % 96), 1 + usize::from(height % 96));
    let channels = if bit(0) { 3 } else { 1 };
    // Half of the inputs near the photo, where something can be made of them.
    if bit(1) {
        points = points.map(|v| if v.is_finite() { v % 128.0 } else { 5.0 });
    }
    let settings = AlignSettings {
        rotation: bit(2),
        padding: bit(3),
        shift: if bit(4) {
            shift.map(|v| if v.is_finite() { f64::from(v % 8.0) } else { 0.0 })
        } else {
            [0.0; 2]
        },
        ..AlignSettings::new(
            if bit(5) { 4 } else { 16 },
            if bit(6) { FinalFilter::Box } else { FinalFilter::Lanczos },
            if bit(7) { Preset::Celeba } else { Preset::Ffhq },
        )
    };
    let data = (0..width * height * channels).map(|i| (i * 37 % 251) as u8).collect();
    let photo = Raster::from_data(width, height, channels, data).expect("the length fits");
    match align(photo, &Landmarks::from_columns(points), settings) {
        Ok(aligned) => {
            let size = settings.size_px;
            assert_eq!(aligned.image.data().len(), size * size * channels);
        }
        Err(error) => drop(error.to_string()),
    }
});
