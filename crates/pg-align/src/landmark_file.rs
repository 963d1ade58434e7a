//! Landmark files: CelebA's text layout, CSV, and FFHQ's JSON.
//!
//! Takes text, not paths: reading the file is the caller's.

use std::collections::HashMap;
use std::fmt::Write as _;

pub use crate::landmark_row::LandmarkRow;
use crate::{AlignError, Landmarks, ffhq_json};

/// Column names of CelebA's landmark files (second line).
pub const CELEBA_COLUMNS: &str = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y";

/// Columns of the CSV layout.
pub const CSV_COLUMNS: &str = "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y";

/// How a landmark file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// CelebA's text: row count, column names, rows of five points.
    Celeba,
    /// CSV with a header, five points per row.
    Csv,
    /// FFHQ's JSON, 68 points per entry.
    Ffhq,
}

impl Layout {
    /// Points that the file holds of each face: 5 or 68.
    #[must_use]
    pub fn points(self) -> usize {
        if self == Self::Ffhq { 68 } else { 5 }
    }

    /// What errors call `row`: `line 3 (a.jpg)`.
    #[must_use]
    pub fn name_of(self, row: &LandmarkRow) -> String {
        let word = if self == Self::Ffhq { "entry" } else { "line" };
        format!("{word} {} ({})", row.position, row.file)
    }
}

/// What a landmark file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct LandmarkFile {
    /// How it is written.
    pub layout: Layout,
    /// Its rows, in their order; never none.
    pub rows: Vec<LandmarkRow>,
}

/// The rows of a landmark file, in its order.
///
/// CelebA text: a line with the number of rows, a line with the ten column names, then
/// `file x y x y x y x y x y` separated by white space. CSV: a header with the names of [`CSV_COLUMNS`]
/// in any order, then rows, with quotes where a name has a comma. Which one it is, is told from the first line. Empty lines
/// at the end, a byte order mark and CR LF are allowed.
///
/// FFHQ's JSON: an object of entries, of which `in_the_wild.file_path` and `in_the_wild.face_landmarks` are
/// used. Of its 68 points, 36 to 41 and 42 to 47 are averaged to the eyes, 30 is the tip of the nose, 48
/// and 54 are the corners of the mouth.
///
/// # Errors
/// Every variant of [`AlignError`] that names a line or an entry, but for those of
/// [`check_layout`](crate::check_layout); [`AlignError::NoRows`], [`AlignError::UnknownLayout`],
/// [`AlignError::Json`].
pub fn parse(text: &str) -> Result<LandmarkFile, AlignError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().map(str::trim_end).enumerate().map(|(i, line)| (i + 1, line));
    let Some((_, first)) = lines.next() else { return Err(AlignError::NoRows) };
    let rest: Vec<(usize, &str)> = lines.collect();
    let (layout, rows) = if let Ok(count) = first.trim().parse::<usize>() {
        (Layout::Celeba, celeba(count, &rest)?)
    } else if first.split(',').any(|name| name.trim().trim_matches('"') == "file") {
        (Layout::Csv, csv(text)?)
    } else if text.trim_start().starts_with(['{', '[']) {
        (Layout::Ffhq, ffhq_json::parse(text)?)
    } else if text.trim().is_empty() {
        return Err(AlignError::NoRows);
    } else {
        return Err(AlignError::UnknownLayout { found: format!("`{}`", beginning(first)) });
    };
    if rows.is_empty() {
        return Err(AlignError::NoRows);
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for row in &rows {
        if let Some(first) = seen.insert(&row.file, row.position) {
            return Err(AlignError::Duplicate { line: row.position, first, file: row.file.clone() });
        }
    }
    Ok(LandmarkFile { layout, rows })
}

/// The rows as a file in CelebA's layout, the inverse of [`parse`] for points that f32 prints exactly.
#[must_use]
pub fn celeba_text(rows: &[LandmarkRow]) -> String {
    let mut text = format!("{}\n{CELEBA_COLUMNS}\n", rows.len());
    for row in rows {
        text += &row.file;
        for value in row.landmarks.points().as_flattened() {
            let _ = write!(text, " {value}");
        }
        text.push('\n');
    }
    text
}

