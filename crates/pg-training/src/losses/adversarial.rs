//! What discriminator and generator minimise, by the name of the loss.

use pg_schedule::Loss;
use tch::Tensor;

use super::FDivergence;

/// What the discriminator minimises for each pair of a real and a fake, `[N]`, from D(real) = r and
/// D(fake) = f, `[N]` each; s(x) = 1 / (1 + exp(-x)).
///
/// | loss | terms | source |
/// |---|---|---|
/// | wgan-gp, wgan | f - r | arXiv:1701.07875, equation 2 |
/// | lsgan | (r - 1)^2 / 2 + f^2 / 2 | arXiv:1611.04076, equation 9 |
/// | minimax, non-saturating | -log s(r) - log(1 - s(f)) | arXiv:1406.2661, equation 1 |
/// | hinge | max(0, 1 - r) + max(0, 1 + f) | arXiv:1802.05957, equations 16 and 17 |
/// | f-… | f*(g(f)) - g(r) | arXiv:1606.00709, equation 6; see [`FDivergence`] |
///
/// Finite for finite scores but where [`FDivergence`] says otherwise.
pub fn discriminator_terms(loss: Loss, real: &Tensor, fake: &Tensor) -> Tensor {
    if let Some(divergence) = FDivergence::of(loss) {
        return divergence.conjugate_of_activation(fake) - divergence.activation(real);
    }
    match loss {
        Loss::Lsgan => (real - 1.0).square() * 0.5 + fake.square() * 0.5,
        Loss::Minimax | Loss::NonSaturating => minus_log_sigmoid(real) + minus_log_sigmoid(&-fake),
        Loss::Hinge => (-real + 1.0).relu() + (fake + 1.0).relu(),
        _ => fake - real,
    }
}

/// What the generator minimises for each fake, `[N]`, from D(fake) = f, `[N]`.
///
/// | loss | terms |
/// |---|---|
/// | wgan-gp, wgan, hinge | -f |
/// | lsgan | (f - 1)^2 / 2 |
/// | minimax | log(1 - s(f)) |
/// | non-saturating | -log s(f) |
/// | f-… | -g(f) |
///
/// For the f-GANs this is the alternative of arXiv:1606.00709, section 3.2, which maximises g(f) in
/// place of minimising -f*(g(f)): as in the non-saturating loss, the gradient does not vanish while the
/// discriminator tells all fakes.
pub fn generator_terms(loss: Loss, fake: &Tensor) -> Tensor {
    if let Some(divergence) = FDivergence::of(loss) {
        return -divergence.activation(fake);
    }
    match loss {
        Loss::Lsgan => (fake - 1.0).square() * 0.5,
        Loss::Minimax => -minus_log_sigmoid(&-fake),
        Loss::NonSaturating => minus_log_sigmoid(fake),
        _ => -fake,
    }
}

