//! Labels from outside a source: a CSV or JSON file, or the names of its folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use pg_image::files::decoded_text;

use crate::errors::io_error;
use crate::labels::{MAX_LABELS, are_names, numbered};
use crate::stylegan_labels::{self, complete};
use crate::{Item, Labels, SourceError};

/// Labels by the first folder of each item's name; classes are the folders' names, sorted bytewise.
///
/// # Errors
/// [`SourceError::Labels`] for an item in no folder, and for too many folders.
pub fn labels_from_folders(source: &Path, items: &[Item]) -> Result<Labels, SourceError> {
    let wrong = |detail: String| SourceError::Labels { path: source.to_owned(), detail };
    let mut folders = Vec::with_capacity(items.len());
    for item in items {
        let Some((folder, _)) = item.name.split_once('/') else {
            return Err(wrong(format!(
                "{:?} is in no folder: expected one folder per class, each with its images",
                item.name
            )));
        };
        folders.push(folder);
    }
    from_class_names(&folders).ok_or_else(|| wrong(too_many_classes()))
}

/// Labels from the file `path`, for every one of `items` by name. Rows of other names are ignored.
///
/// A file that begins with `{` is JSON in the layout of StyleGAN2-ADA's `dataset.json`, another one CSV
/// with a header: `file,label` (a class each; numbers are taken as class indices if all are) or
/// `file,NAME,…` (numbers). `Ok(None)` when JSON says that there are no labels.
///
/// # Errors
/// [`SourceError::Labels`], [`SourceError::Missing`], [`SourceError::Io`].
pub fn labels_from_file(path: &Path, items: &[Item]) -> Result<Option<Labels>, SourceError> {
    let text = &*read_label_text(path)?;
    if text.trim_ascii_start().starts_with(b"{") {
        return stylegan_labels::parse(text, path, items);
    }
    from_csv(text, items).map(Some).map_err(|detail| SourceError::Labels { path: path.to_owned(), detail })
}

/// The text of a file of labels, in UTF-8 without a byte-order mark.
pub(crate) fn read_label_text(path: &Path) -> Result<Vec<u8>, SourceError> {
    let wrong = |detail: String| SourceError::Labels { path: path.to_owned(), detail };
    let mut file = BufReader::new(File::open(path).map_err(io_error(path))?);
    let mut text = Vec::new();
    file.by_ref().take(stylegan_labels::MAX_BYTES + 1).read_to_end(&mut text).map_err(io_error(path))?;
    if text.len() as u64 > stylegan_labels::MAX_BYTES {
        return Err(wrong(format!("more than {} bytes", stylegan_labels::MAX_BYTES)));
    }
    let decoded = decoded_text(&text).ok_or_else(|| wrong("it is no UTF-16".to_owned()))?;
    Ok(decoded.into_owned())
}

fn from_csv(text: &[u8], items: &[Item]) -> Result<Labels, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header: Vec<String> = reader.headers().map_err(|e| one_line(&e))?.iter().map(str::to_owned).collect();
    let (Some("file"), Some(names)) = (header.first().map(String::as_str), header.get(1..)) else {
        return Err(format!(
            "line 1: expected the header `file,label` or `file,NAME,…`, found {:?}",
            header.join(",")
        ));
    };
    if !are_names(names) {
        return Err(format!(
            "line 1: expected 1 to {MAX_LABELS} columns behind `file`, all different, found {}",
            names.len()
        ));
    }
    let positions: HashMap<&str, usize> =
        items.iter().enumerate().map(|(i, item)| (item.name.as_str(), i)).collect();
    let mut rows: Vec<Option<(csv::StringRecord, u64)>> = vec![None; items.len()];
    for record in reader.records() {
        let record = record.map_err(|e| one_line(&e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let name = record.get(0).unwrap_or("");
        let name = name.strip_prefix("./").unwrap_or(name);
        let Some(slot) = positions.get(name).and_then(|&i| rows.get_mut(i)) else { continue };
        if slot.replace((record.clone(), line)).is_some() {
            return Err(format!("line {line}: {name:?} is named twice"));
        }
    }
    let rows = complete(rows, items)?;
    if names == ["label"] {
        let classes: Vec<&str> = rows.iter().map(|(record, _)| record.get(1).unwrap_or("")).collect();
        if let Some(i) = classes.iter().position(|class| class.is_empty()) {
            return Err(format!("line {}: the label is empty", rows[i].1));
        }
        return from_class_names(&classes).ok_or_else(too_many_classes);
    }
    let mut values = Vec::with_capacity(rows.len() * names.len());
    for (record, line) in &rows {
        for field in record.iter().skip(1) {
            match field.parse::<f32>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => return Err(format!("line {line}: expected a number, found {field:?}")),
            }
        }
    }
    Labels::from_vectors(names.to_vec(), values).ok_or_else(too_many_classes)
}

