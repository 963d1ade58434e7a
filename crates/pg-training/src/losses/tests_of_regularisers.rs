//! Regularisers on a critic whose slopes are known: D(x) = x.Ax / 2 + b.x in the plane, A symmetric, so
//! that dD/dx = Ax + b. In f64, values and weight gradients to 1e-12.

use pg_schedule::{Loss, Preset};
use tch::{Kind, Tensor};

use super::{GradientPenalty, Objective, drift_terms, r1_terms};

const A: [[f64; 2]; 2] = [[0.8, -0.3], [-0.3, 1.4]];
const B: [f64; 2] = [0.5, -1.1];
const REALS: [[f64; 2]; 3] = [[0.2, 1.0], [-1.5, 0.3], [2.0, -0.7]];
const FAKES: [[f64; 2]; 3] = [[1.2, 0.1], [0.4, -0.9], [-0.6, 2.2]];
const MIX: [f64; 3] = [0.25, 0.6, 0.9];

fn tensor<const N: usize>(rows: [[f64; 2]; N]) -> Tensor {
    Tensor::from_slice(rows.as_flattened()).view([N as i64, 2])
}

struct Critic {
    a: Tensor,
    b: Tensor,
}

impl Critic {
    fn new() -> Self {
        Self { a: tensor(A).set_requires_grad(true), b: Tensor::from_slice(&B).set_requires_grad(true) }
    }

    fn scores(&self, x: &Tensor) -> Tensor {
        ((x.matmul(&self.a) * x) * 0.5 + x * &self.b).sum_dim_intlist([1].as_slice(), false, None::<Kind>)
    }
}

/// Ax + b.
fn slope([x, y]: [f64; 2]) -> [f64; 2] {
    [A[0][0] * x + A[0][1] * y + B[0], A[1][0] * x + A[1][1] * y + B[1]]
}

fn score([x, y]: [f64; 2]) -> f64 {
    let [u, v] = [slope([x, y])[0] + B[0], slope([x, y])[1] + B[1]];
    f64::midpoint(u * x, v * y)
}

fn norm([x, y]: [f64; 2]) -> f64 {
    x.hypot(y)
}

fn mixed(index: usize) -> [f64; 2] {
    std::array::from_fn(|k| REALS[index][k] + MIX[index] * (FAKES[index][k] - REALS[index][k]))
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &[f64]) {
    let found = Vec::<f64>::try_from(found.flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{found:?} against {expected:?}");
    }
}

fn weight_gradient(total: &Tensor, weight: &Tensor) -> Tensor {
    Tensor::run_backward(&[total], &[weight], true, false).remove(0)
}

#[test]
fn the_gradient_penalty_and_its_derivative_are_those_worked_out_by_hand() {
    for (lambda, target) in [(10.0, 1.0), (0.3, 2.5)] {
        let critic = Critic::new();
        let penalty = GradientPenalty { lambda, target };
        let mix = Tensor::from_slice(&MIX);
        let terms = penalty.terms(&|x| critic.scores(x), &tensor(REALS), &tensor(FAKES), &mix).unwrap();
        let norms: [f64; 3] = std::array::from_fn(|i| norm(slope(mixed(i))));
        assert_close(&terms.norms, &norms);
        assert_close(&terms.terms, &norms.map(|n| lambda * (n - target).powi(2) / target.powi(2)));

        // d/db = 2 lambda (|g| - gamma) / gamma^2 g / |g|, summed over the images.
        let mut expected = [0.0; 2];
        for (i, n) in norms.into_iter().enumerate() {
            for (k, expected) in expected.iter_mut().enumerate() {
                *expected += 2.0 * lambda * (n - target) / target.powi(2) * slope(mixed(i))[k] / n;
            }
        }
        assert_close(&weight_gradient(&terms.terms.sum(Kind::Double), &critic.b), &expected);
    }
}

#[test]
fn r1_and_its_derivative_are_those_worked_out_by_hand() {
    let critic = Critic::new();
    let gamma = 7.0;
    let r1 = r1_terms(&|x| critic.scores(x), &tensor(REALS), gamma).unwrap();
    assert_close(&r1.terms, &REALS.map(|x| gamma / 2.0 * norm(slope(x)).powi(2)));
    assert_close(&r1.norms, &REALS.map(|x| norm(slope(x))));
    let total = r1.terms.sum(Kind::Double);
    // d/db = gamma g.
    let expected = [0, 1].map(|k| REALS.iter().map(|&x| gamma * slope(x)[k]).sum::<f64>());
    assert_close(&weight_gradient(&total, &critic.b), &expected);
}

