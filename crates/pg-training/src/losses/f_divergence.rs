//! The variational bounds of f-divergences (arXiv:1606.00709).

use std::f64::consts::LN_2;

use pg_schedule::Loss;
use tch::Tensor;

/// An f-divergence D_f(P|Q) = E_Q[f(p/q)], P the reals' and Q the fakes' distribution.
///
/// A discriminator with score v gives the bound E_P[g(v)] - E_Q[f*(g(v))] (equation 6), where f* is the
/// convex conjugate of f and the output activation g (tables 2 and 6) maps all scores into its domain. The
/// bound is tight at g(v) = f'(p/q) (equation 5). All g here rise with v, so that reals score high.
///
/// | | f(u) | g(v) | f*(t) | f*(g(v)) | tight at v |
/// |---|---|---|---|---|---|
/// | Kullback-Leibler | u log u | v | exp(t - 1) | exp(v - 1) | 1 + log u |
/// | reverse KL | -log u | -exp(-v) | -1 - log(-t) | v - 1 | log u |
/// | Pearson | (u - 1)^2 | v | t^2 / 4 + t | v^2 / 4 + v | 2 (u - 1) |
/// | Jensen-Shannon | u log u - (u + 1) log((u + 1) / 2) | log(2 s(v)) | -log(2 - exp t) | -log(2 - 2 s(v)) | log u |
/// | squared Hellinger | (sqrt u - 1)^2 | 1 - exp(-v) | t / (1 - t) | exp(v) - 1 | log(u) / 2 |
///
/// The Jensen-Shannon divergence of this f is twice the usual one. In f32 exp overflows beyond 88: the
/// bounds of Kullback-Leibler (fakes above 89), reverse KL (reals below -88) and squared Hellinger
/// (either) are infinite there, as are their generators' for the latter two (fakes below -88); never
/// NaN. Pearson's and Jensen-Shannon's are finite for scores up to 1e18.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FDivergence {
    /// Kullback-Leibler, KL(P|Q).
    Kl,
    /// Reverse Kullback-Leibler, KL(Q|P).
    ReverseKl,
    /// Pearson's chi-squared.
    Pearson,
    /// Jensen-Shannon, without the factor 1/2.
    JensenShannon,
    /// Squared Hellinger.
    SquaredHellinger,
}

impl FDivergence {
    /// The divergence that `loss` bounds; `None` for the losses that are no f-GAN.
    #[must_use]
    pub fn of(loss: Loss) -> Option<Self> {
        match loss {
            Loss::FKl => Some(Self::Kl),
            Loss::FReverseKl => Some(Self::ReverseKl),
            Loss::FPearson => Some(Self::Pearson),
            Loss::FJensenShannon => Some(Self::JensenShannon),
            Loss::FSquaredHellinger => Some(Self::SquaredHellinger),
            _ => None,
        }
    }

    /// g(v), elementwise.
    pub fn activation(self, v: &Tensor) -> Tensor {
        match self {
            Self::Kl | Self::Pearson => v.shallow_clone(),
            Self::ReverseKl => -(-v).exp(),
            Self::JensenShannon => v.log_sigmoid() + LN_2,
            Self::SquaredHellinger => -(-v).expm1(),
        }
    }

