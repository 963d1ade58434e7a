//! What another program says of the images' attributes, as a table.

use std::path::Path;

use ndarray::Array2;

use crate::SourceError;
use crate::label_files::{one_line, read_label_text};
use crate::labels::{MAX_LABELS, are_names};

/// Log-odds of what is called certain: those of 1e12 to 1.
const MOST_CERTAIN: f64 = 27.631_021_115_928_547;

/// Names of the column that says which image a row is of.
const WHICH: [&str; 3] = ["index", "file", "image"];

/// How a table answers whether an image has an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// Any number: above 0 for yes, and the further from 0 the surer.
    LogOdds,
    /// From 0 to 1: above 0.5 for yes.
    Probabilities,
}

/// The attributes' names, and a row of answers for each of `samples` images, as log-odds: above 0 for yes.
///
/// The file is CSV with a header `index,NAME,…` (or `file`, `image`); of its first column the digits of the last part of the path
/// count, as in `drawn/000012.png`.
///
/// # Errors
/// [`SourceError::Labels`] with the line, [`SourceError::Missing`], [`SourceError::Io`].
pub fn attribute_answers(
    path: &Path,
    kind: AnswerKind,
    samples: usize,
) -> Result<(Vec<String>, Array2<f32>), SourceError> {
    let text = read_label_text(path)?;
    parse(&text, kind, samples).map_err(|detail| SourceError::Labels { path: path.to_owned(), detail })
}

fn parse(text: &[u8], kind: AnswerKind, samples: usize) -> Result<(Vec<String>, Array2<f32>), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header: Vec<String> = reader.headers().map_err(|e| one_line(&e))?.iter().map(str::to_owned).collect();
    let names = match header.split_first() {
        Some((first, names)) if WHICH.contains(&first.to_lowercase().as_str()) && are_names(names) => names,
        _ => {
            return Err(format!(
                "it begins with {:?}, expected a header: index, then the names of 1 to {MAX_LABELS} attributes, all different",
                header.join(",").chars().take(200).collect::<String>()
            ));
        }
    };
    // As many as the file has, whatever `samples` says.
    let mut rows: Vec<(usize, Vec<f32>)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| one_line(&e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut columns = record.iter();
        let which = columns.next().unwrap_or_default();
        let index = number_of(which).filter(|index| *index < samples).ok_or_else(|| {
            format!("line {line}: {which:?} is no image of 0 to {}; give the --samples that the images were drawn with", samples.saturating_sub(1))
        })?;
        let answers = columns.zip(names).map(|(text, name)| {
            answer(text, kind).ok_or_else(|| {
                let expected = match kind {
                    AnswerKind::LogOdds => "a finite number",
                    AnswerKind::Probabilities => "a number from 0 to 1",
                };
                format!("line {line}: {name} is {text:?}, expected {expected}")
            })
        });
        rows.push((index, answers.collect::<Result<_, _>>()?));
    }
    let table = table_of(rows, names.len(), samples)?;
    if kind == AnswerKind::LogOdds {
        for (name, column) in names.iter().zip(table.columns()) {
            if column.iter().all(|answer| (0.0..=1.0).contains(answer)) {
                return Err(format!(
                    "all of {name} is from 0 to 1, so that nothing would be without it; say --answers probabilities if that is what they are"
                ));
            }
        }
    }
    Ok((names.to_vec(), table))
}

/// The rows by the images' numbers, of which each has one.
fn table_of(mut rows: Vec<(usize, Vec<f32>)>, columns: usize, samples: usize) -> Result<Array2<f32>, String> {
    rows.sort_by_key(|(index, _)| *index);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("image {} has two rows", pair[0].0));
    }
    if rows.len() < samples {
        let missing = rows.iter().enumerate().position(|(i, (index, _))| i != *index).unwrap_or(rows.len());
        return Err(format!(
            "no row for image {missing}; expected one for each of the {samples} images of --samples"
        ));
    }
    let values = rows.into_iter().flat_map(|(_, row)| row).collect();
    Array2::from_shape_vec((samples, columns), values).map_err(|error| error.to_string())
}

fn number_of(which: &str) -> Option<usize> {
    let name = which.trim().rsplit(['/', '\\']).next()?;
    let stem = name.split('.').next()?;
    stem.parse().ok()
}

/// As log-odds. Certainty stays finite: of equals the first count.
fn answer(text: &str, kind: AnswerKind) -> Option<f32> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let log_odds = match kind {
        AnswerKind::LogOdds => number,
        AnswerKind::Probabilities if (0.0..=1.0).contains(&number) => {
            (number / (1.0 - number)).ln().clamp(-MOST_CERTAIN, MOST_CERTAIN)
        }
        AnswerKind::Probabilities => return None,
    };
    let log_odds = log_odds as f32;
    log_odds.is_finite().then_some(log_odds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, kind: AnswerKind, samples: usize) -> Result<(Vec<String>, Array2<f32>), SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        attribute_answers(&path, kind, samples)
    }

    #[test]
    fn rows_come_in_any_order_and_by_any_name_of_their_image() {
        let text = "file,hair,glasses\ndrawn/000001.png,-1,3\n0, 2 ,-0.5\n";
        let (names, table) = read(text, AnswerKind::LogOdds, 2).unwrap();
        assert_eq!(names, ["hair", "glasses"]);
        assert_eq!(table, ndarray::array![[2.0, -0.5], [-1.0, 3.0]]);
        // As spreadsheets write it.
        let (names, _) = read("\u{feff}Index, a\r\n0, 2\r\n", AnswerKind::LogOdds, 1).unwrap();
        assert_eq!(names, ["a"]);
        let (_, table) = read("index,a\n0,0\n1,1\n2,0.75\n", AnswerKind::Probabilities, 3).unwrap();
        assert_eq!(table[[0, 0]], -table[[1, 0]]);
        assert!((table[[2, 0]] - 3.0_f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn other_tables_are_refused_by_line() {
        let refused = |text: &str, answers, said: &str| {
            let error = read(text, answers, 2).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        };
        let log_odds = AnswerKind::LogOdds;
        refused("0,1\n1,-1\n", log_odds, "expected a header");
        refused("index\n0\n", log_odds, "expected a header");
        refused("index,a\n0,1\n", log_odds, "no row for image 1");
        refused("index,a\n0,1\n0,1\n", log_odds, "image 0 has two rows");
        refused("index,a\n0,1\n2,1\n", log_odds, "\"2\" is no image of 0 to 1");
        refused("index,a\n0,yes\n1,1\n", log_odds, "line 2: a is \"yes\"");
        refused("index,a\n0,NaN\n1,1\n", log_odds, "expected a finite number");
        refused("index,a\n0,1,2\n1,1\n", log_odds, "line: 2");
        refused("index,a\n0,0\n1,1\n", log_odds, "--answers probabilities");
        refused("index,a\n0,0\n1,-1\n", AnswerKind::Probabilities, "a number from 0 to 1");
    }
}
