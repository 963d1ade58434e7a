//! One row of a landmark file.

use crate::Landmarks;

/// One row: a photo and its face.
#[derive(Debug, Clone, PartialEq)]
pub struct LandmarkRow {
    /// Line of a text file, or entry of a JSON file, from 1.
    pub position: usize,
    /// The photo's path as written, relative to the folder of photos.
    pub file: String,
    /// Its five points; of 68 points those that [`parse`](crate::landmark_file::parse) says.
    pub landmarks: Landmarks,
}
