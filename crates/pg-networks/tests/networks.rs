//! Both networks as wholes: shapes, fade-in, gradients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pg_networks::{
    Architecture, Discriminator, Generator, GrowthState, MultiplicativeNoise, NetworkError, downscale_box,
    upscale_nearest,
};
use tch::{Device, Kind, Tensor};

const SMALL: Architecture = Architecture {
    resolution_px: 32,
    image_channels: 3,
    latent_size: 12,
    fmap_base: 128,
    fmap_max: 16,
    minibatch_stddev_group: 4,
};

/// A fixed sequence of roughly normal numbers (sum of twelve uniform ones), without torch's generator.
fn normal_numbers(seed: u64) -> impl FnMut(usize) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    };
    move |count| (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
}

fn networks() -> (Generator, Discriminator) {
    (
        Generator::new(&SMALL, Device::Cpu, &mut normal_numbers(1)),
        Discriminator::new(&SMALL, Device::Cpu, &mut normal_numbers(2)),
    )
}

fn latents(count: i64) -> Tensor {
    Tensor::from_slice(&normal_numbers(3)(count as usize * 12)).reshape([count, 12])
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[test]
fn every_level_gives_images_of_its_size_and_one_score_each() {
    let (generator, discriminator) = networks();
    for px in [4_u32, 8, 16, 32] {
        for fade_in in [0.25, 1.0] {
            let state = GrowthState { resolution_px: px, fade_in };
            let images = generator.forward(&latents(8), state).unwrap();
            assert_eq!(images.size(), [8, 3, i64::from(px), i64::from(px)]);
            assert_eq!(discriminator.forward(&images, state).unwrap().size(), [8]);
        }
    }
}

#[test]
fn a_level_outside_the_network_is_an_error() {
    let (generator, _) = networks();
    for px in [2, 12, 64] {
        let error = generator.forward(&latents(2), GrowthState::stable(px)).unwrap_err();
        assert!(matches!(error, NetworkError::Resolution { most: 32, .. }), "{error}");
    }
}

#[test]
fn at_the_start_of_a_fade_the_image_is_the_doubled_one_of_the_level_below() {
    let (generator, discriminator) = networks();
    let below = generator.forward(&latents(4), GrowthState::stable(8)).unwrap();
    let faded = generator.forward(&latents(4), GrowthState { resolution_px: 16, fade_in: 1e-9 }).unwrap();
    assert!(largest_difference(&faded, &upscale_nearest(&below)) < 1e-5);

    let score_below = discriminator.forward(&downscale_box(&faded), GrowthState::stable(8)).unwrap();
    let score = discriminator.forward(&faded, GrowthState { resolution_px: 16, fade_in: 1e-9 }).unwrap();
    assert!(largest_difference(&score, &score_below) < 1e-4);
}

#[test]
fn the_fade_is_linear_in_its_weight() {
    let (generator, _) = networks();
    let at = |fade_in| generator.forward(&latents(4), GrowthState { resolution_px: 16, fade_in }).unwrap();
    let (zero, half, one) = (at(1e-12), at(0.5), at(1.0));
    assert!(largest_difference(&half, &((zero + one) * 0.5)) < 1e-5);
}

#[test]
fn the_length_of_a_latent_does_not_matter() {
    let (generator, _) = networks();
    let state = GrowthState::stable(16);
    let plain = generator.forward(&latents(4), state).unwrap();
    let longer = generator.forward(&(latents(4) * 5.0), state).unwrap();
    assert!(largest_difference(&plain, &longer) < 1e-4);
}

#[test]
fn two_minibatches_in_one_pass_score_as_each_alone() {
    let (generator, discriminator) = networks();
    let state = GrowthState { resolution_px: 16, fade_in: 0.4 };
    let images = generator.forward(&latents(24), state).unwrap();
    // Whole groups, a minibatch smaller than a group, and a single image.
    for n in [12, 4, 3, 1] {
        let (first, second) = (images.narrow(0, 0, n), images.narrow(0, n, n) * 0.5);
        let both = discriminator.at(state).unwrap().forward_both(&first, &second);
        assert!(largest_difference(&both.0, &discriminator.forward(&first, state).unwrap()) < 1e-5);
        assert!(largest_difference(&both.1, &discriminator.forward(&second, state).unwrap()) < 1e-5);
    }
}

#[test]
fn noise_of_strength_zero_leaves_the_scores_and_other_noise_repeats_with_its_numbers() {
    let (generator, discriminator) = networks();
    let state = GrowthState { resolution_px: 16, fade_in: 0.4 };
    let images = generator.forward(&latents(8), state).unwrap();
    let network = discriminator.at(state).unwrap();
    let noisy = |strength, seed| {
        let mut draw = normal_numbers(seed);
        network.forward_noisy(&images, Some(MultiplicativeNoise::new(strength, &mut draw)))
    };
    let plain = network.forward(&images);
    assert!(largest_difference(&noisy(0.0, 7), &plain) == 0.0);
    assert!(largest_difference(&noisy(0.05, 7), &noisy(0.05, 7)) == 0.0);
    assert!(largest_difference(&noisy(0.05, 7), &plain) > 1e-4);
    assert!(largest_difference(&noisy(0.05, 7), &noisy(0.05, 8)) > 1e-4);
    // Numbers that are all 0 are factors of 1.
    let mut zeros = |count| vec![0.0; count];
    let (first, second) = network.forward_both_noisy(
        &images,
        &(&images * 0.5),
        Some(MultiplicativeNoise::new(0.3, &mut zeros)),
    );
    let both = network.forward_both(&images, &(&images * 0.5));
    assert!(largest_difference(&first, &both.0) == 0.0 && largest_difference(&second, &both.1) == 0.0);
}

#[test]
fn clipping_bounds_the_weights_as_they_act_after_scaling() {
    let (_, discriminator) = networks();
    discriminator.clip_weights(0.01).unwrap();
    for (name, weight) in discriminator.parameters().iter() {
        let shape = weight.size();
        let fan_in: i64 = shape[1..].iter().product();
        let gain = if name.contains(".score.") { 1.0 } else { 2.0_f64.sqrt() };
        let scale = if name.ends_with("bias") { 1.0 } else { gain / (fan_in as f64).sqrt() };
        let largest = weight.abs().max().double_value(&[]) * scale;
        assert!(largest <= 0.01 * (1.0 + 1e-6), "{name}: {largest}");
        assert!(name.ends_with("bias") || largest > 0.009_9, "{name}: {largest}");
    }
}

#[test]
fn exactly_the_active_weights_have_gradients() {
    let (generator, discriminator) = networks();
    for (px, fade_in) in [(4, 1.0), (8, 0.5), (8, 1.0), (32, 0.3), (32, 1.0)] {
        let state = GrowthState { resolution_px: px, fade_in };
        let images = generator.forward(&latents(8), state).unwrap();
        let score = discriminator.forward(&images, state).unwrap().sum(Kind::Float);
        score.backward();
        for (parameters, active) in [
            (generator.parameters(), generator.active(state)),
            (discriminator.parameters(), discriminator.active(state)),
        ] {
            for (name, tensor) in parameters.iter() {
                let used = active.iter().any(|(other, _)| *other == name);
                let gradient = tensor.grad();
                let moved = gradient.defined() && gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0;
                assert_eq!(moved, used, "{name} at {px} px, fade {fade_in}");
                tensor.shallow_clone().zero_grad();
            }
        }
    }
}

#[test]
fn the_second_derivative_through_the_discriminator_agrees_with_finite_differences() {
    // What the gradient penalty needs: d/dw of the squared norm of d score / d image.
    let (generator, discriminator) = networks();
    let state = GrowthState { resolution_px: 8, fade_in: 0.6 };
    // In f64, with steps so small that hardly any unit crosses the rectifier's kink.
    let images = tch::no_grad(|| generator.forward(&latents(4), state).unwrap()).to_kind(Kind::Double);
    for (_, weight) in discriminator.parameters().iter() {
        weight.shallow_clone().set_data(&weight.to_kind(Kind::Double));
    }
    let squared_norm = || {
        let x = images.copy().set_requires_grad(true);
        let score = discriminator.forward(&x, state).unwrap().sum(Kind::Double);
        let gradient = Tensor::run_backward(&[score], &[&x], true, true).remove(0);
        (&gradient * &gradient).sum(Kind::Double)
    };
    for (name, weight) in discriminator.active(state).into_iter().filter(|(n, _)| n.ends_with("weight")) {
        let analytic = Tensor::run_backward(&[squared_norm()], &[weight], false, false).remove(0);
        let direction = analytic.sign();
        let step = 1e-7;
        let moved = |sign: f64| {
            tch::no_grad(|| {
                let _ = weight.shallow_clone().g_add_(&(&direction * (sign * step)));
            });
            let value = squared_norm().double_value(&[]);
            tch::no_grad(|| {
                let _ = weight.shallow_clone().g_add_(&(&direction * (-sign * step)));
            });
            value
        };
        let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let expected = (&analytic * &direction).sum(Kind::Double).double_value(&[]);
        let error = (numeric - expected).abs() / expected.abs().max(1e-3);
        assert!(error < 1e-4, "{name}: {numeric} against {expected}");
    }
}

#[test]
fn weights_load_by_name_and_a_wrong_shape_is_refused() {
    let (generator, _) = networks();
    let other = Generator::new(&SMALL, Device::Cpu, &mut normal_numbers(9));
    other.parameters().copy_from(generator.parameters()).unwrap();
    let state = GrowthState::stable(32);
    let (a, b) = (generator.forward(&latents(2), state).unwrap(), other.forward(&latents(2), state).unwrap());
    assert!(largest_difference(&a, &b) == 0.0);

    let wider = Architecture { fmap_max: 32, ..SMALL };
    let wider = Generator::new(&wider, Device::Cpu, &mut normal_numbers(1));
    let error = wider.parameters().copy_from(generator.parameters()).unwrap_err();
    assert!(error.to_string().contains("expected shape"), "{error}");
}
