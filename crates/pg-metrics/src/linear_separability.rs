//! Linear separability of latents by attributes of their images (Karras, Laine, Aila 2018, arXiv:1812.04948, section
//! 4.2): what is not known of an attribute once a linear classifier has looked at the latent.

use crate::interval::ConfidenceInterval;

/// How often a linear classifier says a class and an attribute is of a class, `[said][is]`.
pub type AttributeCounts = [[u64; 2]; 2];

/// H(Y|X) in bits: Y the attribute, X what the linear classifier says; 0 for no counts.
#[must_use]
pub fn conditional_entropy_bits(counts: &AttributeCounts) -> f64 {
    let total: u64 = counts.iter().flatten().sum();
    let mut bits = 0.0;
    for row in counts {
        let of_row: u64 = row.iter().sum();
        for &count in row.iter().filter(|count| **count > 0) {
            bits -= count as f64 / total as f64 * (count as f64 / of_row as f64).log2();
        }
    }
    // Not -0.
    bits.max(0.0)
}

/// What is known of an attribute: the samples that count, in any order, and for each of them whether it has the
/// attribute, and whether the linear classifier says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeAnswers {
    /// Numbers of samples.
    pub samples: Vec<usize>,
    /// Whether they have it.
    pub has: Vec<bool>,
    /// Whether the classifier says that they have it.
    pub said: Vec<bool>,
}

impl AttributeAnswers {
    /// How often what is said and what is.
    #[must_use]
    pub fn counts(&self) -> AttributeCounts {
        let mut counts = [[0; 2]; 2];
        for (&said, &has) in self.said.iter().zip(&self.has) {
            counts[usize::from(said)][usize::from(has)] += 1;
        }
        counts
    }
}

/// A score of a latent space.
#[derive(Debug, Clone, PartialEq)]
pub struct Separability {
    /// 2 to the sum of `bits`: 1 where all attributes are separated.
    pub value: f64,
    /// [`conditional_entropy_bits`] of each attribute.
    pub bits: Vec<f64>,
    /// Of the value over the choice of samples, 95 %; the classifiers are taken as they are.
    pub interval: ConfidenceInterval,
}

/// Separability by all `attributes`.
///
/// Interval: each sample's share in the sum of entropies is what its answers are worth in bits; samples are
/// independent, so that the variance of the sum is that of the shares (delta method).
#[must_use]
pub fn linear_separability(attributes: &[AttributeAnswers]) -> Separability {
    let count = attributes.iter().flat_map(|a| &a.samples).max().map_or(0, |last| last + 1);
    let mut shares = vec![0.0; count];
    let mut bits = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        let counts = attribute.counts();
        let entropy = conditional_entropy_bits(&counts);
        bits.push(entropy);
        let total = attribute.samples.len() as f64;
        for ((&sample, &has), &said) in attribute.samples.iter().zip(&attribute.has).zip(&attribute.said) {
            let row = counts[usize::from(said)];
            let surprise = -(row[usize::from(has)] as f64 / (row[0] + row[1]) as f64).log2();
            shares[sample] += (surprise - entropy) / total;
        }
    }
    let sum: f64 = bits.iter().sum();
    let standard_error = shares.iter().map(|share| share * share).sum::<f64>().sqrt();
    let in_bits =
        ConfidenceInterval::student(sum, standard_error, count.saturating_sub(1), (0.0, f64::INFINITY));
    let interval =
        ConfidenceInterval { low: in_bits.low.exp2(), high: in_bits.high.exp2(), level: in_bits.level };
    Separability { value: sum.exp2(), bits, interval }
}

/// The places of the `keep` samples whose attribute is the most certain, in rising order: the largest |log-odds|, the
/// first of equals.
#[must_use]
pub fn most_confident(log_odds: &[f32], keep: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..log_odds.len()).collect();
    places.sort_by(|&a, &b| log_odds[b].abs().total_cmp(&log_odds[a].abs()).then(a.cmp(&b)));
    places.truncate(keep);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;
    use crate::random_streams::{Purpose, below, stream};

    /// As many samples as `counts` say, the first of them `first`.
    fn answers(counts: AttributeCounts, first: usize) -> AttributeAnswers {
        let (mut has, mut said) = (Vec::new(), Vec::new());
        for (row, of_row) in counts.iter().enumerate() {
            for (column, &count) in of_row.iter().enumerate() {
                has.extend((0..count).map(|_| column == 1));
                said.extend((0..count).map(|_| row == 1));
            }
        }
        let found = AttributeAnswers { samples: (first..first + has.len()).collect(), has, said };
        assert_eq!(found.counts(), counts);
        found
    }

    #[test]
    fn what_is_separated_scores_1_and_what_is_independent_2_to_the_entropy() {
        let apart = linear_separability(&[answers([[40, 0], [0, 60]], 0), answers([[0, 7], [9, 0]], 0)]);
        assert_eq!((apart.value, apart.interval.low, apart.interval.high), (1.0, 1.0, 1.0));
        // Y is 1 in three of four cases, whatever is said.
        let entropy = -(0.25_f64 * 0.25_f64.log2() + 0.75 * 0.75_f64.log2());
        let one = linear_separability(&[answers([[10, 30], [5, 15]], 0)]);
        assert!((one.value - entropy.exp2()).abs() < 1e-12, "{one:?}");
        // Attributes multiply.
        let two = linear_separability(&[answers([[10, 30], [5, 15]], 0), answers([[1, 1], [1, 1]], 90)]);
        assert!((two.value - 2.0 * entropy.exp2()).abs() < 1e-12, "{two:?}");
        assert_eq!(conditional_entropy_bits(&[[0, 0], [0, 0]]), 0.0);
    }

    #[test]
    fn the_interval_is_the_spread_over_samples() {
        // Two attributes of the same samples: a share of 20 % and of 30 % is told wrongly, by chance.
        let draw = |seed: usize| {
            let mut rng = stream(seed as u64, Purpose::ImagePairs, 0);
            let mut wrong = |percent: usize| below(rng.next_u32(), 100) < percent;
            let attribute = |wrong: &mut dyn FnMut(usize) -> bool, percent| {
                let has: Vec<bool> = (0..500).map(|sample| sample % 2 == 0).collect();
                let said = has.iter().map(|has| has ^ wrong(percent)).collect();
                AttributeAnswers { samples: (0..500).collect(), has, said }
            };
            linear_separability(&[attribute(&mut wrong, 20), attribute(&mut wrong, 30)])
        };
        let entropy = |p: f64| -(p * p.log2() + (1.0 - p) * (1.0 - p).log2());
        let expected = (entropy(0.2) + entropy(0.3)).exp2();
        let inside = (0..400).filter(|&seed| {
            let found = draw(seed);
            (found.interval.low..=found.interval.high).contains(&expected)
        });
        // 380 expected, standard deviation 4.4; a bias of the entropy of a few samples costs some.
        let inside = inside.count();
        assert!((360..=398).contains(&inside), "{inside} of 400");
    }

    #[test]
    fn the_most_certain_stay_in_their_order() {
        assert_eq!(most_confident(&[0.1, -5.0, 3.0, 0.0, -3.0, 9.0], 3), [1, 2, 5]);
        assert_eq!(most_confident(&[1.0, 2.0], 9), [0, 1]);
    }
}
