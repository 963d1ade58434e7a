//! The minibatch standard deviation layer (arXiv:1710.10196, section 3).

use tch::{Kind, Tensor};

use crate::resampling::dims4;

const EPSILON: f64 = 1e-8;

/// Appends one map that tells how much the images of a group differ.
///
/// `x` is `[N,C,H,W]`; the result `[N,C+1,H,W]`. The group size G is `group`, or N when that is less;
/// N must be a multiple of it. Images n, n + N/G, n + 2N/G, … form a group, as in the authors'
/// program. Per group: population variance over the group plus 1e-8, root, mean over channels and
/// positions.
pub fn minibatch_stddev(x: &Tensor, group: i64) -> Tensor {
    let (n, c, h, w) = dims4(x);
    let g = group.min(n);
    let m = n / g;
    let y = x.view([g, m, c, h, w]); // [G,M,C,H,W]
    let centred = &y - y.mean_dim(0, true, None::<Kind>);
    let variance = (&centred * &centred).mean_dim(0, false, None::<Kind>); // [M,C,H,W]
    let deviation = (variance + EPSILON).sqrt().mean_dim([1, 2, 3].as_slice(), true, None::<Kind>); // [M,1,1,1]
    let map = deviation.repeat([g, 1, h, w]); // [N,1,H,W]
    Tensor::cat(&[x, &map], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in plain loops.
    fn slow(x: &[f64], (n, c, h, w): (usize, usize, usize, usize), group: usize) -> Vec<f64> {
        let g = group.min(n);
        let m = n / g;
        let pixels = c * h * w;
        (0..n)
            .map(|image| {
                let first = image % m;
                let sum: f64 = (0..pixels)
                    .map(|p| {
                        let values: Vec<f64> = (0..g).map(|k| x[(first + k * m) * pixels + p]).collect();
                        let mean = values.iter().sum::<f64>() / g as f64;
                        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / g as f64;
                        (variance + 1e-8).sqrt()
                    })
                    .sum();
                sum / pixels as f64
            })
            .collect()
    }

    #[test]
    fn the_extra_map_is_the_mean_deviation_of_the_group() {
        tch::manual_seed(3);
        for (n, group) in [(8, 4), (12, 4), (4, 4), (3, 4), (1, 4)] {
            let x = Tensor::randn([n, 3, 2, 2], tch::kind::FLOAT_CPU);
            let y = minibatch_stddev(&x, group);
            assert_eq!(y.size(), [n, 4, 2, 2]);
            let values = Vec::<f64>::try_from(x.flatten(0, -1).to_kind(Kind::Double)).unwrap();
            let expected = slow(&values, (n as usize, 3, 2, 2), group as usize);
            for (image, expected) in expected.into_iter().enumerate() {
                let found = y.double_value(&[image as i64, 3, 1, 0]);
                assert!((found - expected).abs() < 1e-6, "image {image} of {n}: {found} {expected}");
            }
        }
    }
}
