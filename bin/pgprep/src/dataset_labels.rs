//! Labels of a dataset as a whole.

use anyhow::{Context as _, anyhow};
use pg_shard::Dataset;
use pg_sources::{Labels, one_hot_class};

/// The labels of all images: classes where every row is one-hot. `None` where there are none.
pub(crate) fn labels_of(dataset: &Dataset) -> anyhow::Result<Option<Labels>> {
    let Some(names) = dataset.label_names() else { return Ok(None) };
    let rows =
        || (0..dataset.len()).map(|i| dataset.label(i).ok_or_else(|| anyhow!("image {i} has no label row")));
    let mut classes = Vec::with_capacity(dataset.len());
    for row in rows() {
        match one_hot_class(&row?) {
            Some(class) => classes.push(class),
            None => break,
        }
    }
    let labels = if classes.len() == dataset.len() {
        Labels::from_classes(names.to_vec(), classes)
    } else {
        let mut values = Vec::with_capacity(dataset.len() * names.len());
        for row in rows() {
            values.extend(row?);
        }
        Labels::from_vectors(names.to_vec(), values)
    };
    labels.context("a label of the dataset is no finite number").map(Some)
}

/// BLAKE3 of the names and of the rows in this order: tells other labels of the same images.
pub(crate) fn labels_blake3(labels: &Labels, order: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in labels.names() {
        hasher.update(name.as_bytes()).update(b"\0");
    }
    for &i in order {
        match labels.class(i) {
            // A million one-hot rows of a thousand columns would take seconds.
            Some(class) => {
                hasher.update(&class.to_le_bytes());
            }
            None => {
                for value in labels.row(i).unwrap_or_default() {
                    hasher.update(&value.to_le_bytes());
                }
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}
