//! Labels of the items of a source: a class each, or a vector of numbers each.

use std::collections::BTreeSet;

/// Most label columns L.
pub const MAX_LABELS: usize = 65_536;

/// One label row of L f32 values per item, with the names of the L columns.
///
/// Classes are kept as numbers, so that a thousand classes of a million images stay small; as rows they
/// are one-hot.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    names: Vec<String>,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    /// One column index per item.
    Classes(Vec<u32>),
    /// `[n,L]`.
    Vectors(Vec<f32>),
}

impl Labels {
    /// One class per item: column `classes[i]` is 1, the others are 0.
    ///
    /// `None` when there are no names, more than [`MAX_LABELS`], two that are the same, or a class has none.
    #[must_use]
    pub fn from_classes(names: Vec<String>, classes: Vec<u32>) -> Option<Self> {
        let fitting = are_names(&names) && classes.iter().all(|&class| (class as usize) < names.len());
        fitting.then_some(Self { names, values: Values::Classes(classes) })
    }

    /// Rows of `names.len()` values each, one after the other.
    ///
    /// `None` when there are no names, more than [`MAX_LABELS`], two that are the same, the last row is not
    /// whole, or a value is not finite.
    #[must_use]
    pub fn from_vectors(names: Vec<String>, values: Vec<f32>) -> Option<Self> {
        let fitting = are_names(&names)
            && values.len().is_multiple_of(names.len())
            && values.iter().all(|value| value.is_finite());
        fitting.then_some(Self { names, values: Values::Vectors(values) })
    }

    /// Names of the L columns: `0`, `1`, … where the source has none.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of rows n.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Classes(classes) => classes.len(),
            Values::Vectors(values) => values.len() / self.names.len().max(1),
        }
    }

    /// True when there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The L values of item `index`; `None` beyond the last.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Vec<f32>> {
        let columns = self.names.len();
        match &self.values {
            Values::Classes(classes) => {
                let class = *classes.get(index)? as usize;
                Some((0..columns).map(|column| f32::from(u8::from(column == class))).collect())
            }
            Values::Vectors(values) => {
                let start = index.checked_mul(columns)?;
                values.get(start..start.checked_add(columns)?).map(<[f32]>::to_vec)
            }
        }
    }

    /// The class of item `index`, where items have one class each.
    #[must_use]
    pub fn class(&self, index: usize) -> Option<u32> {
        match &self.values {
            Values::Classes(classes) => classes.get(index).copied(),
            Values::Vectors(_) => None,
        }
    }
}

/// The column that is 1 in a row whose other values are 0.
#[must_use]
pub fn one_hot_class(row: &[f32]) -> Option<u32> {
    let class = row.iter().position(|&value| value == 1.0)?;
    let others_zero = row.iter().enumerate().all(|(column, &value)| column == class || value == 0.0);
    if others_zero { u32::try_from(class).ok() } else { None }
}

/// True for 1 to [`MAX_LABELS`] names, all different.
pub(crate) fn are_names(names: &[String]) -> bool {
    let different: BTreeSet<&String> = names.iter().collect();
    (1..=MAX_LABELS).contains(&names.len()) && different.len() == names.len()
}

/// `0`, `1`, …: names of columns that have none.
pub(crate) fn numbered(columns: usize) -> Vec<String> {
    (0..columns).map(|column| column.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_one_hot_rows() {
        let labels = Labels::from_classes(numbered(3), vec![2, 0]).unwrap();
        assert_eq!(labels.row(0), Some(vec![0.0, 0.0, 1.0]));
        assert_eq!((labels.len(), labels.class(1), labels.row(2)), (2, Some(0), None));
        assert_eq!(one_hot_class(&labels.row(0).unwrap()), Some(2));
    }

    #[test]
    fn vectors_are_rows_of_their_own() {
        let labels = Labels::from_vectors(numbered(2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((labels.row(1), labels.class(1)), (Some(vec![3.0, 4.0]), None));
        assert_eq!([[1.0, 0.5], [0.0, 0.0], [1.0, 1.0]].map(|row| one_hot_class(&row)), [None; 3]);
    }

    #[test]
    fn labels_that_do_not_fit_are_refused() {
        assert_eq!(Labels::from_classes(numbered(2), vec![2]), None);
        assert_eq!(Labels::from_classes(Vec::new(), Vec::new()), None);
        assert_eq!(Labels::from_classes(numbered(MAX_LABELS + 1), Vec::new()), None);
        assert_eq!(Labels::from_classes(vec!["a".to_owned(); 2], vec![0]), None);
        assert_eq!(Labels::from_vectors(numbered(2), vec![1.0; 3]), None);
        assert_eq!(Labels::from_vectors(numbered(1), vec![f32::NAN]), None);
    }
}
