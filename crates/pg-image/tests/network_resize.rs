//! Input recipes against what the programs they are named after compute (fixtures/fid).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use pg_image::{NetworkResize, Planar};
use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden::{npy, picture};

const SIDE: usize = 299;
/// The sine of another maths library may have another last bit in f64: one of f32 in very few values.
const LAST_BIT: Tolerance = Tolerance::absolute(2e-5);

/// `recipe` on the picture, and the same by the program: values of every `step`-th row and column.
fn both(recipe: NetworkResize, picture_name: &str, array: &str, step: usize) -> (Vec<f32>, Vec<f32>) {
    let picture = picture(&format!("fid/resize/{picture_name}.png"));
    let image = Planar::from_data(3, picture.height, picture.width, picture.data).unwrap();
    let resized = recipe.resize(&image, SIDE).unwrap();
    let rows =
        resized.data().chunks_exact(SIDE).enumerate().filter(|(row, _)| (row % SIDE).is_multiple_of(step));
    let kept = rows.flat_map(|(_, row)| row.iter().step_by(step)).copied().collect();
    let expected = npy::<f32>(&format!("fid/resize/{picture_name}_{array}_every{step}.npy"));
    assert_eq!(expected.shape(), [3, SIDE.div_ceil(step), SIDE.div_ceil(step)]);
    (kept, expected.iter().copied().collect())
}

const PICTURES: [(&str, usize); 5] =
    [("w037_h053", 2), ("w064_h064", 4), ("w299_h299", 4), ("w300_h598", 4), ("w512_h384", 4)];

#[test]
fn tf1_bilinear_has_the_bits_of_tensorflow_and_torch_fidelity() {
    for (name, step) in PICTURES {
        let (resized, expected) = both(NetworkResize::Tf1Bilinear, name, "tf1_bilinear", step);
        assert_eq!(resized, expected, "{name}");
    }
}

#[test]
fn pil_bicubic_has_the_bits_of_clean_fid() {
    for (name, step) in PICTURES {
        let (resized, expected) = both(NetworkResize::PilBicubic, name, "clean_bicubic", step);
        assert_eq!(resized, expected, "{name}");
    }
}

#[test]
fn pil_bilinear_has_the_bits_of_pillow() {
    for name in ["w037_h053", "w300_h598"] {
        let (resized, expected) = both(NetworkResize::PilBilinear, name, "pil_bilinear", 4);
        assert_eq!(resized, expected, "{name}");
    }
}

#[test]
fn torch_bilinear_has_the_bits_of_torch() {
    for name in ["w037_h053", "w300_h598"] {
        let (resized, expected) = both(NetworkResize::TorchBilinear, name, "torch_bilinear", 4);
        assert_eq!(resized, expected, "{name}");
    }
}

#[test]
fn pil_lanczos_is_pillows() {
    for name in ["w037_h053", "w300_h598"] {
        let (resized, expected) = both(NetworkResize::PilLanczos, name, "pil_lanczos", 4);
        assert_close(name, &resized, &expected, LAST_BIT);
    }
}
