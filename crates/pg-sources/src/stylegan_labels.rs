//! `dataset.json` as StyleGAN2-ADA's datasets have it: `{"labels": [["00000/img00000000.png", 6], …]}`, with a
//! class number or a list of numbers per image, or `{"labels": null}`.

use std::collections::HashMap;
use std::path::Path;

use pg_image::files::decoded_text;
use serde::Deserialize;

use crate::labels::{MAX_LABELS, numbered};
use crate::{Item, Labels, SourceError};

/// The file's name, at the root of the folder or zip.
pub(crate) const FILE_NAME: &str = "dataset.json";
/// Most bytes of the file that are read.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
struct LabelFile {
    /// Null where there are none. A file without the key is another program's.
    #[serde(deserialize_with = "Option::deserialize")]
    labels: Option<Vec<(String, Label)>>,
    /// Written by this project only: names of the columns.
    #[serde(default)]
    label_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a class (a whole number) or a list of numbers")]
enum Label {
    Class(u32),
    Vector(Vec<f32>),
}

/// The labels of `items` by the JSON text of `path`; `None` where it says that there are none.
pub(crate) fn parse(text: &[u8], path: &Path, items: &[Item]) -> Result<Option<Labels>, SourceError> {
    let wrong = |detail: String| SourceError::Labels { path: path.to_owned(), detail };
    let text = decoded_text(text).ok_or_else(|| wrong("it is no UTF-16".to_owned()))?;
    let file: LabelFile = serde_json::from_slice(&text).map_err(|e| {
        wrong(format!(
            "{e}; expected {{\"labels\": [[\"name.png\", 3], …]}} with a class or a list of numbers per image"
        ))
    })?;
    let Some(rows) = file.labels else { return Ok(None) };
    let mut by_name: HashMap<&str, &Label> = HashMap::with_capacity(rows.len());
    for (name, label) in &rows {
        if by_name.insert(name, label).is_some() {
            return Err(wrong(format!("{name:?} is named twice")));
        }
    }
    let found: Vec<Option<&Label>> =
        items.iter().map(|item| by_name.get(item.name.as_str()).copied()).collect();
    let found = complete(found, items).map_err(&wrong)?;
    let classes: Option<Vec<u32>> = found
        .iter()
        .map(|label| match label {
            Label::Class(class) => Some(*class),
            Label::Vector(_) => None,
        })
        .collect();
    if let Some(classes) = classes {
        // Classes that only images left out of the source have still count.
        let highest = rows.iter().filter_map(|(_, label)| match label {
            Label::Class(class) => Some(*class as usize),
            Label::Vector(_) => None,
        });
        let columns = highest.max().map_or(0, |class| class + 1);
        if columns > MAX_LABELS {
            return Err(wrong(format!("class {}: expected classes below {MAX_LABELS}", columns - 1)));
        }
        let names = file.label_names.unwrap_or_else(|| numbered(columns));
        let named = names.len();
        return Labels::from_classes(names, classes).map(Some).ok_or_else(|| {
            wrong(format!("{named} label_names, expected one for each of {columns} classes, all different"))
        });
    }
    let mut values = Vec::new();
    let mut columns = None;
    for (label, item) in found.iter().zip(items) {
        let Label::Vector(row) = label else {
            return Err(wrong(format!("{:?} has a class, others have lists of numbers", item.name)));
        };
        if *columns.get_or_insert(row.len()) != row.len() {
            return Err(wrong(format!(
                "{:?} has {} numbers, others have {}",
                item.name,
                row.len(),
                columns.unwrap_or(0)
            )));
        }
        values.extend_from_slice(row);
    }
    let columns = columns.unwrap_or(0);
    let names = file.label_names.unwrap_or_else(|| numbered(columns.min(MAX_LABELS + 1)));
    let fitting = (names.len() == columns).then(|| Labels::from_vectors(names, values)).flatten();
    fitting.map(Some).ok_or_else(|| {
        wrong(format!(
            "expected 1 to {MAX_LABELS} finite numbers per image, found {columns}, and a name for each if any"
        ))
    })
}

/// All of `found`, or which items have nothing.
pub(crate) fn complete<T>(found: Vec<Option<T>>, items: &[Item]) -> Result<Vec<T>, String> {
    let missing = found.iter().filter(|label| label.is_none()).count();
    let Some(first) = found.iter().position(Option::is_none) else {
        return Ok(found.into_iter().flatten().collect());
    };
    let name = items.get(first).map_or("", |item| item.name.as_str());
    Err(format!("{missing} of {} images have no label, the first is {name:?}", items.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<Item> {
        names.iter().map(|name| Item { name: (*name).to_owned(), bytes: 1 }).collect()
    }

    fn labels(text: &str) -> Result<Option<Labels>, String> {
        parse(text.as_bytes(), Path::new("d"), &items(&["a.png", "b.png"])).map_err(|e| e.to_string())
    }

    #[test]
    fn classes_and_vectors_are_read_by_name_in_the_order_of_the_items() {
        let classes = labels(r#"{"labels": [["b.png", 2], ["a.png", 0]]}"#).unwrap().unwrap();
        assert_eq!((classes.row(0), classes.row(1)), (Some(vec![1., 0., 0.]), Some(vec![0., 0., 1.])));
        let vectors = labels(r#"{"labels": [["b.png", [1, 2.5]], ["a.png", [0, -1]]]}"#).unwrap().unwrap();
        assert_eq!((vectors.names().len(), vectors.row(1)), (2, Some(vec![1.0, 2.5])));
        assert_eq!(labels(r#"{"labels": null}"#), Ok(None));
    }

    #[test]
    fn names_of_columns_keep_classes_that_no_image_has() {
        let text = r#"{"labels": [["a.png", 0], ["b.png", 0]], "label_names": ["cat", "dog"]}"#;
        let classes = labels(text).unwrap().unwrap();
        assert_eq!(
            (classes.names(), classes.row(0)),
            (&["cat".to_owned(), "dog".to_owned()][..], Some(vec![1., 0.]))
        );
    }

    #[test]
    fn labels_that_do_not_fit_are_refused_with_the_image() {
        let message = |text: &str| labels(text).unwrap_err();
        let missing = r#"{"labels": [["a.png", 0]]}"#;
        assert!(message(missing).contains("1 of 2 images have no label, the first is \"b.png\""));
        assert!(message(r#"{"labels": [["a.png", 0], ["a.png", 1], ["b.png", 1]]}"#).contains("named twice"));
        assert!(message(r#"{"labels": [["a.png", 4000000000], ["b.png", 1]]}"#).contains("below 65536"));
        assert!(message(r#"{"labels": [["a.png", [1]], ["b.png", [1, 2]]]}"#).contains("2 numbers"));
        assert!(message(r#"{"labels": [["a.png", [1]], ["b.png", 2]]}"#).contains("has a class"));
        assert!(message(r#"{"labels": [["a.png", []], ["b.png", []]]}"#).contains("1 to 65536"));
        for anothers in [r#"{"labels": 3}"#, "{}", r#"{"images": []}"#, "[]"] {
            assert!(message(anothers).contains("expected {\"labels\""), "{anothers}");
        }
        let few_names = r#"{"labels": [["a.png", 1], ["b.png", 1]], "label_names": ["x"]}"#;
        assert!(message(few_names).contains("1 label_names, expected one for each of 2"));
    }
}
