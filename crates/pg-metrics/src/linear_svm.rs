//! A linear support vector machine, as linear separability takes one.

use std::sync::{Mutex, PoisonError};

use argmin::core::{CostFunction, Error, Executor, Gradient, State as _};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatMut, Par, Side};
use multiversion::multiversion;
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use crate::{FeatureGaussian, MetricsError};

/// Weight of the loss against that of the plane's steepness: the default of the libraries in use.
const PENALTY: f64 = 1.0;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 20;
/// Steps at most; some 20 are usual.
const MOST_STEPS: u64 = 500;
/// Of the gradient of the mean loss over its size at the start.
const GRADIENT_TOLERANCE: f64 = 1e-7;
/// Rows whose losses are summed apart: the sum does not depend on the number of threads.
const ROWS_PER_PIECE: usize = 1024;

/// A plane between two classes: the minimum of |v|²/2 + C sum max(0, 1 - y (v · (x, 1)))², with C = 1 and y = ±1.
///
/// This is the problem of liblinear's L2-regularised, squared-hinge classifier, and of scikit-learn's `LinearSVC` with
/// its defaults: the constant that is appended to every point is regularised too. Its minimum is unique; it is found by
/// L-BFGS of the crate argmin, in coordinates in which the points are white: styles, of which some directions are 100
/// times as long as others, take as few steps as latents then. (Machines with kernels, as in linfa-svm, keep a matrix of all pairs of points: 80 GB for
/// 100000. The bindings to liblinear rest on crates that are no longer maintained.)
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSvm {
    /// Normal of the plane, then its offset.
    weights: Vec<f64>,
}

impl LinearSvm {
    /// Fits a plane to `points` `[N, D]`, of which `of_class` says which are of the class.
    ///
    /// Cost: N D^2 multiplications, and some 20 passes over the points, on all threads of rayon's pool.
    ///
    /// # Errors
    /// - [`MetricsError::Parameter`] for fewer than two points, points that are not finite, or another number of answers
    /// - [`MetricsError::Optimiser`] where rounding keeps the minimum from being found
    pub fn fit(points: &Array2<f32>, of_class: &[bool]) -> Result<Self, MetricsError> {
        if points.nrows() != of_class.len() || points.nrows() < 2 {
            return Err(MetricsError::Parameter {
                name: "answers",
                expected: "one for each of at least two points",
                actual: format!("{} for {} points", of_class.len(), points.nrows()),
            });
        }
        if let Some(number) = points.iter().find(|number| !number.is_finite()) {
            return Err(MetricsError::Parameter {
                name: "points",
                expected: "finite numbers",
                actual: number.to_string(),
            });
        }
        let standard = points.as_standard_layout();
        let rows = standard.as_slice().unwrap_or_default();
        let loss = Loss {
            rows,
            width: points.ncols(),
            of_class,
            white: Whitening::of(points)?,
            last: Mutex::default(),
        };
        let start = vec![0.0; points.ncols() + 1];
        let failed = |error: Error| MetricsError::Optimiser { reason: error.to_string() };
        let tolerance = GRADIENT_TOLERANCE * norm(&loss.at(&start).gradient).max(f64::MIN_POSITIVE);
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(tolerance)
            .and_then(|solver| solver.with_tolerance_cost(0.0))
            .map_err(failed)?;
        let run = Executor::new(loss, solver).configure(|state| state.param(start).max_iters(MOST_STEPS));
        let found = run.run().map_err(failed)?;
        match (found.state.get_best_param(), found.problem.problem.as_ref()) {
            (Some(white), Some(loss)) => Ok(Self { weights: loss.white.weights(white) }),
            _ => Err(MetricsError::Optimiser { reason: "no step was made".to_owned() }),
        }
    }

    /// Whether `point` lies on the side of the class.
    #[must_use]
    pub fn is_of_class(&self, point: &ArrayView1<'_, f32>) -> bool {
        match point.as_slice() {
            Some(point) => height(&self.weights, point) > 0.0,
            None => height(&self.weights, &point.to_vec()) > 0.0,
        }
    }
}

/// Above the plane, in units of its normal.
fn height(weights: &[f64], point: &[f32]) -> f64 {
    weights.last().copied().unwrap_or_default() + dot(point, weights)
}

