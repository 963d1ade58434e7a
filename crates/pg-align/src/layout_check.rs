//! Is what a landmark file holds a list of faces? Numbers in another order or unit give crops, but wrong
//! ones, so they are told before the work begins.

use std::fmt;

use crate::landmark_file::{LandmarkFile, LandmarkRow, Layout};
use crate::{AlignError, Landmarks};

/// What the points of a row look like, other than a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutFault {
    /// All coordinates lie in 0..=1.
    Fractions,
    /// x stands where y should, and y where x should.
    AxesSwapped,
    /// Left and right are swapped in eyes and mouth: they are the person's, not the picture's.
    SidesSwapped,
    /// Left and right eye are swapped, the mouth corners are not.
    EyesSwapped,
    /// The corners of the mouth are swapped, the eyes are not.
    MouthSwapped,
    /// The eyes stand where the mouth should, or y is counted upwards.
    UpsideDown,
    /// Eyes, nose and mouth lie together like no face, however turned.
    NoFace,
}

const FAULTS: [LayoutFault; 7] = [
    LayoutFault::Fractions,
    LayoutFault::AxesSwapped,
    LayoutFault::SidesSwapped,
    LayoutFault::EyesSwapped,
    LayoutFault::MouthSwapped,
    LayoutFault::UpsideDown,
    LayoutFault::NoFace,
];

impl fmt::Display for LayoutFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fractions => "expected coordinates in pixels",
            Self::AxesSwapped => "expected eyes above the mouth, x before y",
            Self::SidesSwapped => "expected left and right as seen in the picture",
            Self::EyesSwapped => "expected the eyes in the same order as the corners of the mouth",
            Self::MouthSwapped => "expected the corners of the mouth in the same order as the eyes",
            Self::UpsideDown => "expected eyes above the mouth, y counted downwards",
            Self::NoFace => {
                "expected left eye, right eye, nose, left and right corner of the mouth of a face"
            }
        })
    }
}

impl LayoutFault {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Fractions => "multiply x by the width and y by the height of the photo",
            Self::AxesSwapped => "swap the x and y columns",
            Self::SidesSwapped => "swap the columns of left and right, of eyes and mouth",
            Self::EyesSwapped => "swap the columns of the left and the right eye",
            Self::MouthSwapped => "swap the columns of the left and the right corner of the mouth",
            Self::UpsideDown => {
                "swap the columns of eyes and mouth, or count y from the upper edge of the photo"
            }
            Self::NoFace => "bring the columns into this order",
        }
    }

    /// The fault of a row; `None` for a face, turned as it may be.
    ///
    /// A turn keeps the sense in which the mouth lies from the eyes, so a row that has it the other way
    /// round is mirrored; which columns were swapped is then told from where an upright face has them.
    #[must_use]
    pub fn of(landmarks: &Landmarks) -> Option<Self> {
        let points = landmarks.points().map(|p| p.map(f64::from));
        if points.as_flattened().iter().all(|v| (0.0..=1.0).contains(v)) {
            return Some(Self::Fractions);
        }
        let [left_eye, right_eye, nose, left_mouth, right_mouth] = points;
        let eye = middle(left_eye, right_eye);
        let eye_to_mouth = between(eye, middle(left_mouth, right_mouth));
        let (across_eyes, across_mouth) = (between(left_eye, right_eye), between(left_mouth, right_mouth));
        let clockwise = cross(across_eyes, eye_to_mouth) > 0.0;
        let same_order = dot(across_eyes, across_mouth) >= 0.0;
        match (clockwise, same_order) {
            (true, true) => (!is_face(across_eyes, eye_to_mouth, between(eye, nose))).then_some(Self::NoFace),
            (true, false) => Some(Self::MouthSwapped),
            (false, false) => Some(Self::EyesSwapped),
            (false, true) if eye_to_mouth == [0.0; 2] || across_eyes == [0.0; 2] => Some(Self::NoFace),
            (false, true) if eye_to_mouth[0].abs() > eye_to_mouth[1].abs() => Some(Self::AxesSwapped),
            (false, true) if eye_to_mouth[1] > 0.0 => Some(Self::SidesSwapped),
            (false, true) => Some(Self::UpsideDown),
        }
    }
}

