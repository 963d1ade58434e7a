//! The leaky rectifier.

use tch::Tensor;

pub(crate) const NEGATIVE_SLOPE: f64 = 0.2;

/// Leaky rectifier with slope 0.2: x for x > 0, else 0.2 x.
pub fn leaky_relu(x: &Tensor) -> Tensor {
    // The binding's forward function has the slope fixed at 0.01. The backward kernel computes
    // (input > 0 ? g : 0.2 g): with g = input that is the rectifier itself in one pass, and its
    // derivatives of every order are those of the rectifier.
    x.detach().leaky_relu_backward(x, NEGATIVE_SLOPE, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn the_leaky_rectifier_and_its_derivative_have_slope_one_fifth_below_zero() {
        let x = Tensor::from_slice(&[-2.0_f32, -0.5, 0.5, 3.0]).set_requires_grad(true);
        let y = leaky_relu(&x);
        let values = Vec::<f32>::try_from(&y).unwrap();
        assert_eq!(values, [-0.4, -0.1, 0.5, 3.0]);
        let gradient = Tensor::run_backward(&[y.sum(Kind::Float)], &[&x], false, false);
        assert_eq!(Vec::<f32>::try_from(&gradient[0]).unwrap(), [0.2, 0.2, 1.0, 1.0]);
    }
}
