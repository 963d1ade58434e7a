//! What a person looks like.

use crate::canvas::{Colour, lit, mix};
use crate::random::Choices;

/// The cut of the hair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HairStyle {
    /// None.
    Bald,
    /// Close to the head.
    Short,
    /// With a fringe over the forehead.
    Fringe,
    /// To the chin.
    Bob,
    /// Past the shoulders.
    Long,
    /// Wide and curly.
    Curly,
}

/// The traits of a portrait.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent yes-or-no traits")]
pub struct Appearance {
    /// The cut of the hair.
    pub hair: HairStyle,
    /// Whether the person wears glasses.
    pub glasses: bool,
    /// Whether the person has a beard.
    pub beard: bool,
    /// Whether the person smiles with open lips.
    pub smiles: bool,
    pub(crate) skin: Colour,
    pub(crate) hair_colour: Colour,
    pub(crate) brow_colour: Colour,
    pub(crate) iris: Colour,
    pub(crate) lips: Colour,
    pub(crate) cloth: Colour,
    pub(crate) collar: bool,
    pub(crate) face_width: f32,
    pub(crate) chin: f32,
    pub(crate) eye_width: f32,
    pub(crate) eye_open: f32,
    pub(crate) brow_thickness: f32,
    pub(crate) brow_raise: f32,
    pub(crate) nose_width: f32,
    pub(crate) mouth_width: f32,
    pub(crate) smile: f32,
    pub(crate) parting: f32,
    pub(crate) glasses_colour: Colour,
    /// Direction towards the light: right, down, out of the picture.
    pub(crate) light: [f32; 3],
    pub(crate) texture: u32,
}

impl Appearance {
    pub(crate) fn draw(choices: &mut Choices) -> Self {
        const SKINS: [Colour; 7] = [
            [0.96, 0.80, 0.70],
            [0.93, 0.74, 0.62],
            [0.87, 0.66, 0.52],
            [0.78, 0.57, 0.42],
            [0.66, 0.46, 0.33],
            [0.50, 0.34, 0.24],
            [0.38, 0.25, 0.18],
        ];
        const HAIRS: [Colour; 7] = [
            [0.09, 0.07, 0.06],
            [0.18, 0.11, 0.07],
            [0.33, 0.20, 0.11],
            [0.50, 0.32, 0.17],
            [0.80, 0.64, 0.38],
            [0.56, 0.22, 0.10],
            [0.66, 0.65, 0.64],
        ];
        const IRISES: [Colour; 5] = [
            [0.24, 0.14, 0.08],
            [0.36, 0.24, 0.12],
            [0.30, 0.42, 0.26],
            [0.27, 0.43, 0.62],
            [0.42, 0.47, 0.50],
        ];
        const CLOTHS: [Colour; 8] = [
            [0.15, 0.17, 0.25],
            [0.55, 0.13, 0.15],
            [0.20, 0.38, 0.55],
            [0.85, 0.85, 0.83],
            [0.18, 0.42, 0.28],
            [0.75, 0.60, 0.25],
            [0.42, 0.25, 0.50],
            [0.10, 0.10, 0.11],
        ];
        let mut vary = |colour: Colour, by: f32| {
            let brightness = 1.0 + choices.bell() * by;
            colour.map(|v| (v * brightness + choices.bell() * by * 0.12).clamp(0.02, 0.98))
        };
        let skins = SKINS.map(|s| vary(s, 0.08));
        let hairs = HAIRS.map(|h| vary(h, 0.25));
        let cloths = CLOTHS.map(|c| vary(c, 0.2));
        let skin_choice = choices.index(SKINS.len());
        let skin = skins[skin_choice];
        // Dark skin goes with dark hair and eyes most of the time.
        let dark = skin_choice >= 4;
        let hair_colour =
            hairs[if dark && choices.chance(0.85) { choices.index(2) } else { choices.index(7) }];
        let iris = IRISES[if dark { choices.index(2) } else { choices.index(5) }];
        let hair = match choices.index(20) {
            0 => HairStyle::Bald,
            1..=5 => HairStyle::Short,
            6..=9 => HairStyle::Fringe,
            10..=12 => HairStyle::Bob,
            13..=16 => HairStyle::Long,
            _ => HairStyle::Curly,
        };
        let may_have_beard = matches!(hair, HairStyle::Bald | HairStyle::Short | HairStyle::Fringe);
        let smile = choices.between(-0.25, 1.0);
        let light = [choices.between(-0.75, 0.75), choices.between(-0.9, -0.1), 1.0];
        let length = (light[0] * light[0] + light[1] * light[1] + 1.0).sqrt();
        let lips = mix(lit(skin, 0.82), [0.72, 0.20, 0.22], choices.between(0.25, 0.65));
        Self {
            hair,
            glasses: choices.chance(0.16),
            beard: may_have_beard && choices.chance(0.35),
            smiles: smile > 0.45 && choices.chance(0.75),
            skin,
            hair_colour,
            brow_colour: lit(mix(hair_colour, [0.15, 0.10, 0.08], 0.45), 0.9),
            iris,
            lips,
            cloth: choices.pick(&cloths),
            collar: choices.chance(0.4),
            face_width: choices.between(0.74, 0.86),
            chin: choices.between(1.0, 1.12),
            eye_width: choices.between(0.165, 0.205),
            eye_open: choices.between(0.075, 0.112),
            brow_thickness: choices.between(0.022, 0.05),
            brow_raise: choices.between(-0.03, 0.05),
            nose_width: choices.between(0.12, 0.19),
            mouth_width: choices.between(0.27, 0.36),
            smile,
            parting: choices.between(-0.5, 0.5),
            glasses_colour: choices.pick(&[[0.06, 0.06, 0.07], [0.30, 0.17, 0.09], [0.55, 0.50, 0.42]]),
            light: light.map(|v| v / length),
            texture: choices.bits(),
        }
    }
}
