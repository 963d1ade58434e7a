//! Which images of a minibatch one of several processes computes.

/// The rows of a minibatch that are one of `ranks` equal parts of it, such that every group of the minibatch standard
/// deviation lies in one part.
///
/// Rows n, n + M/G, n + 2M/G, … of M form a group of G (see [`crate::minibatch_stddev`]). Seen as G blocks of M/G
/// neighbours, a part is the same range of each block, in order: a minibatch of its own whose groups are groups of the
/// whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShare {
    rank: usize,
    ranks: usize,
    /// Neighbouring rows of one part.
    block: usize,
}

impl RowShare {
    /// All rows, by one process.
    pub const WHOLE: Self = Self { rank: 0, ranks: 1, block: 1 };

    /// Part `rank` of `ranks` of a minibatch of `minibatch` images, in groups of `group` (or `minibatch` where that is
    /// less; 0 for no groups). `None` where the minibatch is not whole groups for every part.
    #[must_use]
    pub fn of(minibatch: usize, group: usize, rank: usize, ranks: usize) -> Option<Self> {
        let group = group.clamp(1, minibatch.max(1));
        let groups = minibatch / group;
        let fits =
            rank < ranks && groups > 0 && minibatch.is_multiple_of(group) && groups.is_multiple_of(ranks);
        fits.then(|| Self { rank, ranks, block: groups / ranks })
    }

    /// Number of parts.
    #[must_use]
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Where row `row` of the part stands in the whole.
    #[must_use]
    pub fn whole_row(&self, row: usize) -> usize {
        let (block, place) = (row / self.block, row % self.block);
        (block * self.ranks + self.rank) * self.block + place
    }

    /// The part's rows of `numbers`, which are those of a whole minibatch, `row_len` for each image. Several
    /// minibatches whose blocks alternate are cut in the same way.
    #[must_use]
    pub fn take(&self, numbers: Vec<f32>, row_len: usize) -> Vec<f32> {
        if self.ranks == 1 {
            return numbers;
        }
        let block_len = self.block * row_len;
        let own = numbers.chunks_exact(block_len.max(1)).skip(self.rank).step_by(self.ranks);
        own.flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of a minibatch, as [`crate::minibatch_stddev`] forms them.
    fn groups(rows: &[usize], group: usize) -> Vec<Vec<usize>> {
        let count = rows.len() / group;
        (0..count).map(|first| (0..group).map(|k| rows[first + k * count]).collect()).collect()
    }

    #[test]
    fn groups_of_the_parts_are_the_groups_of_the_whole() {
        for (minibatch, group, ranks) in
            [(16, 4, 2), (24, 4, 3), (8, 0, 4), (32, 4, 8), (12, 4, 1), (6, 2, 3)]
        {
            let size = group.max(1);
            let whole: Vec<usize> = (0..minibatch).collect();
            let mut found = Vec::new();
            for rank in 0..ranks {
                let share = RowShare::of(minibatch, group, rank, ranks).unwrap();
                let rows: Vec<usize> = (0..minibatch / ranks).map(|row| share.whole_row(row)).collect();
                found.extend(groups(&rows, size));
                let numbers = (0..2 * minibatch).map(|k| k as f32).collect();
                let taken = share.take(numbers, 2);
                let expected: Vec<f32> =
                    rows.iter().flat_map(|r| [2 * r, 2 * r + 1]).map(|k| k as f32).collect();
                assert_eq!(taken, expected);
            }
            assert_eq!(found, groups(&whole, size));
        }
    }

    #[test]
    fn a_minibatch_that_is_not_whole_groups_for_every_part_has_no_shares() {
        for (minibatch, group, ranks) in [(4, 4, 2), (3, 16, 2), (12, 4, 2), (6, 0, 4), (0, 4, 1)] {
            assert_eq!(RowShare::of(minibatch, group, 0, ranks), None, "{minibatch} {group} {ranks}");
        }
        assert_eq!(RowShare::of(8, 4, 2, 2), None);
        assert!(RowShare::of(3, 16, 0, 1).is_some());
    }
}
