//! Both networks as wholes: shapes, fade-in, gradients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pg_networks::{
    Architecture, Discriminator, DiscriminatorNorm, Generator, GeneratorAt, GeneratorInputs, GeneratorNorm,
    GrowthState, MultiplicativeNoise, NetworkError, Phase, StyleArchitecture, downscale_box, upscale_nearest,
};
use tch::{Device, Kind, Tensor};

const SMALL: Architecture = Architecture {
    resolution_px: 32,
    image_channels: 3,
    latent_size: 12,
    label_size: 0,
    fmap_base: 128,
    fmap_max: 16,
    equalized_lr: true,
    generator_norm: GeneratorNorm::Pixel,
    discriminator_norm: DiscriminatorNorm::None,
    minibatch_stddev_group: 4,
    minibatch_discrimination: 0,
    filtered_resampling: false,
    style: None,
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
        let both = discriminator.at(state).unwrap().judge_both(&first, &second, None);
        assert!(largest_difference(&both.0.scores, &discriminator.forward(&first, state).unwrap()) < 1e-5);
        assert!(largest_difference(&both.1.scores, &discriminator.forward(&second, state).unwrap()) < 1e-5);
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
        network.judge(&images, Some(MultiplicativeNoise::new(strength, &mut draw))).scores
    };
    let plain = network.forward(&images);
    assert!(largest_difference(&noisy(0.0, 7), &plain) == 0.0);
    assert!(largest_difference(&noisy(0.05, 7), &noisy(0.05, 7)) == 0.0);
    assert!(largest_difference(&noisy(0.05, 7), &plain) > 1e-4);
    assert!(largest_difference(&noisy(0.05, 7), &noisy(0.05, 8)) > 1e-4);
    // Numbers that are all 0 are factors of 1.
    let mut zeros = |count| vec![0.0; count];
    let (first, second) =
        network.judge_both(&images, &(&images * 0.5), Some(MultiplicativeNoise::new(0.3, &mut zeros)));
    let both = network.judge_both(&images, &(&images * 0.5), None);
    assert!(largest_difference(&first.scores, &both.0.scores) == 0.0);
    assert!(largest_difference(&second.scores, &both.1.scores) == 0.0);
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

/// Networks with every toggle of the ablation, and labels.
fn variants() -> Vec<Architecture> {
    let norms = [GeneratorNorm::Pixel, GeneratorNorm::Batch, GeneratorNorm::None];
    let critics = [DiscriminatorNorm::None, DiscriminatorNorm::Layer, DiscriminatorNorm::Spectral];
    let mut variants = Vec::new();
    for (generator_norm, discriminator_norm) in norms.into_iter().zip(critics) {
        for equalized_lr in [true, false] {
            variants.push(Architecture { generator_norm, discriminator_norm, equalized_lr, ..SMALL });
        }
    }
    variants.push(Architecture { minibatch_stddev_group: 0, minibatch_discrimination: 6, ..SMALL });
    variants.push(Architecture { label_size: 5, ..SMALL });
    // The rows of the style-based paper's table 1.
    variants.push(Architecture { filtered_resampling: true, ..SMALL });
    let style = Architecture { generator_norm: GeneratorNorm::None, filtered_resampling: true, ..SMALL };
    let paper = StyleArchitecture { mapping_layers: 3, ..StyleArchitecture::paper() };
    for (constant_input, noise_inputs) in [(false, false), (true, false), (true, true)] {
        let parts = StyleArchitecture { constant_input, noise_inputs, ..paper };
        variants.push(Architecture { style: Some(parts), ..style });
    }
    variants.push(Architecture { style: Some(paper), label_size: 5, equalized_lr: false, ..style });
    variants
}

/// A picture for each layer that takes one, other ones for every image.
fn pictures_of_noise(generator: &GeneratorAt, kind: Kind) -> Vec<Tensor> {
    let mut draw = normal_numbers(31);
    let picture = |side: i64| Tensor::from_slice(&draw((8 * side * side) as usize)).view([8, 1, side, side]);
    generator.noise_sides_px().into_iter().map(picture).map(|noise| noise.to_kind(kind)).collect()
}

fn variant(architecture: &Architecture) -> (Generator, Discriminator, Tensor) {
    let size = i64::from(architecture.latent_size + architecture.label_size);
    let latents = Tensor::from_slice(&normal_numbers(3)((8 * size) as usize)).reshape([8, size]);
    (
        Generator::new(architecture, Device::Cpu, &mut normal_numbers(1)),
        Discriminator::new(architecture, Device::Cpu, &mut normal_numbers(2)),
        latents,
    )
}