    /// f*(g(v)), elementwise, simplified so that nothing cancels or overflows on the way.
    pub fn conjugate_of_activation(self, v: &Tensor) -> Tensor {
        match self {
            Self::Kl => (v - 1.0).exp(),
            Self::ReverseKl => v - 1.0,
            Self::Pearson => v.square() * 0.25 + v,
            Self::JensenShannon => -(-v).log_sigmoid() - LN_2,
            Self::SquaredHellinger => v.expm1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::discriminator_terms;
    use tch::Kind;

    /// Two distributions over four outcomes, in 24ths.
    const REALS: [usize; 4] = [12, 6, 4, 2];
    const FAKES: [usize; 4] = [3, 6, 5, 10];

    const F_GANS: [Loss; 5] =
        [Loss::FKl, Loss::FReverseKl, Loss::FPearson, Loss::FJensenShannon, Loss::FSquaredHellinger];

    /// f(u) and f'(u), table 1.
    fn generator_function(loss: Loss, u: f64) -> (f64, f64) {
        match loss {
            Loss::FKl => (u * u.ln(), u.ln() + 1.0),
            Loss::FReverseKl => (-u.ln(), -1.0 / u),
            Loss::FPearson => ((u - 1.0).powi(2), 2.0 * (u - 1.0)),
            Loss::FJensenShannon => {
                (u * u.ln() - (u + 1.0) * f64::midpoint(u, 1.0).ln(), (2.0 * u / (u + 1.0)).ln())
            }
            _ => ((u.sqrt() - 1.0).powi(2), 1.0 - 1.0 / u.sqrt()),
        }
    }

    /// The score at which g(v) = t, found by bisection on g itself.
    fn score_of(divergence: FDivergence, t: f64) -> f64 {
        let (mut low, mut high) = (-50.0, 50.0);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            let value = divergence.activation(&Tensor::from(middle)).double_value(&[]);
            if value < t { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }

    /// The bound for one score per outcome: every outcome as often as the distributions have it.
    fn bound(loss: Loss, scores: [f64; 4]) -> f64 {
        let drawn = |counts: [usize; 4]| {
            let all: Vec<f64> =
                scores.iter().zip(counts).flat_map(|(&v, n)| std::iter::repeat_n(v, n)).collect();
            Tensor::from_slice(&all)
        };
        -discriminator_terms(loss, &drawn(REALS), &drawn(FAKES)).mean(Kind::Double).double_value(&[])
    }

    fn ratios() -> [f64; 4] {
        std::array::from_fn(|outcome| REALS[outcome] as f64 / FAKES[outcome] as f64)
    }

    #[test]
    fn at_the_best_scores_the_bound_is_the_divergence() {
        for loss in F_GANS {
            let divergence = FDivergence::of(loss).unwrap();
            let direct: f64 =
                (0..4).map(|x| FAKES[x] as f64 / 24.0 * generator_function(loss, ratios()[x]).0).sum();
            let best = ratios().map(|u| score_of(divergence, generator_function(loss, u).1));
            let found = bound(loss, best);
            assert!((found - direct).abs() < 1e-12, "{}: {found} against {direct}", loss.name());
            assert!(direct > 0.0);
        }
    }

    #[test]
    fn at_other_scores_the_bound_is_lower() {
        for loss in F_GANS {
            let divergence = FDivergence::of(loss).unwrap();
            let best = ratios().map(|u| score_of(divergence, generator_function(loss, u).1));
            let top = bound(loss, best);
            for outcome in 0..4 {
                for moved in [-2.0, -0.3, -0.01, 0.01, 0.3, 2.0] {
                    let mut scores = best;
                    scores[outcome] += moved;
                    let lower = bound(loss, scores);
                    assert!(lower < top, "{} outcome {outcome} {moved}: {lower} {top}", loss.name());
                }
            }
        }
    }

    #[test]
    fn the_conjugates_are_those_of_the_table() {
        for v in [-3.0_f64, -0.4, 0.0, 0.7, 2.5] {
            for loss in F_GANS {
                let divergence = FDivergence::of(loss).unwrap();
                let t = divergence.activation(&Tensor::from(v)).double_value(&[]);
                let conjugate = match divergence {
                    FDivergence::Kl => (t - 1.0).exp(),
                    FDivergence::ReverseKl => -1.0 - (-t).ln(),
                    FDivergence::Pearson => t * t / 4.0 + t,
                    FDivergence::JensenShannon => -(2.0 - t.exp()).ln(),
                    FDivergence::SquaredHellinger => t / (1.0 - t),
                };
                let found = divergence.conjugate_of_activation(&Tensor::from(v)).double_value(&[]);
                assert!((found - conjugate).abs() < 1e-12, "{} at {v}: {found} {conjugate}", loss.name());
            }
        }
    }
}