/// -log s(x) = log(1 + exp(-x)), without overflow; -log(1 - s(x)) is that of -x.
fn minus_log_sigmoid(x: &Tensor) -> Tensor {
    -x.log_sigmoid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    const SCORES: [f64; 7] = [-7.5, -1.25, -0.3, 0.0, 0.6, 1.9, 6.5];

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// A function and its derivative.
    type Known = (fn(f64) -> f64, fn(f64) -> f64);

    /// The discriminator's part of a real, its part of a fake, the generator's: worked out by hand.
    fn known(loss: Loss) -> [Known; 3] {
        let log2 = std::f64::consts::LN_2;
        assert_eq!(log2, 2.0_f64.ln());
        match loss {
            Loss::WganGp | Loss::Wgan => [(|r| -r, |_| -1.0), (|f| f, |_| 1.0), (|f| -f, |_| -1.0)],
            Loss::Lsgan => [
                (|r| (r - 1.0).powi(2) / 2.0, |r| r - 1.0),
                (|f| f * f / 2.0, |f| f),
                (|f| (f - 1.0).powi(2) / 2.0, |f| f - 1.0),
            ],
            Loss::Minimax => [
                (|r| -sigmoid(r).ln(), |r| sigmoid(r) - 1.0),
                (|f| -(1.0 - sigmoid(f)).ln(), sigmoid),
                (|f| (1.0 - sigmoid(f)).ln(), |f| -sigmoid(f)),
            ],
            Loss::NonSaturating => {
                let [real, fake, _] = known(Loss::Minimax);
                [real, fake, (|f| -sigmoid(f).ln(), |f| sigmoid(f) - 1.0)]
            }
            Loss::Hinge => [
                (|r| (1.0 - r).max(0.0), |r| if r < 1.0 { -1.0 } else { 0.0 }),
                (|f| (1.0 + f).max(0.0), |f| if f > -1.0 { 1.0 } else { 0.0 }),
                (|f| -f, |_| -1.0),
            ],
            Loss::FKl => [(|r| -r, |_| -1.0), (|f| (f - 1.0).exp(), |f| (f - 1.0).exp()), (|f| -f, |_| -1.0)],
            Loss::FReverseKl => [
                (|r| (-r).exp(), |r| -(-r).exp()),
                (|f| -1.0 - (-f).exp().ln(), |_| 1.0),
                (|f| (-f).exp(), |f| -(-f).exp()),
            ],
            Loss::FPearson => {
                [(|r| -r, |_| -1.0), (|f| f * f / 4.0 + f, |f| f / 2.0 + 1.0), (|f| -f, |_| -1.0)]
            }
            Loss::FJensenShannon => [
                (|r| -(2.0 * sigmoid(r)).ln(), |r| sigmoid(r) - 1.0),
                (|f| -(2.0 - 2.0 * sigmoid(f)).ln(), sigmoid),
                (|f| -(2.0 * sigmoid(f)).ln(), |f| sigmoid(f) - 1.0),
            ],
            Loss::FSquaredHellinger => [
                (|r| (-r).exp() - 1.0, |r| -(-r).exp()),
                (|f| (1.0 - (-f).exp()) / (-f).exp(), f64::exp),
                (|f| (-f).exp() - 1.0, |f| -(-f).exp()),
            ],
        }
    }

    fn close(found: &Tensor, expected: &[f64], what: &str) {
        let found = Vec::<f64>::try_from(found).unwrap();
        assert_eq!(found.len(), expected.len());
        for (index, (a, b)) in found.iter().zip(expected).enumerate() {
            // 1 - s(x) of the plain formula has lost this much at the ends of the range.
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{what} {index}: {a} against {b}");
        }
    }

    #[test]
    fn every_loss_and_its_derivatives_are_those_worked_out_by_hand() {
        let reversed: Vec<f64> = SCORES.iter().rev().copied().collect();
        for loss in Loss::ALL {
            let [(real_part, real_slope), (fake_part, fake_slope), (generator, generator_slope)] =
                known(loss);
            let real = Tensor::from_slice(&SCORES).set_requires_grad(true);
            let fake = Tensor::from_slice(&reversed).set_requires_grad(true);
            let name = loss.name();

            let terms = discriminator_terms(loss, &real, &fake);
            let expected: Vec<f64> =
                SCORES.iter().zip(&reversed).map(|(&r, &f)| real_part(r) + fake_part(f)).collect();
            close(&terms, &expected, name);
            let gradients = Tensor::run_backward(&[terms.sum(Kind::Double)], &[&real, &fake], false, false);
            close(&gradients[0], &SCORES.map(real_slope), &format!("{name}, slope at reals"));
            let expected: Vec<f64> = reversed.iter().map(|&f| fake_slope(f)).collect();
            close(&gradients[1], &expected, &format!("{name}, slope at fakes"));

            let terms = generator_terms(loss, &real);
            close(&terms, &SCORES.map(generator), &format!("{name}, generator"));
            let gradient = Tensor::run_backward(&[terms.sum(Kind::Double)], &[&real], false, false);
            close(&gradient[0], &SCORES.map(generator_slope), &format!("{name}, generator's slope"));
        }
    }

    #[test]
    fn scores_of_a_thousand_give_no_nan_and_are_finite_where_nothing_overflows() {
        for loss in Loss::ALL {
            let real = Tensor::from_slice(&[-1e3_f32, 1e3, -1e3, 1e3, 0.0]).set_requires_grad(true);
            let fake = Tensor::from_slice(&[-1e3_f32, -1e3, 1e3, 1e3, 0.0]).set_requires_grad(true);
            let discriminator = discriminator_terms(loss, &real, &fake);
            let generator = generator_terms(loss, &fake);
            let total = discriminator.sum(Kind::Float) + generator.sum(Kind::Float);
            let gradients = Tensor::run_backward(&[total], &[&real, &fake], false, false);
            let overflows = matches!(loss, Loss::FKl | Loss::FReverseKl | Loss::FSquaredHellinger);
            for tensor in [discriminator, generator].iter().chain(&gradients) {
                assert_eq!(tensor.isnan().any().int64_value(&[]), 0, "{} {tensor:?}", loss.name());
                let finite = tensor.isfinite().all().int64_value(&[]) == 1;
                assert!(finite || overflows, "{}", loss.name());
            }
        }
    }
}