#[test]
fn r1_of_a_flat_critic_has_finite_gradients() {
    let weight = Tensor::zeros([2], (Kind::Double, tch::Device::Cpu)).set_requires_grad(true);
    let r1 = r1_terms(&|x| x.matmul(&weight), &tensor(REALS), 10.0).unwrap();
    assert_close(&weight_gradient(&r1.terms.sum(Kind::Double), &weight), &[0.0, 0.0]);
}

#[test]
fn the_drift_term_and_its_derivative_are_those_worked_out_by_hand() {
    let scores = Tensor::from_slice(&[3.0, -0.5, 0.0]).set_requires_grad(true);
    let drift = drift_terms(&scores, 0.001);
    assert_close(&drift, &[0.009, 0.000_25, 0.0]);
    let gradient = Tensor::run_backward(&[drift.sum(Kind::Double)], &[&scores], false, false);
    assert_close(&gradient[0], &[0.006, -0.001, 0.0]);
}

/// Weights of penalty, drift and R1, and the sum of the parts that are on.
type Case = (f64, f64, f64, fn(&[f64; 4]) -> f64);

#[test]
fn the_objective_is_the_mean_of_the_loss_and_the_regularisers_that_are_on() {
    let [lambda, target, drift, gamma] = [10.0, 1.0, 0.001, 3.0];
    let gp = |i: usize| lambda * (norm(slope(mixed(i))) - target).powi(2);
    let expected = |parts: fn(&[f64; 4]) -> f64| {
        let of = |i: usize| {
            let r = score(REALS[i]);
            parts(&[score(FAKES[i]) - r, gp(i), drift * r * r, gamma / 2.0 * norm(slope(REALS[i])).powi(2)])
        };
        (of(0) + of(1) + of(2)) / 3.0
    };
    let cases: [Case; 4] = [
        (lambda, drift, gamma, |p| p[0] + p[1] + p[2] + p[3]),
        (lambda, drift, 0.0, |p| p[0] + p[1] + p[2]),
        (0.0, 0.0, gamma, |p| p[0] + p[3]),
        (0.0, 0.0, 0.0, |p| p[0]),
    ];
    for (gp_lambda, drift_weight, r1_gamma, parts) in cases {
        let mut settings = Loss::Wgan.with_companions(&Preset::Tiny.settings());
        (settings.gp_lambda, settings.drift_weight, settings.r1_gamma) = (gp_lambda, drift_weight, r1_gamma);
        let critic = Critic::new();
        let scores = |x: &Tensor| critic.scores(x);
        let (reals, fakes) = (tensor(REALS), tensor(FAKES));
        let loss = Objective::of(&settings)
            .discriminator_loss(&scores, (&reals, &scores(&reals)), (&fakes, &scores(&fakes)), || {
                Tensor::from_slice(&MIX)
            })
            .unwrap();
        assert_close(&loss.total, &[expected(parts)]);
        // The same where R1 takes the scores that are there.
        let reals = reals.set_requires_grad(true);
        let again = Objective::of(&settings)
            .discriminator_loss(&scores, (&reals, &scores(&reals)), (&fakes, &scores(&fakes)), || {
                Tensor::from_slice(&MIX)
            })
            .unwrap();
        assert_close(&again.total, &[expected(parts)]);
        let real_score = REALS.map(score).iter().sum::<f64>() / 3.0;
        assert_close(&loss.real_score, &[real_score]);
        assert_eq!(loss.gradient_norm.is_some(), gp_lambda > 0.0 || r1_gamma > 0.0);
    }
}

#[test]
fn r1_now_and_then_weighs_on_average_as_much_as_always() {
    let mut settings = Preset::StyleTiny.settings();
    settings.r1_interval = 4;
    let objective = Objective::of(&settings);
    let gammas: Vec<f64> = (0..8).map(|step| objective.at_step(step).r1_gamma).collect();
    assert_eq!(gammas, [40.0, 0.0, 0.0, 0.0, 40.0, 0.0, 0.0, 0.0]);
    settings.r1_interval = 1;
    let always = Objective::of(&settings);
    assert_eq!(always.at_step(3), always);
}