/// Eight sums side by side, so that it is as fast as memory is.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn dot(point: &[f32], weights: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (points, rest) = point.as_chunks::<LANES>();
    let (of_points, of_rest) = weights.split_at(points.len() * LANES);
    for (xs, ws) in points.iter().zip(of_points.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += f64::from(xs[lane]) * ws[lane];
        }
    }
    let rest: f64 = rest.iter().zip(of_rest).map(|(&x, w)| f64::from(x) * w).sum();
    sums.iter().sum::<f64>() + rest
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn add_scaled(sums: &mut [f64], factor: f64, point: &[f32]) {
    for (sum, &x) in sums.iter_mut().zip(point) {
        *sum += factor * f64::from(x);
    }
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The coordinates u = L^T v, with L L^T half the steepest that the mean loss can be at v: in these it is as steep in
/// all directions.
struct Whitening {
    lower: Mat<f64>,
}

impl Whitening {
    fn of(points: &Array2<f32>) -> Result<Self, MetricsError> {
        let gaussian = FeatureGaussian::of(points)?;
        let (mean, width, count) = (&gaussian.mean, points.ncols(), points.nrows() as f64);
        let moment = |i: usize, j: usize| match (i < width, j < width) {
            (true, true) => gaussian.covariance[[i, j]] * (count - 1.0) / count + mean[i] * mean[j],
            (true, false) => mean[i],
            (false, true) => mean[j],
            (false, false) => 1.0,
        };
        let ridge = 0.5 / (PENALTY * count);
        let steepness =
            Mat::from_fn(width + 1, width + 1, |i, j| moment(i, j) + if i == j { ridge } else { 0.0 });
        let factor = steepness.llt(Side::Lower).map_err(|_| MetricsError::Optimiser {
            reason: "the points differ by too little for their numbers".to_owned(),
        })?;
        Ok(Self { lower: factor.L().to_owned() })
    }

    /// v of u.
    fn weights(&self, white: &[f64]) -> Vec<f64> {
        let mut weights = white.to_vec();
        let column = MatMut::from_column_major_slice_mut(&mut weights, white.len(), 1);
        solve_upper_triangular_in_place(self.lower.transpose(), column, Par::Seq);
        weights
    }

    /// The gradient by u of that by v.
    fn gradient(&self, mut by_weights: Vec<f64>) -> Vec<f64> {
        let length = by_weights.len();
        let column = MatMut::from_column_major_slice_mut(&mut by_weights, length, 1);
        solve_lower_triangular_in_place(self.lower.as_ref(), column, Par::Seq);
        by_weights
    }
}

/// The problem, over C N.
struct Loss<'a> {
    /// Points, one after the other.
    rows: &'a [f32],
    width: usize,
    of_class: &'a [bool],
    white: Whitening,
    /// Cost and gradient cost one pass together, and are asked for one after the other.
    last: Mutex<Option<Evaluation>>,
}

#[derive(Clone)]
struct Evaluation {
    /// In white coordinates, as the gradient is.
    at: Vec<f64>,
    cost: f64,
    gradient: Vec<f64>,
}

impl Loss<'_> {
    fn at(&self, white: &[f64]) -> Evaluation {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.at == white) {
            return known.clone();
        }
        let (cost, gradient) = self.computed(&self.white.weights(white));
        let found = Evaluation { at: white.to_vec(), cost, gradient: self.white.gradient(gradient) };
        *last = Some(found.clone());
        found
    }

    /// Cost and gradient by the weights themselves.
    fn computed(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let count = self.of_class.len() as f64;
        let pieces: Vec<(f64, Vec<f64>)> = self
            .rows
            .par_chunks(ROWS_PER_PIECE * self.width)
            .zip(self.of_class.par_chunks(ROWS_PER_PIECE))
            .map(|(points, of_class)| piece(points.chunks_exact(self.width), of_class, weights))
            .collect();
        // Of the mean: the same minimum, at a scale that does not grow with the number of points.
        let ridge = 1.0 / (PENALTY * count);
        let mut cost = 0.5 * ridge * weights.iter().map(|w| w * w).sum::<f64>();
        let mut gradient: Vec<f64> = weights.iter().map(|w| ridge * w).collect();
        for (losses, slopes) in pieces {
            cost += losses / count;
            for (sum, slope) in gradient.iter_mut().zip(slopes) {
                *sum += slope / count;
            }
        }
        (cost, gradient)
    }
}

