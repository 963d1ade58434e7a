//! The JSON file that comes with FFHQ: 68 points per photo.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::landmark_row::LandmarkRow;
use crate::{AlignError, Landmarks};

const POINTS: usize = 68;

/// Those parts of an entry that are used.
#[derive(Deserialize)]
struct Entry {
    in_the_wild: InTheWild,
}

#[derive(Deserialize)]
struct InTheWild {
    file_path: String,
    face_landmarks: Vec<[f64; 2]>,
}

/// The entries in the order of the file; their keys are not used.
struct Entries(Vec<InTheWild>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of entries")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(IgnoredAny) = map.next_key()? {
                    let entry: Entry = map
                        .next_value()
                        .map_err(|e| de::Error::custom(format!("entry {}: {e}", entries.len() + 1)))?;
                    entries.push(entry.in_the_wild);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// The rows of FFHQ's JSON, their 68 points brought down to five.
///
/// # Errors
/// [`AlignError::Json`], [`AlignError::Points`], [`AlignError::Coordinate`].
pub(crate) fn parse(text: &str) -> Result<Vec<LandmarkRow>, AlignError> {
    let Entries(entries) =
        serde_json::from_str(text).map_err(|e| AlignError::Json { detail: e.to_string() })?;
    entries
        .into_iter()
        .enumerate()
        .map(|(i, InTheWild { file_path: file, face_landmarks: points })| {
            let entry = i + 1;
            if points.len() != POINTS {
                return Err(AlignError::Points { entry, file, found: points.len() });
            }
            let landmarks = five_of_68(&points);
            if !landmarks.points().as_flattened().iter().all(|v| v.is_finite()) {
                return Err(AlignError::Coordinate { entry, file });
            }
            Ok(LandmarkRow { position: entry, file, landmarks })
        })
        .collect()
}

/// Eyes: means of points 36 to 41 and 42 to 47; nose: 30; mouth: 48 and 54. Means in f64.
fn five_of_68(points: &[[f64; 2]]) -> Landmarks {
    let mean = |range: std::ops::Range<usize>| {
        let n = range.len() as f64;
        [0, 1].map(|axis| (points[range.clone()].iter().map(|p| p[axis]).sum::<f64>() / n) as f32)
    };
    Landmarks {
        left_eye: mean(36..42),
        right_eye: mean(42..48),
        nose: mean(30..31),
        left_mouth: mean(48..49),
        right_mouth: mean(54..55),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::landmark_file::{self, Layout};

    fn entry(points: usize) -> String {
        let points: Vec<[f64; 2]> = (0..points).map(|i| [i as f64, 100.0 + i as f64]).collect();
        format!(
            "{{\"category\": \"training\", \"image\": {{\"file_path\": \"images1024x1024/00000.png\"}}, \"in_the_wild\": {{\"file_path\": \"in-the-wild-images/00000.png\", \"pixel_size\": [9, 9], \"face_landmarks\": {points:?}}}}}"
        )
    }

    #[test]
    fn eyes_are_means_and_mouth_corners_are_points() {
        let file = landmark_file::parse(&format!("{{\"0\": {}}}", entry(68))).unwrap();
        assert_eq!((file.layout, file.layout.points()), (Layout::Ffhq, 68));
        let row = &file.rows[0];
        assert_eq!((row.position, row.file.as_str()), (1, "in-the-wild-images/00000.png"));
        assert_eq!(row.landmarks.left_eye, [38.5, 138.5]);
        assert_eq!(row.landmarks.right_eye, [44.5, 144.5]);
        assert_eq!(row.landmarks.nose, [30.0, 130.0]);
        assert_eq!((row.landmarks.left_mouth[0], row.landmarks.right_mouth[0]), (48.0, 54.0));
    }

    #[test]
    fn other_numbers_of_points_are_refused_with_their_entry() {
        let message = |text: &str| landmark_file::parse(text).unwrap_err().to_string();
        let five = message(&format!("\n{{\"a\": {}, \"b\": {}}}", entry(68), entry(5)));
        assert!(five.starts_with("entry 2 (in-the-wild-images/00000.png): expected face_landmarks of 68"));
        assert!(five.ends_with("write five points as CSV or CelebA text, for --preset celeba"), "{five}");
        let other = message("{\"0\": {\"landmarks\": [1, 2]}}");
        assert!(other.contains("entry 1: missing field `in_the_wild`"), "{other}");
        assert!(message("[1, 2]").contains("expected an object of entries"));
        assert_eq!(landmark_file::parse("{}"), Err(AlignError::NoRows));
    }
}
