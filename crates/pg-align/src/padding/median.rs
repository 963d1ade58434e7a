//! The median of each channel of a picture that is only seen row by row.

use multiversion::multiversion;

/// Values taken together: whole RGB pixels and whole registers.
const LANES: usize = 48;
/// How far the bracket reaches below and above the median of a sample, in ranks.
const REACH: f64 = 0.02;

/// Where the median is thought to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bracket {
    low: f32,
    high: f32,
    /// Values in a narrower bracket are counted, not kept.
    precision: f32,
}

impl Bracket {
    /// Anywhere.
    pub(super) const EVERYTHING: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, precision: 0.0 };

    /// Around the median of a sample.
    pub(super) fn around_median(mut sample: Vec<f32>, precision: f32) -> Self {
        if sample.is_empty() {
            return Self::EVERYTHING;
        }
        let mut at = |share: f64| {
            let rank = ((sample.len() - 1) as f64 * share) as usize;
            *sample.select_nth_unstable_by(rank, f32::total_cmp).1
        };
        Self { low: at(0.5 - REACH), high: at(0.5 + REACH), precision }
    }

    fn is_narrow(self) -> bool {
        self.high - self.low <= self.precision
    }
}

/// Counts of the values below and in the bracket of each channel.
pub(super) struct Ranks {
    channels: Vec<ChannelRanks>,
}

struct ChannelRanks {
    bracket: Bracket,
    all: usize,
    below: usize,
    within: usize,
    /// Those within, unless the bracket is narrow.
    values: Vec<f32>,
}

impl Ranks {
    pub(super) fn new(brackets: &[Bracket]) -> Self {
        let channels = brackets.iter().map(|&bracket| ChannelRanks {
            bracket,
            all: 0,
            below: 0,
            within: 0,
            values: Vec::new(),
        });
        Self { channels: channels.collect() }
    }

    /// Counts a row of interleaved values.
    pub(super) fn add(&mut self, row: &[f32]) {
        let c = self.channels.len();
        let low: [f32; LANES] = std::array::from_fn(|i| self.channels[i % c].bracket.low);
        let high: [f32; LANES] = std::array::from_fn(|i| self.channels[i % c].bracket.high);
        for channel in &mut self.channels {
            channel.all += row.len() / c;
        }
        let mut below = [0_u32; LANES];
        let (blocks, rest) = row.as_chunks::<LANES>();
        for block in blocks {
            if count(block, &low, &high, &mut below) {
                self.keep(block);
            }
        }
        for (i, below) in below.into_iter().enumerate() {
            self.channels[i % c].below += below as usize;
        }
        for (i, value) in rest.iter().enumerate() {
            let channel = &mut self.channels[i % c];
            channel.below += usize::from(*value < channel.bracket.low);
        }
        self.keep(rest);
    }

    /// Takes the values that are within.
    fn keep(&mut self, values: &[f32]) {
        let c = self.channels.len();
        for (i, &value) in values.iter().enumerate() {
            let channel = &mut self.channels[i % c];
            if (channel.bracket.low..=channel.bracket.high).contains(&value) {
                channel.within += 1;
                if !channel.bracket.is_narrow() {
                    channel.values.push(value);
                }
            }
        }
    }

    pub(super) fn merged(mut self, other: Self) -> Self {
        for (channel, other) in self.channels.iter_mut().zip(other.channels) {
            channel.all += other.all;
            channel.below += other.below;
            channel.within += other.within;
            channel.values.extend(other.values);
        }
        self
    }

    /// `None` when a median is not in its bracket.
    pub(super) fn medians(self) -> Option<Vec<f32>> {
        self.channels.into_iter().map(ChannelRanks::median).collect()
    }
}

impl ChannelRanks {
    /// The middle value, or the mean of the two middle ones.
    fn median(mut self) -> Option<f32> {
        let upper = (self.all / 2).checked_sub(self.below)?;
        let even = self.all.is_multiple_of(2);
        if upper >= self.within || (even && upper == 0) {
            return None;
        }
        if self.bracket.is_narrow() {
            return Some(f32::midpoint(self.bracket.low, self.bracket.high));
        }
        let (less, middle, _) = self.values.select_nth_unstable_by(upper, f32::total_cmp);
        let middle = *middle;
        if !even {
            return Some(middle);
        }
        let lower = less.iter().copied().max_by(f32::total_cmp)?;
        Some(f32::midpoint(lower, middle))
    }
}

/// Adds up the values below `low`; true when any is within.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn count(block: &[f32; LANES], low: &[f32; LANES], high: &[f32; LANES], below: &mut [u32; LANES]) -> bool {
    let mut within = 0_u32;
    for i in 0..LANES {
        below[i] += u32::from(block[i] < low[i]);
        within |= u32::from(block[i] >= low[i]) & u32::from(block[i] <= high[i]);
    }
    within != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted_median(mut values: Vec<f32>) -> f32 {
        values.sort_by(f32::total_cmp);
        let n = values.len();
        if n % 2 == 1 { values[n / 2] } else { f32::midpoint(values[n / 2 - 1], values[n / 2]) }
    }

    fn medians(rows: &[Vec<f32>], brackets: &[Bracket]) -> Option<Vec<f32>> {
        let all = rows.iter().map(|row| {
            let mut ranks = Ranks::new(brackets);
            ranks.add(row);
            ranks
        });
        all.reduce(Ranks::merged)?.medians()
    }

    proptest! {
        #[test]
        fn it_is_the_median_of_the_sorted_values(
            pixels in 1_usize..90, rows in 1_usize..5, grey: bool, levels in 1_u32..300, seed: u32,
        ) {
            let c = if grey { 1 } else { 3 };
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 9) % levels;
            let rows: Vec<Vec<f32>> = (0..rows)
                .map(|y| (0..pixels * c).map(|i| value(y * pixels * c + i) as f32 / 2.0).collect())
                .collect();
            let channel = |k: usize| -> Vec<f32> {
                rows.iter().flat_map(|row| row.iter().skip(k).step_by(c)).copied().collect()
            };
            let expected: Vec<f32> = (0..c).map(|k| sorted_median(channel(k))).collect();
            prop_assert_eq!(medians(&rows, &vec![Bracket::EVERYTHING; c]), Some(expected.clone()));
            let brackets: Vec<Bracket> = (0..c).map(|k| Bracket::around_median(channel(k), 0.0)).collect();
            if let Some(found) = medians(&rows, &brackets) {
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_median_outside_of_the_bracket_is_not_made_up() {
        let brackets = [Bracket { low: 5.0, high: 6.0, precision: 0.0 }];
        assert_eq!(medians(&[vec![1.0, 2.0, 3.0, 5.5]], &brackets), None);
        assert_eq!(medians(&[vec![1.0, 5.5, 7.0]], &brackets), Some(vec![5.5]));
    }

    #[test]
    fn of_a_flat_picture_nothing_is_kept() {
        let brackets = [Bracket::around_median(vec![7.0; 10], 0.0)];
        assert_eq!(medians(&[vec![7.0; 100], vec![7.0; 31]], &brackets), Some(vec![7.0]));
    }
}
