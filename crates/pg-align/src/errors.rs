//! Why a landmark file or a face could not be used.

use thiserror::Error;

/// Why a landmark file or a face could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmark file has no row.
    #[error("expected landmark rows, found none")]
    NoRows,
    /// The text is of no layout that is read.
    #[error(
        "expected CelebA text (a line with the row count, a line with the ten column names, rows `file x y …`) or CSV with the header `file,left_eye_x,left_eye_y,…`, found a first line of {found}"
    )]
    UnknownLayout {
        /// The beginning of the first line.
        found: String,
    },
    /// FFHQ's JSON, which this version does not read.
    #[error(
        "FFHQ JSON landmarks are not read by this version: convert them to CelebA text or CSV with five points per row"
    )]
    Ffhq,
    /// CelebA text whose second line does not name the ten columns.
    #[error("line 2: expected the column names `{expected}`, found `{found}`")]
    ColumnNames {
        /// The ten names.
        expected: &'static str,
        /// The line.
        found: String,
    },
    /// A CSV header with other columns.
    #[error("line 1: expected the columns `{expected}` in any order, found {found}")]
    Header {
        /// All eleven names.
        expected: &'static str,
        /// What is missing, unknown or twice.
        found: String,
    },
    /// A row with too few or too many columns.
    #[error("line {line}: expected a file name and ten numbers, found {found} columns")]
    Columns {
        /// Line of the file, from 1.
        line: usize,
        /// Columns found.
        found: usize,
    },
    /// A coordinate that is no finite number.
    #[error("line {line}, column {column}: expected a coordinate in pixels, found `{found}`")]
    Number {
        /// Line of the file, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The text there.
        found: String,
    },
    /// The count line does not fit the rows: the file was cut or edited.
    #[error("line 1 announces {expected} rows, found {found}: the file is cut short or was edited")]
    Count {
        /// Rows announced.
        expected: usize,
        /// Rows found.
        found: usize,
    },
    /// A file name in two rows.
    #[error("line {line}: {file} has landmarks in line {first} already, expected each file once")]
    Duplicate {
        /// The second line, from 1.
        line: usize,
        /// The first line, from 1.
        first: usize,
        /// The file named twice.
        file: String,
    },
    /// Landmarks that lie so that no crop follows from them.
    #[error(
        "the landmarks give no crop: expected eyes and mouth apart from each other, found them in one place"
    )]
    Degenerate,
    /// The face lies outside the photo.
    #[error(
        "the face lies outside the photo: its crop is x {left}..{right}, y {top}..{bottom}, the photo has {width}x{height} pixels"
    )]
    Outside {
        /// Crop, first column.
        left: i64,
        /// Crop, one past the last column.
        right: i64,
        /// Crop, first row.
        top: i64,
        /// Crop, one past the last row.
        bottom: i64,
        /// Columns of the photo.
        width: usize,
        /// Rows of the photo.
        height: usize,
    },
    /// The crop needs far more padding than a face at the border does.
    #[error(
        "the landmarks lie too far outside the photo: padding would take {pixels} pixels, at most {limit} are allowed"
    )]
    TooMuchPadding {
        /// Pixels of the padded picture.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// An output size that is not allowed.
    #[error("size {found} is not a power of two from 4 to 4096")]
    Size {
        /// The size asked for.
        found: usize,
    },
}
