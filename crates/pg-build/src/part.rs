//! A share of the work, as a scheduler's job takes one.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pg_shard::MAX_PARTS;

/// One of several parts of a whole, each a contiguous range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Part {
    /// The range of `total` things that falls to this part: lengths differ by one at most, and all parts together are
    /// all things, in order.
    #[must_use]
    pub fn range(self, total: usize) -> Range<usize> {
        let end = |index: usize| (index as u128 * total as u128 / self.count as u128) as usize;
        end(self.index - 1)..end(self.index)
    }

    /// The part's own folder below `output`, the same for all parts: `part-02-of-12`.
    #[must_use]
    pub fn folder(self, output: &Path) -> PathBuf {
        output.join(self.label())
    }

    /// The part's own file beside `output`: `real.part-02-of-12.pgstats`.
    #[must_use]
    pub fn file(self, output: &Path) -> PathBuf {
        let mut name = output.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}", self.label()));
        if let Some(extension) = output.extension() {
            name.push(".");
            name.push(extension);
        }
        output.with_file_name(name)
    }

    fn label(self) -> String {
        let width = self.count.to_string().len();
        format!("part-{:0width$}-of-{}", self.index, self.count)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no part: expected I/N with I from 1 to N (at most {MAX_PARTS}), as 2/7, or auto"
            )
        };
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let part = Self { index: number(index)?, count: number(count)? };
        if part.index == 0 || part.index > part.count || part.count > MAX_PARTS {
            return Err(wrong());
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_all_parts_are_all_things_in_order() {
        for (total, count) in [(10, 3), (0, 4), (3, 7), (7, 7), (1000, 1), (usize::MAX, 3)] {
            let mut next = 0;
            for index in 1..=count {
                let range = Part { index, count }.range(total);
                assert_eq!(range.start, next);
                assert!((total / count..=total / count + 1).contains(&range.len()), "{range:?}");
                next = range.end;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn places_sort_by_the_number_of_the_part() {
        let part = Part { index: 2, count: 12 };
        assert_eq!(part.folder(Path::new("a/out")), Path::new("a/out/part-02-of-12"));
        assert_eq!(part.file(Path::new("a/real.pgstats")), Path::new("a/real.part-02-of-12.pgstats"));
        assert_eq!(Part { index: 2, count: 7 }.file(Path::new("real")), Path::new("real.part-2-of-7"));
    }

    #[test]
    fn what_is_no_part_is_refused() {
        assert_eq!("2/7".parse(), Ok(Part { index: 2, count: 7 }));
        for text in ["", "2", "0/7", "8/7", "1/0", "-1/2", "a/b", "1/2/3", "1/100001"] {
            assert!(text.parse::<Part>().unwrap_err().contains("expected I/N"), "{text}");
        }
    }
}