#[test]
fn every_weight_of_every_variant_has_the_gradient_of_finite_differences() {
    let state = GrowthState { resolution_px: 8, fade_in: 0.6 };
    for architecture in variants() {
        let (generator, discriminator, latents) = variant(&architecture);
        // In f64, with steps so small that hardly any unit crosses the rectifier's kink.
        for parameters in [generator.parameters(), discriminator.parameters()] {
            for (name, weight) in parameters.iter() {
                let mut values = weight.to_kind(Kind::Double);
                // What is the same everywhere has no deviation that instance norm could divide by.
                if name.ends_with("const.value") || name.ends_with("noise") {
                    let numbers = Tensor::from_slice(&normal_numbers(5)(weight.numel()));
                    values = &values + numbers.view(weight.size().as_slice());
                }
                weight.shallow_clone().set_data(&values.detach());
            }
        }
        let latents = latents.to_kind(Kind::Double);
        let noise = pictures_of_noise(&generator.at(state, Phase::Training).unwrap(), Kind::Double);
        let others = latents.flip([0]);
        let value = || {
            // Other styles from the third layer on.
            let inputs = GeneratorInputs { latents: &latents, mixed: Some((&others, 2)), noise: &noise };
            let images = generator.at(state, Phase::Training).unwrap().draw(&inputs).unwrap();
            let judgement = discriminator.at(state).unwrap().judge(&images, None);
            let labels = judgement.label_logits.square().sum(Kind::Double);
            judgement.scores.sum(Kind::Double) + labels
        };
        let step = 1e-6;
        for (name, weight) in generator.active(state).into_iter().chain(discriminator.active(state)) {
            let analytic = Tensor::run_backward(&[value()], &[weight], false, false).remove(0);
            let direction = &analytic / analytic.square().sum(Kind::Double).sqrt().to_kind(analytic.kind());
            let moved = |by: f64| {
                let before = weight.detach().copy();
                tch::no_grad(|| {
                    let _ = weight.shallow_clone().g_add_(&(&direction * by));
                });
                let value = value().double_value(&[]);
                tch::no_grad(|| weight.shallow_clone().copy_(&before));
                value
            };
            let numeric = (moved(step) - moved(-step)) / (2.0 * step);
            let expected = (&analytic * &direction).sum(Kind::Double).double_value(&[]);
            let far = (numeric - expected).abs() / expected.abs().max(0.1);
            assert!(far < 1e-4, "{architecture:?} {name}: {numeric} against {expected}");
        }
    }
}

#[test]
fn gradients_and_the_penaltys_second_derivatives_in_f32_are_those_of_f64() {
    // The f32 path has kernels of its own for 3x3 convolutions, the f64 path is libtorch's.
    let penalised = |kind: Kind| {
        let (generator, discriminator) = networks();
        for parameters in [generator.parameters(), discriminator.parameters()] {
            for (_, weight) in parameters.iter() {
                weight.shallow_clone().set_data(&weight.to_kind(kind));
            }
        }
        let state = GrowthState { resolution_px: 32, fade_in: 0.6 };
        let images = generator.forward(&latents(8).to_kind(kind), state).unwrap();
        let mixed = (images.detach() * 0.7).set_requires_grad(true);
        let score = discriminator.forward(&mixed, state).unwrap().sum(None::<Kind>);
        let slope = Tensor::run_backward(&[score], &[&mixed], true, true).remove(0);
        let penalty = (slope.square().sum_dim_intlist([1, 2, 3].as_slice(), false, None::<Kind>).sqrt()
            - 1.0)
            .square()
            .sum(None::<Kind>);
        let loss = discriminator.forward(&images, state).unwrap().sum(None::<Kind>) + penalty * 10.0;
        let active = [generator.active(state), discriminator.active(state)].concat();
        let weights: Vec<&Tensor> = active.iter().map(|(_, weight)| *weight).collect();
        let names: Vec<String> = active.iter().map(|(name, _)| (*name).to_owned()).collect();
        (names, Tensor::run_backward(&[loss], &weights, false, false))
    };
    let ((names, single), (_, double)) = (penalised(Kind::Float), penalised(Kind::Double));
    for ((name, a), b) in names.iter().zip(&single).zip(&double) {
        let size = b.square().sum(Kind::Double).sqrt().double_value(&[]);
        let far = (a.to_kind(Kind::Double) - b).square().sum(Kind::Double).sqrt().double_value(&[]);
        assert!(far < 1e-4 * size.max(1e-2), "{name}: {far} of {size}");
    }
}
