//! What can be said of a portrait by yes or no.

use crate::appearance::{Appearance, HairStyle};
use crate::pose::Pose;

/// Names of the attributes, in order, as CelebA writes its.
pub const ATTRIBUTE_NAMES: [&str; 6] =
    ["Beard", "Dark_Hair", "Eyeglasses", "Long_Hair", "Smiling", "Turned_Right"];

/// Hair below this brightness is dark: black, dark brown, brown.
const DARK: f32 = 0.28;

/// Which of [`ATTRIBUTE_NAMES`] a portrait has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes(pub [bool; 6]);

impl Attributes {
    pub(crate) fn of(pose: &Pose, looks: &Appearance) -> Self {
        let brightness = looks.hair_colour.iter().sum::<f32>() / 3.0;
        Self([
            looks.beard,
            looks.hair != HairStyle::Bald && brightness < DARK,
            looks.glasses,
            // To the chin or further.
            matches!(looks.hair, HairStyle::Bob | HairStyle::Long),
            looks.smiles,
            // The viewer's right.
            pose.yaw > 0.0,
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::Portrait;

    #[test]
    fn each_attribute_is_neither_rare_nor_the_rule() {
        let mut counts = [0; 6];
        for index in 0..2000 {
            for (count, has) in counts.iter_mut().zip(Portrait::attributes_of(4, index).0) {
                *count += u32::from(has);
            }
        }
        assert!(counts.iter().all(|count| (250..=1300).contains(count)), "{counts:?}");
    }

    #[test]
    fn heads_turn_and_hair_is_dark_as_they_say() {
        let (mut dark, mut light) = (Vec::new(), Vec::new());
        for index in 0..60 {
            let portrait = Portrait::draw(4, index);
            let [_, dark_hair, _, _, _, turned_right] = Portrait::attributes_of(4, index).0;
            let [left, right, nose, ..] = portrait.landmarks.0;
            // Of the nose along the line of the eyes, from their middle.
            let (along, down) =
                ([right[0] - left[0], right[1] - left[1]], [left[1] - right[1], right[0] - left[0]]);
            let middle = [0.5 * (left[0] + right[0]), 0.5 * (left[1] + right[1])];
            let aside = (nose[0] - middle[0]) * along[0] + (nose[1] - middle[1]) * along[1];
            assert_eq!(aside > 0.0, turned_right, "{index}");
            // Where the hair begins, 0.95 of the eyes' distance above them.
            let (x, y) = (middle[0] - 0.95 * down[0], middle[1] - 0.95 * down[1]);
            let picture = &portrait.picture;
            if x >= 0.0 && y >= 0.0 && (x as usize) < picture.width() && (y as usize) < picture.height() {
                let first = 3 * (y as usize * picture.width() + x as usize);
                let brightness = picture.data()[first..first + 3].iter().map(|&v| u32::from(v)).sum::<u32>();
                if dark_hair { &mut dark } else { &mut light }.push(brightness);
            }
        }
        let mean = |values: &[u32]| values.iter().sum::<u32>() / values.len() as u32;
        assert!(dark.len() > 10 && light.len() > 10);
        assert!(mean(&dark) + 60 < mean(&light), "{} {}", mean(&dark), mean(&light));
    }
}
