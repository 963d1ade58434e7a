//! Attributes that another program told of the images, as a table.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ndarray::Array2;

use crate::args::AnswersChoice;

/// Log-odds of what is called certain: those of 1e12 to 1.
const MOST_CERTAIN: f64 = 27.631_021_115_928_547;

/// Names of the column that says which image a row is of.
const WHICH: [&str; 3] = ["index", "file", "image"];

/// The attributes' names, and a row of answers for each of `samples` images: above 0 for yes.
///
/// The file has a header; of its first column the digits of the last part of the path count, as in `drawn/000012.png`.
pub(crate) fn read_labels(
    path: &Path,
    answers: AnswersChoice,
    samples: usize,
) -> Result<(Vec<String>, Array2<f32>)> {
    let shown = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("read --labels {shown}"))?;
    let header: Vec<String> = reader
        .headers()
        .with_context(|| format!("read --labels {shown}"))?
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let names = match header.split_first() {
        Some((first, names)) if WHICH.contains(&first.to_lowercase().as_str()) && !names.is_empty() => names,
        _ => bail!(
            "--labels {shown} begins with {:?}, expected a header: index, then the names of the attributes",
            header.join(",")
        ),
    };
    let mut table = Array2::from_elem((samples, names.len()), f32::NAN);
    for (line, record) in reader.records().enumerate() {
        // After the header, from 1 as editors count.
        let line = line + 2;
        let record = record.with_context(|| format!("--labels {shown}, line {line}"))?;
        let mut columns = record.iter();
        let which = columns.next().unwrap_or_default();
        let index = number_of(which).filter(|index| *index < samples).with_context(|| {
            format!("--labels {shown}, line {line}: {which:?} is no image of 0 to {}; give the --samples that the images were drawn with", samples - 1)
        })?;
        if table.row(index).iter().any(|answer| !answer.is_nan()) {
            bail!("--labels {shown}, line {line}: image {index} has a row already");
        }
        for ((text, name), place) in columns.zip(names).zip(table.row_mut(index)) {
            *place = answer(text, answers).with_context(|| {
                let expected = match answers {
                    AnswersChoice::LogOdds => "a finite number",
                    AnswersChoice::Probabilities => "a number from 0 to 1",
                };
                format!("--labels {shown}, line {line}: {name} is {text:?}, expected {expected}")
            })?;
        }
    }
    if let Some(missing) = table.outer_iter().position(|row| row.iter().any(|answer| answer.is_nan())) {
        bail!(
            "--labels {shown} has no row for image {missing}; expected one for each of the {samples} images of --samples"
        );
    }
    if answers == AnswersChoice::LogOdds {
        for (name, column) in names.iter().zip(table.columns()) {
            if column.iter().all(|answer| (0.0..=1.0).contains(answer)) {
                bail!(
                    "--labels {shown}: all of {name} is from 0 to 1, so that nothing would be without it; say --answers probabilities if that is what they are"
                );
            }
        }
    }
    Ok((names.to_vec(), table))
}

fn number_of(which: &str) -> Option<usize> {
    let name = which.trim().rsplit(['/', '\\']).next()?;
    let stem = name.split('.').next()?;
    stem.parse().ok()
}

/// As log-odds. Certainty stays finite: of equals the first count.
fn answer(text: &str, answers: AnswersChoice) -> Option<f32> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
    match answers {
        AnswersChoice::LogOdds => Some(number as f32),
        AnswersChoice::Probabilities if (0.0..=1.0).contains(&number) => {
            Some((number / (1.0 - number)).ln().clamp(-MOST_CERTAIN, MOST_CERTAIN) as f32)
        }
        AnswersChoice::Probabilities => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, answers: AnswersChoice, samples: usize) -> Result<(Vec<String>, Array2<f32>)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text)?;
        read_labels(&path, answers, samples)
    }

    #[test]
    fn rows_come_in_any_order_and_by_any_name_of_their_image() {
        let text = "file,hair,glasses\ndrawn/000001.png,-1,3\n0, 2 ,-0.5\n";
        let (names, table) = read(text, AnswersChoice::LogOdds, 2).unwrap();
        assert_eq!(names, ["hair", "glasses"]);
        assert_eq!(table, ndarray::array![[2.0, -0.5], [-1.0, 3.0]]);
        let (_, table) = read("index,a\n0,0\n1,1\n2,0.75\n", AnswersChoice::Probabilities, 3).unwrap();
        assert_eq!(table[[0, 0]], -table[[1, 0]]);
        assert!((table[[2, 0]] - 3.0_f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn other_tables_are_refused_by_line() {
        let refused = |text: &str, answers, said: &str| {
            let error = format!("{:#}", read(text, answers, 2).unwrap_err());
            assert!(error.contains(said), "{error}");
        };
        let log_odds = AnswersChoice::LogOdds;
        refused("0,1\n1,-1\n", log_odds, "expected a header");
        refused("index\n0\n", log_odds, "expected a header");
        refused("index,a\n0,1\n", log_odds, "no row for image 1");
        refused("index,a\n0,1\n0,1\n", log_odds, "line 3: image 0 has a row already");
        refused("index,a\n0,1\n2,1\n", log_odds, "\"2\" is no image of 0 to 1");
        refused("index,a\n0,yes\n1,1\n", log_odds, "line 2: a is \"yes\"");
        refused("index,a\n0,NaN\n1,1\n", log_odds, "expected a finite number");
        refused("index,a\n0,1,2\n1,1\n", log_odds, "line 2");
        refused("index,a\n0,0\n1,1\n", log_odds, "--answers probabilities");
        refused("index,a\n0,0\n1,-1\n", AnswersChoice::Probabilities, "a number from 0 to 1");
    }
}
