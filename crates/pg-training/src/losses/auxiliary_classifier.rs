//! The auxiliary classifier's term (AC-GAN, arXiv:1610.09585).

use tch::{Kind, Tensor};

/// -sum over k of label_k log softmax(logits)_k per image, `[N]`: the cross entropy of the label that the
/// discriminator tells. `logits` and `labels` are `[N,L]`; labels are one-hot, or any weights.
pub fn label_terms(logits: &Tensor, labels: &Tensor) -> Tensor {
    let log_probabilities = logits.to_kind(Kind::Float).log_softmax(1, None::<Kind>);
    -(log_probabilities * labels).sum_dim_intlist(1, false, None::<Kind>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_and_its_derivative_are_those_of_the_formula() {
        let numbers = [1.0_f64, -0.5, 2.0, 0.3, 0.1, -4.0];
        let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        let logits = Tensor::from_slice(&numbers.map(|x| x as f32)).view([2, 3]).set_requires_grad(true);
        let terms = label_terms(&logits, &Tensor::from_slice(&labels.map(|x: f64| x as f32)).view([2, 3]));
        let gradient = Tensor::run_backward(&[terms.sum(Kind::Float)], &[&logits], false, false).remove(0);
        for (image, (x, label)) in numbers.chunks(3).zip(labels.chunks(3)).enumerate() {
            let total: f64 = x.iter().map(|x| x.exp()).sum();
            let expected: f64 = x.iter().zip(label).map(|(x, l)| -l * (x.exp() / total).ln()).sum();
            let image = image as i64;
            assert!((terms.double_value(&[image]) - expected).abs() < 1e-6);
            for (k, (x, label)) in x.iter().zip(label).enumerate() {
                let found = gradient.double_value(&[image, k as i64]);
                assert!((found - (x.exp() / total - label)).abs() < 1e-6, "{found}");
            }
        }
    }
}