type Vector = [f64; 2];

fn middle(a: Vector, b: Vector) -> Vector {
    [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])]
}

fn between(a: Vector, b: Vector) -> Vector {
    [b[0] - a[0], b[1] - a[1]]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// Positive when `b` is clockwise of `a` in a picture (y downwards).
fn cross(a: Vector, b: Vector) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// Proportions wide enough for profiles and drawings: the nose, seen from the middle of the eyes, not far
/// from the way to the mouth.
fn is_face(across_eyes: Vector, eye_to_mouth: Vector, eye_to_nose: Vector) -> bool {
    let down = dot(eye_to_mouth, eye_to_mouth);
    let along = dot(eye_to_nose, eye_to_mouth) / down;
    let beside = cross(eye_to_mouth, eye_to_nose).abs() / down.sqrt();
    let size = down.max(dot(across_eyes, across_eyes)).sqrt();
    (-0.5..=1.5).contains(&along) && beside <= 1.5 * size
}

/// `(60, 112.5) (…) …`
fn list(landmarks: &Landmarks) -> String {
    landmarks.points().map(|[x, y]| format!("({x}, {y})")).join(" ")
}

/// Looks at every row; refuses the file when most rows have the points in another order or unit than
/// the layout says. Returns the positions in `file.rows` of the rows, a minority, that look like no face.
///
/// # Errors
/// [`AlignError::WrongLayout`] for the most frequent fault.
pub fn check_layout(file: &LandmarkFile) -> Result<Vec<usize>, AlignError> {
    let faults: Vec<Option<LayoutFault>> =
        file.rows.iter().map(|row| LayoutFault::of(&row.landmarks)).collect();
    let odd: Vec<usize> = (0..faults.len()).filter(|&i| faults[i].is_some()).collect();
    if 2 * odd.len() <= faults.len() {
        return Ok(odd);
    }
    let frequency = |fault: LayoutFault| faults.iter().filter(|f| **f == Some(fault)).count();
    // The first of the most frequent.
    let most = FAULTS.into_iter().rev().max_by_key(|&fault| frequency(fault));
    let Some(fault) = most else { return Ok(odd) };
    let Some(first) = faults.iter().position(|f| *f == Some(fault)) else { return Ok(odd) };
    let row = &file.rows[first];
    Err(AlignError::WrongLayout {
        row: file.layout.name_of(row),
        fault,
        found: list(&row.landmarks),
        faulty: frequency(fault),
        rows: faults.len(),
    })
}

/// Looks at rows whose photos' width and height in pixels are known; refuses when of most photos three or
/// more of the five points lie outside.
///
/// # Errors
/// [`AlignError::OutsidePhotos`].
pub fn check_inside(layout: Layout, sample: &[(&LandmarkRow, [usize; 2])]) -> Result<(), AlignError> {
    let is_outside = |(row, [width, height]): &(&LandmarkRow, [usize; 2])| {
        let inside =
            |&[x, y]: &[f32; 2]| (0.0..=*width as f32).contains(&x) && (0.0..=*height as f32).contains(&y);
        row.landmarks.points().iter().filter(|p| !inside(p)).count() >= 3
    };
    let outside: Vec<_> = sample.iter().filter(|s| is_outside(s)).collect();
    match outside.first() {
        Some(&&(row, [width, height])) if 2 * outside.len() > sample.len() => {
            Err(AlignError::OutsidePhotos {
                row: layout.name_of(row),
                found: list(&row.landmarks),
                width,
                height,
                outside: outside.len(),
                looked_at: sample.len(),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UPRIGHT: [f32; 10] = [40., 50., 60., 50., 50., 60., 42., 70., 58., 70.];

    fn with(change: impl Fn(&mut [[f32; 2]; 5])) -> Landmarks {
        let mut points = Landmarks::from_columns(UPRIGHT).points();
        change(&mut points);
        Landmarks::from_columns(points.as_flattened().try_into().unwrap())
    }

    fn file(rows: &[Landmarks]) -> LandmarkFile {
        let row = |(i, &landmarks)| LandmarkRow { position: i + 3, file: format!("{i}.jpg"), landmarks };
        LandmarkFile { layout: Layout::Celeba, rows: rows.iter().enumerate().map(row).collect() }
    }

    #[test]
    fn every_swap_is_told_by_name() {
        let fault = |l: &Landmarks| LayoutFault::of(l);
        assert_eq!(fault(&with(|_| ())), None);
        let swapped = [
            (with(|p| p.swap(0, 1)), LayoutFault::EyesSwapped),
            (with(|p| p.swap(3, 4)), LayoutFault::MouthSwapped),
            (with(|p| (p.swap(0, 1), p.swap(3, 4)).1), LayoutFault::SidesSwapped),
            (with(|p| p.iter_mut().for_each(|p| p.swap(0, 1))), LayoutFault::AxesSwapped),
            (with(|p| (p.swap(0, 3), p.swap(1, 4)).1), LayoutFault::UpsideDown),
            (with(|p| p.iter_mut().for_each(|p| p[1] = 100.0 - p[1])), LayoutFault::UpsideDown),
            (with(|p| p.as_flattened_mut().iter_mut().for_each(|v| *v /= 100.0)), LayoutFault::Fractions),
            (with(|p| p[2] = [50.0, 120.0]), LayoutFault::NoFace),
            (with(|p| *p = [[5.0, 5.0]; 5]), LayoutFault::NoFace),
        ];
        for (landmarks, expected) in swapped {
            assert_eq!(fault(&landmarks), Some(expected), "{landmarks:?}");
        }
    }

    #[test]
    fn the_file_is_refused_with_row_found_expected_and_remedy_when_most_rows_are_wrong() {
        let wrong = with(|p| p.swap(0, 1));
        let error = check_layout(&file(&[with(|_| ()), wrong, wrong])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 4 (1.jpg): expected the eyes in the same order as the corners of the mouth, found (60, 50) (40, 50) (50, 60) (42, 70) (58, 70); so it is in 2 of 3 rows: swap the columns of the left and the right eye"
        );
        assert_eq!(check_layout(&file(&[with(|_| ()), wrong])), Ok(vec![1]));
    }

    #[test]
    fn landmarks_of_larger_pictures_are_refused() {
        let file = file(&[with(|_| ()); 3]);
        let sizes = |all: [[usize; 2]; 3]| file.rows.iter().zip(all).collect::<Vec<_>>();
        let (small, large) = ([30, 30], [200, 200]);
        assert_eq!(check_inside(Layout::Celeba, &sizes([small, large, large])), Ok(()));
        let error = check_inside(Layout::Celeba, &sizes([large, small, small])).unwrap_err();
        assert!(error.to_string().starts_with("line 4 (1.jpg): expected points inside"), "{error}");
        assert!(error.to_string().contains("in 2 of 3 photos"), "{error}");
        assert_eq!(check_inside(Layout::Celeba, &[]), Ok(()));
    }

    proptest! {
        #[test]
        fn a_turned_and_moved_face_stays_a_face(
            angle in 0.0_f32..6.3, size in 0.2_f32..50.0, x in -500.0_f32..500.0, y in -500.0_f32..500.0,
        ) {
            let (sin, cos) = angle.sin_cos();
            let turned = with(|points| {
                for p in points {
                    let [a, b] = [(p[0] - 50.0) * size, (p[1] - 60.0) * size];
                    *p = [a * cos - b * sin + x + 2000.0, a * sin + b * cos + y + 2000.0];
                }
            });
            prop_assert_eq!(LayoutFault::of(&turned), None);
        }
    }
}