/// Sums over points of the squared hinge and of its gradient.
fn piece<'a>(points: impl Iterator<Item = &'a [f32]>, of_class: &[bool], weights: &[f64]) -> (f64, Vec<f64>) {
    let mut losses = 0.0;
    let mut slopes = vec![0.0; weights.len()];
    for (point, &of_class) in points.zip(of_class) {
        let side = if of_class { 1.0 } else { -1.0 };
        let short = 1.0 - side * height(weights, point);
        if short > 0.0 {
            losses += short * short;
            let pull = -2.0 * side * short;
            add_scaled(&mut slopes, pull, point);
            if let Some(offset) = slopes.last_mut() {
                *offset += pull;
            }
        }
    }
    (losses, slopes)
}

impl CostFunction for Loss<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, white: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(white).cost)
    }
}

impl Gradient for Loss<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, white: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(white).gradient)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    struct Known {
        name: String,
        points: Array2<f32>,
        answers: Vec<bool>,
        decisions: Vec<bool>,
        weights: Vec<f64>,
    }

    /// What scikit-learn says; see fixtures/separability/make.py.
    fn known() -> Vec<Known> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/separability");
        let raw = fs::read(folder.join("points.bin")).unwrap();
        let mut numbers = raw.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let sets: Vec<Value> =
            serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let bits = |value: &Value| value.as_str().unwrap().chars().map(|c| c == '1').collect::<Vec<_>>();
        let sets = sets.iter().map(|set| {
            let size = |key: &str| set[key].as_u64().unwrap() as usize;
            let shape = (size("rows"), size("columns"));
            Known {
                name: set["name"].as_str().unwrap().to_owned(),
                points: Array2::from_shape_simple_fn(shape, || numbers.next().unwrap()),
                answers: bits(&set["answers"]),
                decisions: bits(&set["decisions"]),
                weights: set["weights"].as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).collect(),
            }
        });
        sets.collect()
    }

    #[test]
    fn planes_and_decisions_are_those_of_scikit_learn() {
        let sets = known();
        assert_eq!(sets.len(), 4);
        for Known { name, points, answers, decisions, weights } in sets {
            let machine = LinearSvm::fit(&points, &answers).unwrap();
            let off: Vec<f64> = machine.weights.iter().zip(&weights).map(|(a, b)| a - b).collect();
            assert!(norm(&off) < 1e-3 * norm(&weights), "{name}: {:e}", norm(&off) / norm(&weights));
            let rows = points.outer_iter().zip(&decisions);
            let equal = rows.filter(|(point, is)| machine.is_of_class(point) == **is).count();
            assert!(equal as f64 >= 0.995 * decisions.len() as f64, "{name}: {equal} of {}", decisions.len());
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_cost() {
        let Known { points, answers, weights, .. } = known().swap_remove(0);
        let loss = Loss {
            rows: points.as_slice().unwrap(),
            width: points.ncols(),
            of_class: &answers,
            white: Whitening::of(&points).unwrap(),
            last: Mutex::default(),
        };
        let gradient = loss.computed(&weights).1;
        // At the minimum of another program there is none.
        assert!(norm(&gradient) < 1e-6, "{:e}", norm(&gradient));
        let elsewhere: Vec<f64> = (0..weights.len()).map(|k| (k as f64).sin()).collect();
        let gradient = loss.computed(&elsewhere).1;
        for k in [0, 7, weights.len() - 1] {
            let at = |step: f64| {
                let mut moved = elsewhere.clone();
                moved[k] += step;
                loss.computed(&moved).0
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((slope / gradient[k] - 1.0).abs() < 1e-4, "{k}: {slope} {}", gradient[k]);
            let at = |step: f64| {
                let mut moved = elsewhere.clone();
                moved[k] += step;
                loss.at(&moved).cost
            };
            let (slope, white) = ((at(1e-5) - at(-1e-5)) / 2e-5, loss.at(&elsewhere).gradient[k]);
            assert!((slope - white).abs() < 1e-4 * white.abs().max(1e-2), "{k}: {slope} {white}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_one_class_is_found_everywhere() {
        let points = Array2::from_elem((3, 2), 1.0_f32);
        assert!(LinearSvm::fit(&points, &[true; 2]).is_err());
        assert!(LinearSvm::fit(&Array2::zeros((1, 2)), &[true]).is_err());
        assert!(LinearSvm::fit(&Array2::from_elem((2, 2), f32::NAN), &[true; 2]).is_err());
        let machine = LinearSvm::fit(&points, &[true; 3]).unwrap();
        assert!(points.outer_iter().all(|point| machine.is_of_class(&point)));
    }
}
