//! The recipes pixel by pixel, and the resizes against them.

use proptest::prelude::*;

use super::{NetworkResize, NetworkResizePlan};
use crate::Planar;

/// `recipe` by its definition, each output value from the image itself; `none` is not scaled.
fn by_definition(recipe: NetworkResize, image: &Planar<u8>, side: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for channel in 0..image.channels() {
        let plane = Plane { data: image.plane(channel), width: image.width(), height: image.height() };
        for y in 0..side {
            for x in 0..side {
                out.push(match recipe {
                    NetworkResize::Tf1Bilinear => tf1(plane, side, x, y),
                    NetworkResize::TorchBilinear => torch(plane, side, x, y),
                    NetworkResize::PilBilinear => pillow(plane, side, x, y, 1.0, triangle),
                    NetworkResize::PilBicubic => pillow(plane, side, x, y, 2.0, cubic),
                    NetworkResize::PilLanczos => pillow(plane, side, x, y, 3.0, lanczos),
                    NetworkResize::None => plane.at(x, y),
                });
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Plane<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
}

impl Plane<'_> {
    fn at(self, x: usize, y: usize) -> f32 {
        f32::from(self.data[y.min(self.height - 1) * self.width + x.min(self.width - 1)])
    }
}

fn tf1(plane: Plane, side: usize, x: usize, y: usize) -> f32 {
    let place = |i: usize, input: usize| i as f32 * (input as f32 / side as f32);
    let (px, py) = (place(x, plane.width), place(y, plane.height));
    let (x, y, dx, dy) = (px as usize, py as usize, px.fract(), py.fract());
    let top = plane.at(x, y) + (plane.at(x + 1, y) - plane.at(x, y)) * dx;
    let bottom = plane.at(x, y + 1) + (plane.at(x + 1, y + 1) - plane.at(x, y + 1)) * dx;
    top + (bottom - top) * dy
}

fn torch(plane: Plane, side: usize, x: usize, y: usize) -> f32 {
    let place = |i: usize, input: usize| match (input as f32 / side as f32).mul_add(i as f32 + 0.5, -0.5) {
        // Rounding must not move what is not scaled.
        _ if input == side => i as f32,
        before if before < 0.0 => 0.0,
        place => place,
    };
    let (px, py) = (place(x, plane.width), place(y, plane.height));
    let (x, y, x1, y1) = (px as usize, py as usize, px.fract(), py.fract());
    let (x0, y0) = (1.0 - x1, 1.0 - y1);
    let top = plane.at(x, y).mul_add(x0, plane.at(x + 1, y) * x1);
    let bottom = plane.at(x, y + 1).mul_add(x0, plane.at(x + 1, y + 1) * x1);
    top.mul_add(y0, bottom * y1).min(255.0)
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| {
        let x = x * std::f64::consts::PI;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// The sum of `value` weighted by the kernel around output position `i`, or its value where nothing is scaled.
fn weighed(
    i: usize,
    input: usize,
    side: usize,
    support: f64,
    kernel: fn(f64) -> f64,
    value: &dyn Fn(usize) -> f32,
) -> f32 {
    if input == side {
        return value(i);
    }
    let scale = input as f64 / side as f64;
    let widened = scale.max(1.0);
    let centre = (i as f64 + 0.5) * scale;
    let (start, end) = (centre - support * widened + 0.5, centre + support * widened + 0.5);
    let taps = (start.max(0.0) as usize)..(end as usize).min(input);
    let weight = |j: usize| kernel((j as f64 - centre + 0.5) * (1.0 / widened));
    let mut sum_of_weights = 0.0;
    for j in taps.clone() {
        sum_of_weights += weight(j);
    }
    let mut sum = 0.0;
    for j in taps {
        sum += f64::from(value(j)) * (weight(j) / sum_of_weights);
    }
    sum as f32
}

fn pillow(plane: Plane, side: usize, x: usize, y: usize, support: f64, kernel: fn(f64) -> f64) -> f32 {
    let across = |value: &dyn Fn(usize) -> f32| weighed(x, plane.width, side, support, kernel, value);
    let down = |value: &dyn Fn(usize) -> f32| weighed(y, plane.height, side, support, kernel, value);
    let (lost_columns, lost_rows) = (plane.width as i64 - side as i64, plane.height as i64 - side as i64);
    let value = if lost_rows > 0 && lost_rows > 2 * lost_columns {
        across(&|column| down(&|row| plane.at(column, row)))
    } else {
        down(&|row| across(&|column| plane.at(column, row)))
    };
    value.clamp(0.0, 255.0)
}

fn recipes() -> impl Strategy<Value = NetworkResize> {
    proptest::sample::select(NetworkResize::ALL.to_vec())
}

fn image(channels: usize, width: usize, height: usize, seed: u32) -> Planar<u8> {
    // Every other seed has only black and white, where filters overshoot.
    let value = |i: usize| {
        let bits = (i as u32 ^ seed.wrapping_mul(2_654_435_769)).wrapping_mul(2_654_435_761).rotate_left(15);
        let bits = bits.wrapping_mul(2_246_822_519);
        if seed.is_multiple_of(2) { (bits >> 24) as u8 } else { 255 * (bits >> 31) as u8 }
    };
    let data = (0..channels * width * height).map(value).collect();
    Planar::from_data(channels, height, width, data).unwrap()
}

fn resized(plan: &NetworkResizePlan, image: &Planar<u8>) -> Vec<f32> {
    // Values that would show where nothing is written.
    let mut out = vec![f32::NAN; image.channels() * plan.side_px() * plan.side_px()];
    plan.resize_into(image, &mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn every_value_has_the_bits_of_the_definition(
        recipe in recipes(), width in 1_usize..64, height in 1_usize..64, side in 1_usize..40,
        channels in 1_usize..4, same: bool, seed: u32,
    ) {
        let (width, height) =
            if same || recipe == NetworkResize::None { (side, side) } else { (width, height) };
        let image = image(channels, width, height, seed);
        let plan = recipe.plan(width, height, side).unwrap();
        prop_assert_eq!(resized(&plan, &image), by_definition(recipe, &image, side));
    }

    #[test]
    fn one_side_that_fits_is_left_as_it_is(
        recipe in recipes(), long in 1_usize..64, side in 1_usize..40, upright: bool, seed: u32,
    ) {
        prop_assume!(recipe != NetworkResize::None);
        let (width, height) = if upright { (side, long) } else { (long, side) };
        let image = image(2, width, height, seed);
        let plan = recipe.plan(width, height, side).unwrap();
        prop_assert_eq!(resized(&plan, &image), by_definition(recipe, &image, side));
    }

    #[test]
    fn values_stay_in_their_range_and_constants_constant(
        recipe in recipes(), width in 1_usize..90, height in 1_usize..90, side in 1_usize..40, seed: u32,
        constant: u8,
    ) {
        prop_assume!(recipe != NetworkResize::None);
        // Only there a constant is exact: elsewhere weights add up to one but for rounding.
        let rounding = if recipe == NetworkResize::Tf1Bilinear { 0.0 } else { 4e-5 };
        let plan = recipe.plan(width, height, side).unwrap();
        for value in resized(&plan, &image(1, width, height, seed)) {
            prop_assert!((0.0..=255.0).contains(&value), "{value}");
        }
        for value in resized(&plan, &Planar::filled(1, height, width, constant)) {
            prop_assert!((value - f32::from(constant)).abs() <= rounding, "{value}, was {constant}");
        }
    }
}

#[test]
fn an_image_of_the_networks_size_keeps_its_values() {
    let image = image(3, 299, 299, 8);
    for recipe in NetworkResize::ALL {
        assert_eq!(recipe.resize(&image, 299).unwrap(), image.to_f32(), "{}", recipe.name());
    }
}

#[test]
fn long_thin_and_tiny_images_have_the_bits_of_the_definition() {
    for recipe in NetworkResize::ALL.into_iter().filter(|&recipe| recipe != NetworkResize::None) {
        for (width, height, side) in [(1, 1, 50), (1, 700, 33), (700, 1, 33), (1500, 3, 7), (40, 40, 1)] {
            let image = image(1, width, height, 4);
            let plan = recipe.plan(width, height, side).unwrap();
            assert_eq!(resized(&plan, &image), by_definition(recipe, &image, side), "{}", recipe.name());
        }
    }
}

#[test]
fn threads_share_a_plan() {
    for recipe in NetworkResize::ALL.into_iter().filter(|&recipe| recipe != NetworkResize::None) {
        let plan = recipe.plan(50, 60, 35).unwrap();
        let images: Vec<_> = (0..4).map(|seed| image(3, 50, 60, seed)).collect();
        std::thread::scope(|scope| {
            let threads = images.iter().map(|image| scope.spawn(|| resized(&plan, image)));
            let threads: Vec<_> = threads.collect();
            for (thread, image) in threads.into_iter().zip(&images) {
                assert_eq!(thread.join().unwrap(), resized(&plan, image), "{}", recipe.name());
            }
        });
    }
}
