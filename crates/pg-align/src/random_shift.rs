//! Crops moved at random, so that faces do not all lie in one place.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// Keeps this stream apart from any other made of a seed and a name.
const PURPOSE: &[u8] = b"pg-align random shift\0";

/// Random displacement of crops, as FFHQ's program has with `--random-shift`: normal along x and y. Its own
/// random numbers, not those of that program, which depend on the order of the photos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomShift {
    /// Standard deviation along each axis, in sides of the crop.
    pub deviation: f64,
    /// Seed of all photos.
    pub seed: u64,
}

impl RandomShift {
    /// The shift of the photo `name`, in sides of the crop: a pure function of deviation, seed and name.
    #[must_use]
    pub fn of(&self, name: &str) -> [f64; 2] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(PURPOSE).update(&self.seed.to_le_bytes()).update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        [(); 2].map(|()| {
            let z: f64 = StandardNormal.sample(&mut rng);
            self.deviation * z
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_depend_on_seed_and_name_and_nothing_else() {
        let shift = |seed, name: &str| RandomShift { deviation: 0.1, seed }.of(name);
        assert_eq!(shift(1, "a.jpg"), shift(1, "a.jpg"));
        assert_ne!(shift(1, "a.jpg"), shift(2, "a.jpg"));
        assert_ne!(shift(1, "a.jpg"), shift(1, "b.jpg"));
        assert_eq!(RandomShift { deviation: 0.0, seed: 1 }.of("a.jpg").map(f64::abs), [0.0; 2]);
    }

    #[test]
    fn shifts_are_normal_with_the_deviation_asked_for() {
        let random = RandomShift { deviation: 0.25, seed: 3 };
        let n = 4000;
        let values: Vec<f64> = (0..n).flat_map(|i| random.of(&format!("{i}.png"))).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|v| v * v).sum::<f64>() / count).sqrt();
        let within_one = values.iter().filter(|v| v.abs() < 0.25).count() as f64 / count;
        // About four standard errors each.
        assert!(mean.abs() < 0.012, "{mean}");
        assert!((deviation - 0.25).abs() < 0.008, "{deviation}");
        assert!((within_one - 0.6827).abs() < 0.021, "{within_one}");
    }
}