fn beginning(line: &str) -> String {
    if line.chars().count() <= 60 {
        return line.to_owned();
    }
    line.chars().take(60).chain(['…']).collect()
}

type Rows = Vec<LandmarkRow>;

fn celeba(count: usize, lines: &[(usize, &str)]) -> Result<Rows, AlignError> {
    let names = lines.first().map_or("", |(_, line)| line);
    if !names.split_whitespace().eq(CELEBA_COLUMNS.split_whitespace()) {
        return Err(AlignError::ColumnNames { expected: CELEBA_COLUMNS, found: beginning(names) });
    }
    let rows = lines[1..]
        .iter()
        .filter(|(_, line)| !line.is_empty())
        .map(|&(line, text)| {
            let columns: Vec<&str> = text.split_whitespace().collect();
            row(line, &columns, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        })
        .collect::<Result<Rows, _>>()?;
    if rows.len() != count {
        return Err(AlignError::Count { expected: count, found: rows.len() });
    }
    Ok(rows)
}

fn csv(text: &str) -> Result<Rows, AlignError> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    // Text has no other errors, and rows of any width are rows.
    let header = reader.headers().cloned().unwrap_or_default();
    let names: Vec<&str> = header.iter().collect();
    let mut order = Vec::new();
    for expected in CSV_COLUMNS.split(',') {
        let mut at = names.iter().enumerate().filter(|(_, name)| **name == expected).map(|(i, _)| i);
        match (at.next(), at.next()) {
            (Some(i), None) => order.push(i),
            (None, _) => {
                let found = format!("no column `{expected}`");
                return Err(AlignError::Header { expected: CSV_COLUMNS, found });
            }
            (Some(_), Some(_)) => {
                let found = format!("column `{expected}` twice");
                return Err(AlignError::Header { expected: CSV_COLUMNS, found });
            }
        }
    }
    if let Some(unknown) = names.iter().find(|name| !CSV_COLUMNS.split(',').any(|c| c == **name)) {
        let found = format!("the unknown column `{unknown}`");
        return Err(AlignError::Header { expected: CSV_COLUMNS, found });
    }
    reader
        .records()
        .flatten()
        .map(|record| {
            let line = record.position().map_or(0, |position| {
                // A record begins with the empty lines before it.
                let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
                let empty = rest.iter().take_while(|&&byte| byte == b'\n' || byte == b'\r');
                position.line() as usize + empty.filter(|&&byte| byte == b'\n').count()
            });
            row(line, &record.iter().collect::<Vec<_>>(), &order)
        })
        .collect()
}