/// Classes by name, sorted; where all names are class numbers, these are the classes.
fn from_class_names(found: &[&str]) -> Option<Labels> {
    let numbers: Option<Vec<u32>> = found.iter().map(|name| canonical_number(name)).collect();
    if let Some(classes) = numbers {
        let columns = classes.iter().max().map_or(0, |&class| class as usize + 1);
        return (columns <= MAX_LABELS).then(|| Labels::from_classes(numbered(columns), classes)).flatten();
    }
    let names: BTreeSet<&str> = found.iter().copied().collect();
    let numbers: BTreeMap<&str, u32> = names.iter().copied().zip(0..).collect();
    let classes = found.iter().filter_map(|name| numbers.get(name).copied()).collect();
    Labels::from_classes(names.into_iter().map(str::to_owned).collect(), classes)
}

/// `7`, but neither `07` nor `+7`: those are names.
fn canonical_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

fn too_many_classes() -> String {
    format!("expected at most {MAX_LABELS} classes")
}

pub(crate) fn one_line(error: &csv::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<Item> {
        names.iter().map(|name| Item { name: (*name).to_owned(), bytes: 1 }).collect()
    }

    fn csv(text: &str) -> Result<Labels, String> {
        from_csv(text.as_bytes(), &items(&["a.png", "b.png"]))
    }

    #[test]
    fn folders_are_classes_sorted_by_name() {
        let found = items(&["dog/1.png", "cat/deep/2.png", "dog/3.png"]);
        let labels = labels_from_folders(Path::new("s"), &found).unwrap();
        assert_eq!(labels.names(), ["cat", "dog"]);
        assert_eq!([0, 1, 2].map(|i| labels.class(i).unwrap()), [1, 0, 1]);
        let error = labels_from_folders(Path::new("s"), &items(&["1.png"])).unwrap_err();
        assert!(error.to_string().contains("\"1.png\" is in no folder"), "{error}");
    }

    #[test]
    fn folders_named_by_numbers_are_those_classes() {
        let labels = labels_from_folders(Path::new("s"), &items(&["10/a.png", "2/b.png"])).unwrap();
        assert_eq!((labels.names().len(), labels.class(0), labels.class(1)), (11, Some(10), Some(2)));
    }

    #[test]
    fn a_csv_of_labels_gives_classes() {
        let labels = csv("file,label\n./b.png, dog\nother.png,fish\na.png,\"cat, big\"\n").unwrap();
        assert_eq!(labels.names(), ["cat, big", "dog"]);
        assert_eq!((labels.class(0), labels.class(1)), (Some(0), Some(1)));
        let numbers = csv("file,label\na.png,3\nb.png,1\n").unwrap();
        assert_eq!((numbers.names().len(), numbers.class(0)), (4, Some(3)));
        assert_eq!(csv("file,label\na.png,03\nb.png,1\n").unwrap().names(), ["03", "1"]);
    }

    #[test]
    fn a_csv_of_numbers_gives_vectors_with_the_headers_names() {
        let labels = csv("file,age,smile\na.png,31,-0.5\nb.png,1e1,1\n").unwrap();
        assert_eq!(labels.names(), ["age", "smile"]);
        assert_eq!((labels.row(0), labels.row(1)), (Some(vec![31.0, -0.5]), Some(vec![10.0, 1.0])));
    }

    #[test]
    fn a_csv_that_does_not_fit_is_refused_with_its_line() {
        let message = |text: &str| csv(text).unwrap_err();
        assert!(message("name,label\n").contains("line 1: expected the header `file,label`"));
        assert!(message("file\n").contains("expected 1 to 65536 columns"));
        assert!(message("file,x,x\n").contains("all different, found 2"));
        assert!(message("file,label\na.png,x\n").contains("1 of 2 images have no label"));
        assert!(
            message("file,label\na.png,x\na.png,y\nb.png,z\n").contains("line 3: \"a.png\" is named twice")
        );
        assert!(message("file,label\na.png,\nb.png,z\n").contains("line 2: the label is empty"));
        assert!(message("file,x\na.png,1\nb.png,NaN\n").contains("line 3: expected a number, found \"NaN\""));
        assert!(message("file,x\na.png,1\nb.png,1,2\n").contains("line: 3"));
        assert!(message("file,label\na.png,4294967295\nb.png,1\n").contains("at most 65536 classes"));
    }
}
