//! Both networks against the definition in plain loops, f64: at every level from 4 to 64 px, stable and inside
//! a fade (arXiv:1710.10196, section 4 and appendix A).
//!
//! Bound: 2e-4 of the largest value, for a dozen convolutions in f32 by tiles (up to 1e-5 each) behind one
//! another and pixel norms that enlarge what is small; up to 9e-5 was seen.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod plain;

use pg_networks::{Architecture, Discriminator, Generator, GeneratorInputs, GrowthState, Parameters, Phase};
use plain::{Map, PlainNetwork, StyleInputs};
use tch::{Device, Tensor};

const BOUND: f64 = 2e-4;

fn architecture() -> Architecture {
    Architecture { image_channels: 3, ..Architecture::paper(64, 7, 96, 6) }
}

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

/// Biases start at 0, which would hide whether they are used.
fn with_biases(parameters: &Parameters) {
    let mut draw = normal_numbers(77);
    // Strengths of noise start at 0, too.
    let starts_at_0 = |name: &str| name.ends_with("bias") || name.ends_with("noise");
    for (_, bias) in parameters.iter().filter(|(name, _)| starts_at_0(name)) {
        let values = Tensor::from_slice(&draw(bias.numel())) * 0.3;
        tch::no_grad(|| bias.shallow_clone().copy_(&values.view(bias.size().as_slice())));
    }
}

fn plain(parameters: &Parameters) -> PlainNetwork {
    let weight = |(name, tensor): (&str, &Tensor)| {
        let values = Vec::<f32>::try_from(tensor.detach().contiguous().flatten(0, -1)).unwrap();
        (name.to_owned(), values.into_iter().map(f64::from).collect())
    };
    PlainNetwork::new(96, 6, parameters.iter().map(weight).collect())
}

fn assert_near(found: &Tensor, expected: &[f64], what: &str) {
    let found = Vec::<f32>::try_from(found.detach().contiguous().flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let far = (f64::from(*found) - expected).abs();
        assert!(far < BOUND * largest, "{what}, number {index}: {found} against {expected} of {largest}");
    }
}

fn states() -> Vec<GrowthState> {
    let fades = [0.25, 0.7];
    let faded = move |px: u32| fades.map(|fade_in| GrowthState { resolution_px: px, fade_in });
    (2..=6)
        .map(|log2| 1 << log2)
        .flat_map(|px| {
            [GrowthState::stable(px)].into_iter().chain(if px > 4 { faded(px).to_vec() } else { vec![] })
        })
        .collect()
}

#[test]
fn the_generator_draws_what_the_definition_says() {
    let generator = Generator::new(&architecture(), Device::Cpu, &mut normal_numbers(1));
    with_biases(generator.parameters());
    let oracle = plain(generator.parameters());
    let latents = normal_numbers(5)(3 * 7);
    for state in states() {
        let images = generator.forward(&Tensor::from_slice(&latents).view([3, 7]), state).unwrap();
        let expected: Vec<f64> = latents
            .chunks(7)
            .flat_map(|z| {
                let z: Vec<f64> = z.iter().map(|&x| f64::from(x)).collect();
                oracle.generate(&z, state.resolution_px as usize, state.fade_in).values
            })
            .collect();
        assert_near(&images, &expected, &format!("{state:?}"));
    }
}

#[test]
fn the_style_based_generator_draws_what_the_definition_says() {
    let architecture = Architecture::style_based(64, 7, 96, 6);
    let generator = Generator::new(&architecture, Device::Cpu, &mut normal_numbers(1));
    with_biases(generator.parameters());
    let oracle = plain(generator.parameters());
    let latents: [Vec<f32>; 2] = [5, 6].map(|seed| normal_numbers(seed)(3 * 7));
    let [first, others] = latents.each_ref().map(|latents| Tensor::from_slice(latents).view([3, 7]));
    for state in states() {
        let at = generator.at(state, Phase::Sampling).unwrap();
        let sides = at.noise_sides_px();
        assert_eq!(sides.len(), at.layers());
        let mut draw = normal_numbers(8);
        let pixels = |side: i64| (side * side) as usize;
        let noise: Vec<Vec<f32>> = sides.iter().map(|&side| draw(3 * pixels(side))).collect();
        let pictures: Vec<Tensor> = noise
            .iter()
            .zip(&sides)
            .map(|(noise, &side)| Tensor::from_slice(noise).view([3, 1, side, side]))
            .collect();
        // Other styles from the second layer on, then from none.
        for from in [1, at.layers()] {
            let inputs = GeneratorInputs { latents: &first, mixed: Some((&others, from)), noise: &pictures };
            let images = at.draw(&inputs).unwrap();
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let expected: Vec<f64> = (0..3)
                .flat_map(|n| {
                    let [first, others] = latents.each_ref().map(|z| wide(&z[n * 7..][..7]));
                    let by_layer: Vec<&[f64]> =
                        (0..at.layers()).map(|l| if l < from { &first[..] } else { &others[..] }).collect();
                    let noise: Vec<Vec<f64>> = noise
                        .iter()
                        .zip(&sides)
                        .map(|(noise, &side)| wide(&noise[n * pixels(side)..][..pixels(side)]))
                        .collect();
                    let inputs = StyleInputs { latents: &by_layer, noise: &noise };
                    oracle.generate_styled(&inputs, state.resolution_px as usize, state.fade_in).values
                })
                .collect();
            assert_near(&images, &expected, &format!("{state:?}, others from layer {from}"));
        }
    }
}

#[test]
fn the_discriminator_scores_as_the_definition_says() {
    scores_are_as_defined(&architecture());
}

#[test]
fn the_discriminator_beside_styles_scores_as_the_definition_says() {
    scores_are_as_defined(&Architecture::style_based(64, 7, 96, 6));
}

fn scores_are_as_defined(architecture: &Architecture) {
    let discriminator = Discriminator::new(architecture, Device::Cpu, &mut normal_numbers(2));
    with_biases(discriminator.parameters());
    let oracle = plain(discriminator.parameters());
    let oracle = if architecture.filtered_resampling { oracle.filtered() } else { oracle };
    for state in states() {
        let side = state.resolution_px as usize;
        // Two groups of four for the minibatch standard deviation.
        let count = 8;
        let numbers = normal_numbers(9)(count * 3 * side * side);
        let images = Tensor::from_slice(&numbers).view([count as i64, 3, side as i64, side as i64]);
        let scores = discriminator.forward(&images, state).unwrap();
        let maps: Vec<Map> = numbers
            .chunks(3 * side * side)
            .map(|x| Map::new(3, side, x.iter().map(|&v| f64::from(v)).collect()))
            .collect();
        let expected = oracle.scores(&maps, state.fade_in, 4);
        assert_near(&scores, &expected, &format!("{state:?}"));
    }
}
