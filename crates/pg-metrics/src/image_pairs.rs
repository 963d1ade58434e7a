//! Which images are compared with each other in a diversity score.

use std::collections::BTreeSet;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::MetricsError;
use crate::random_streams::{Purpose, below, stream};

/// Indices of two different images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePair {
    /// The first image.
    pub first: usize,
    /// The second image.
    pub second: usize,
}

/// Number of different unordered pairs among `images` images.
#[must_use]
pub fn distinct_pair_count(images: usize) -> usize {
    images.saturating_mul(images.saturating_sub(1)) / 2
}

/// The pairs 0/1, 2/3, …; an odd last image is left out. For images in an order without meaning,
/// such as a generator's samples.
///
/// # Errors
/// [`MetricsError::TooFewImages`] below two images.
pub fn consecutive_pairs(images: usize) -> Result<Vec<ImagePair>, MetricsError> {
    check_enough(images)?;
    Ok((0..images / 2).map(|i| ImagePair { first: 2 * i, second: 2 * i + 1 }).collect())
}

/// `pairs` different pairs of images, drawn by `seed`; for images in an order that means something.
///
/// The images are shuffled and paired off; when more pairs are wanted than that gives, they are
/// shuffled again, and pairs that came before are passed over. So up to `images / 2` pairs no image
/// occurs twice. When more than half of all possible pairs are wanted, all of them are listed and
/// shuffled instead.
///
/// # Errors
/// [`MetricsError::TooFewImages`] below two images, [`MetricsError::TooManyPairs`] when there are not
/// so many different pairs.
pub fn drawn_pairs(images: usize, pairs: usize, seed: u64) -> Result<Vec<ImagePair>, MetricsError> {
    check_enough(images)?;
    let available = distinct_pair_count(images);
    if pairs > available {
        return Err(MetricsError::TooManyPairs { asked: pairs, available, images });
    }
    let mut rng = stream(seed, Purpose::ImagePairs, 0);
    if pairs > available / 2 && pairs > images / 2 {
        let mut all: Vec<ImagePair> = (0..images)
            .flat_map(|second| (0..second).map(move |first| ImagePair { first, second }))
            .collect();
        shuffle(&mut all, &mut rng);
        all.truncate(pairs);
        return Ok(all);
    }
    let mut order: Vec<usize> = (0..images).collect();
    let mut seen = BTreeSet::new();
    let mut drawn = Vec::with_capacity(pairs);
    while drawn.len() < pairs {
        shuffle(&mut order, &mut rng);
        for couple in order.chunks_exact(2) {
            let pair = ImagePair { first: couple[0].min(couple[1]), second: couple[0].max(couple[1]) };
            if drawn.len() < pairs && seen.insert(pair) {
                drawn.push(pair);
            }
        }
    }
    Ok(drawn)
}

fn check_enough(images: usize) -> Result<(), MetricsError> {
    if images < 2 {
        return Err(MetricsError::TooFewImages { metric: "MS-SSIM", expected: 2, actual: images });
    }
    Ok(())
}

/// Fisher-Yates.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng.next_u32(), i + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn consecutive_pairs_leave_an_odd_last_image_out() {
        let pairs = consecutive_pairs(5).unwrap();
        assert_eq!(pairs, [ImagePair { first: 0, second: 1 }, ImagePair { first: 2, second: 3 }]);
    }

    #[test]
    fn too_few_images_and_too_many_pairs_are_errors() {
        assert!(matches!(consecutive_pairs(1), Err(MetricsError::TooFewImages { actual: 1, .. })));
        assert!(matches!(drawn_pairs(0, 1, 0), Err(MetricsError::TooFewImages { actual: 0, .. })));
        assert!(matches!(drawn_pairs(4, 7, 0), Err(MetricsError::TooManyPairs { available: 6, .. })));
    }

    #[test]
    fn up_to_half_the_images_no_image_occurs_twice() {
        let pairs = drawn_pairs(101, 50, 3).unwrap();
        let used: BTreeSet<_> = pairs.iter().flat_map(|p| [p.first, p.second]).collect();
        assert_eq!(used.len(), 100);
        assert_ne!(pairs, drawn_pairs(101, 50, 4).unwrap());
    }

    proptest! {
        #[test]
        fn drawn_pairs_are_distinct_and_inside(images in 2_usize..40, share in 0.0_f64..=1.0, seed: u64) {
            let wanted = (distinct_pair_count(images) as f64 * share) as usize;
            let pairs = drawn_pairs(images, wanted, seed).unwrap();
            prop_assert_eq!(pairs.len(), wanted);
            prop_assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), wanted);
            prop_assert!(pairs.iter().all(|p| p.first < p.second && p.second < images));
            prop_assert_eq!(pairs, drawn_pairs(images, wanted, seed).unwrap());
        }
    }
}