/// `order[0]` is the column of the file name, the others those of the ten numbers.
fn row(line: usize, columns: &[&str], order: &[usize]) -> Result<LandmarkRow, AlignError> {
    if columns.len() != order.len() || columns[order[0]].is_empty() {
        return Err(AlignError::Columns { line, found: columns.len() });
    }
    let mut values = [0.0_f32; 10];
    for (value, &column) in values.iter_mut().zip(&order[1..]) {
        *value = match columns[column].parse::<f32>() {
            Ok(v) if v.is_finite() => v,
            _ => {
                return Err(AlignError::Number {
                    line,
                    column: column + 1,
                    found: beginning(columns[column]),
                });
            }
        };
    }
    Ok(LandmarkRow {
        position: line,
        file: columns[order[0]].to_owned(),
        landmarks: Landmarks::from_columns(values),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    fn celeba_with(rows: &str) -> String {
        format!("1\n{CELEBA_COLUMNS}\n{rows}\n")
    }

    const ROW: &str = "a.jpg 1 2 3 4 5 6 7 8 9.5 -10";

    #[test]
    fn celeba_text_is_read() {
        let rows = parse(&celeba_with(ROW)).unwrap().rows;
        assert_eq!(rows[0].file, "a.jpg");
        assert_eq!(rows[0].landmarks.right_mouth, [9.5, -10.0]);
    }

    #[test]
    fn csv_columns_may_come_in_any_order() {
        let text = "nose_x,nose_y,file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y\r\n5,6,a.jpg,1,2,3,4,7,8,9.5,-10\r\n";
        let (csv, celeba) = (parse(text).unwrap(), parse(&celeba_with(ROW)).unwrap());
        assert_eq!((csv.layout, celeba.layout), (Layout::Csv, Layout::Celeba));
        assert_eq!(csv.rows[0].landmarks, celeba.rows[0].landmarks);
    }

    #[test]
    fn csv_fields_may_be_quoted() {
        let header: Vec<String> = CSV_COLUMNS.split(',').map(|name| format!("\"{name}\"")).collect();
        let text = format!(
            "\u{feff}{}\r\n\"b, c/\"\"1\"\".jpg\",\"1\",2,3,4,5,6,7,8,9.5,-10\r\n\r\n",
            header.join(",")
        );
        let rows = parse(&text).unwrap().rows;
        assert_eq!((rows[0].file.as_str(), rows[0].position), ("b, c/\"1\".jpg", 2));
        assert_eq!(rows[0].landmarks.right_mouth, [9.5, -10.0]);
        let wrong = format!("{CSV_COLUMNS}\n\na.jpg,1,2,3,4,5,6,7,8,9,x\n");
        assert_eq!(message(&wrong), "line 3, column 11: expected a coordinate in pixels, found `x`");
    }

    #[test]
    fn a_row_of_another_width_is_refused_with_its_line() {
        assert_eq!(
            message(&celeba_with("a.jpg 1 2 3")),
            "line 3: expected a file name and ten numbers, found 4 columns"
        );
        let row = format!("a.jpg{}", " 7".repeat(136));
        assert_eq!(
            message(&celeba_with(&row)),
            "line 3: expected a file name and ten numbers, found 137 columns (68 points): 68 points are read from FFHQ's JSON, with --preset ffhq"
        );
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_place() {
        for bad in ["x", "nan", "inf", "1e99"] {
            let row = format!("a.jpg 1 2 {bad} 4 5 6 7 8 9 10");
            let expected = format!("line 3, column 4: expected a coordinate in pixels, found `{bad}`");
            assert_eq!(message(&celeba_with(&row)), expected);
        }
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused() {
        let text = format!("3\n{CELEBA_COLUMNS}\n{ROW}\n");
        assert!(message(&text).starts_with("line 1 announces 3 rows, found 1"));
    }

    #[test]
    fn a_file_named_twice_is_refused() {
        let text = format!("2\n{CELEBA_COLUMNS}\n{ROW}\n{ROW}\n");
        assert!(message(&text).starts_with("line 4: a.jpg has landmarks in line 3 already"));
    }

    #[test]
    fn the_bounding_box_file_is_not_taken_for_landmarks() {
        let text = "1\nimage_id x_1 y_1 width height\na.jpg 1 2 3 4\n";
        assert!(message(text).contains("found `image_id x_1 y_1 width height`"));
    }

    #[test]
    fn other_layouts_are_refused_by_name() {
        assert_eq!(parse(""), Err(AlignError::NoRows));
        assert_eq!(parse("\n\n"), Err(AlignError::NoRows));
        assert_eq!(parse(&format!("0\n{CELEBA_COLUMNS}\n")), Err(AlignError::NoRows));
        assert!(message("hello world").contains("found a first line of `hello world`"));
        assert!(message("file,left_eye_x\na,1\n").contains("no column `left_eye_y`"));
        let wide = format!("{CSV_COLUMNS},age\n");
        assert!(message(&wide).contains("the unknown column `age`"));
        let twice = format!("{CSV_COLUMNS},file\n");
        assert!(message(&twice).contains("column `file` twice"));
    }

    proptest! {
        #[test]
        fn any_text_gives_rows_or_an_error_and_never_panics(text in "[0-9a-z,. \n{]{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn written_rows_are_read_back(values in proptest::array::uniform10(-1e4_f32..1e4)) {
            let landmarks = Landmarks::from_columns(values);
            let row = LandmarkRow { position: 3, file: "x/y.png".to_owned(), landmarks };
            prop_assert_eq!(parse(&celeba_text(std::slice::from_ref(&row))).unwrap().rows, vec![row]);
        }
    }
}
