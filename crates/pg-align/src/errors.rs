//! Why a landmark file or a face could not be used.

use thiserror::Error;

use crate::LayoutFault;

/// Why a landmark file or a face could not be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmark file has no row.
    #[error("expected landmark rows, found none")]
    NoRows,
    /// The text is of no layout that is read.
    #[error(
        "expected CelebA text (a line with the row count, a line with the ten column names, rows `file x y …`) CSV with the header `file,left_eye_x,left_eye_y,…`, or FFHQ's JSON, found a first line of {found}"
    )]
    UnknownLayout {
        /// The beginning of the first line.
        found: String,
    },
    /// JSON that is not FFHQ's.
    #[error(
        "expected FFHQ's JSON, an object of entries with in_the_wild.file_path and in_the_wild.face_landmarks, found otherwise: {detail}"
    )]
    Json {
        /// What does not fit, with line and column.
        detail: String,
    },
    /// An entry of FFHQ's JSON with another number of points.
    #[error("entry {entry} ({file}): expected face_landmarks of 68 points, found {found}{}", five_points(*found))]
    Points {
        /// Entry of the file, from 1.
        entry: usize,
        /// The photo.
        file: String,
        /// Points found.
        found: usize,
    },
    /// An entry of FFHQ's JSON with a coordinate beyond all pictures.
    #[error("entry {entry} ({file}): expected coordinates in pixels, found one that is no finite number")]
    Coordinate {
        /// Entry of the file, from 1.
        entry: usize,
        /// The photo.
        file: String,
    },
    /// Most rows hold their numbers in another order or unit than the layout says.
    #[error("{row}: {fault}, found {found}; so it is in {faulty} of {rows} rows: {}", fault.remedy())]
    WrongLayout {
        /// The first such row, e.g. `line 3 (000001.jpg)`.
        row: String,
        /// What is wrong with it.
        fault: LayoutFault,
        /// Its points.
        found: String,
        /// Rows with this fault.
        faulty: usize,
        /// All rows.
        rows: usize,
    },
    /// Most faces lie outside their photos: the landmarks belong to other pictures.
    #[error(
        "{row}: expected points inside the photo, which has {width}x{height} pixels, found {found}; so it is in {outside} of {looked_at} photos looked at: use the landmarks made for these photos (not for aligned, cropped or scaled ones)"
    )]
    OutsidePhotos {
        /// The first such row.
        row: String,
        /// Its points.
        found: String,
        /// Columns of its photo.
        width: usize,
        /// Rows of its photo.
        height: usize,
        /// Photos whose faces lie outside.
        outside: usize,
        /// Photos looked at.
        looked_at: usize,
    },
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
    #[error("line {line}: expected a file name and ten numbers, found {found} columns{}", more_points(*found))]
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
    /// A face too small to be enlarged.
    #[error("the crop would be {side_px:.2} pixels wide: expected landmarks of a face that can be seen")]
    TooSmall {
        /// Side of the crop in the photo.
        side_px: f32,
    },
    /// An output size that is not allowed.
    #[error("size {found} is not a power of two from 4 to 4096")]
    Size {
        /// The size asked for.
        found: usize,
    },
}

/// Advice for a row of `columns` columns that may be 68 points.
fn more_points(columns: usize) -> String {
    match columns.checked_sub(1) {
        Some(numbers) if numbers > 10 && numbers % 2 == 0 => {
            format!(" ({} points): 68 points are read from FFHQ's JSON, with --preset ffhq", numbers / 2)
        }
        _ => String::new(),
    }
}

/// Advice for an entry of `points` points that may be CelebA's.
fn five_points(points: usize) -> &'static str {
    if points == 5 { ": write five points as CSV or CelebA text, for --preset celeba" } else { "" }
}
