//! Against plain convolutions in f64, every form and the derivatives between them.

use tch::{Kind, Tensor};

use super::{Convolution, Sampling};

fn convolution(x: &Tensor, kernel: &Tensor, sampling: Sampling, scale: f64) -> Result<Tensor, tch::TchError> {
    Convolution { sampling, scale, rectified: false }.run(x, kernel, None)
}

/// Roughly normal numbers, without libtorch's generator, which tests that run beside this one share.
fn random(seed: u64, shape: &[i64]) -> Tensor {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z ^ (z >> 27)) >> 40) as f32 / (1 << 24) as f32
    };
    let count: i64 = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect();
    Tensor::from_slice(&numbers).view(shape)
}

/// The definition with libtorch's own operations, in f64: `[N,H,W,C]` and `[O,3,3,C]`.
fn plain(x: &Tensor, kernel: &Tensor, sampling: Sampling, scale: f64) -> Tensor {
    let mut x = x.to_kind(Kind::Double).permute([0, 3, 1, 2]);
    let kernel = kernel.to_kind(Kind::Double).permute([0, 3, 1, 2]) * scale;
    if sampling == Sampling::Double {
        x = crate::upscale_nearest(&x);
    }
    let mut y = x.conv2d::<Tensor>(&kernel, None, 1, 1, 1, 1);
    if sampling == Sampling::Halve {
        y = crate::downscale_box(&y);
    }
    y.permute([0, 2, 3, 1])
}

fn far(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let expected = expected.to_kind(Kind::Double);
    let error = (found.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
    error / expected.abs().max().double_value(&[])
}

/// The bound of the module's first lines.
const BOUND: f64 = 2e-5;

#[test]
fn every_form_and_every_derivative_agrees_with_a_plain_convolution() {
    let shapes = [(1, 4, 4, 1, 1), (3, 8, 4, 5, 7), (2, 8, 16, 16, 33), (2, 16, 16, 40, 24)];
    for (n, h, w, inputs, outputs) in shapes {
        for sampling in [Sampling::Keep, Sampling::Double, Sampling::Halve] {
            let x = random(1, &[n, h, w, inputs]).set_requires_grad(true);
            let kernel = random(2, &[outputs, 3, 3, inputs]).set_requires_grad(true);
            let case = format!("{sampling:?} {n}x{h}x{w}, {inputs} to {outputs}");
            let ours = convolution(&x, &kernel, sampling, 0.7).unwrap();
            let theirs = plain(&x, &kernel, sampling, 0.7);
            assert!(far(&ours, &theirs) < BOUND, "{case}: {}", far(&ours, &theirs));

            let upstream = random(3, &ours.size()).set_requires_grad(true);
            let first = |y: &Tensor| {
                let upstream = upstream.to_kind(y.kind());
                Tensor::run_backward(&[(y * upstream).sum(None::<Kind>)], &[&x, &kernel], true, true)
            };
            let (a, b) = (first(&ours), first(&theirs));
            for (a, b) in a.iter().zip(&b) {
                assert!(far(a, b) < BOUND, "{case}, gradient: {}", far(a, b));
            }
            // Derivatives of both gradients: every form's derivatives are the two others.
            let second = |g: &[Tensor]| {
                let (u, v) = (random(4, &x.size()), random(5, &kernel.size()));
                let kind = g[0].kind();
                let value = (&g[0] * u.to_kind(kind)).sum(None::<Kind>).to_kind(Kind::Double)
                    + (&g[1] * v.to_kind(kind)).sum(None::<Kind>).to_kind(Kind::Double);
                Tensor::run_backward(&[value], &[&x, &kernel, &upstream], false, false)
            };
            for (a, b) in second(&a).iter().zip(&second(&b)) {
                // Two convolutions behind one another.
                assert!(far(a, b) < 2.0 * BOUND, "{case}, second derivative: {}", far(a, b));
            }
        }
    }
}

#[test]
fn large_pictures_are_worked_on_in_parts() {
    // More points than are held at a time.
    let x = random(1, &[2, 128, 128, 48]).set_requires_grad(true);
    let kernel = random(2, &[56, 3, 3, 48]).set_requires_grad(true);
    let ours = convolution(&x, &kernel, Sampling::Keep, 1.0).unwrap();
    let theirs = plain(&x, &kernel, Sampling::Keep, 1.0);
    assert!(far(&ours, &theirs) < BOUND, "{}", far(&ours, &theirs));
    let gradient =
        |y: &Tensor| Tensor::run_backward(&[(y * y).sum(None::<Kind>)], &[&kernel], false, false).remove(0);
    let (a, b) = (gradient(&ours), gradient(&theirs));
    assert!(far(&a, &b) < BOUND, "{}", far(&a, &b));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let kernel = random(2, &[4, 3, 3, 5]);
    for x in [random(1, &[1, 6, 4, 5]), random(1, &[1, 4, 4, 3]), random(1, &[4, 4, 5])] {
        let error = convolution(&x, &kernel, Sampling::Keep, 1.0).unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
    }
}

#[test]
fn bias_and_rectifier_behind_the_convolution_are_those_of_separate_operations() {
    for sampling in [Sampling::Keep, Sampling::Double, Sampling::Halve] {
        let leaves = [random(1, &[3, 8, 8, 20]), random(2, &[18, 3, 3, 20]), random(3, &[18])];
        let both = [Kind::Float, Kind::Double].map(|kind| {
            let [x, kernel, bias] = leaves.each_ref().map(|t| t.to_kind(kind).set_requires_grad(true));
            let y = if kind == Kind::Float {
                Convolution { sampling, scale: 0.2, rectified: true }.run(&x, &kernel, Some(&bias)).unwrap()
            } else {
                crate::leaky_relu(&(plain(&x, &kernel, sampling, 0.2) + &bias))
            };
            let upstream = random(4, &y.size()).to_kind(kind).set_requires_grad(true);
            let first = Tensor::run_backward(
                &[(&y * &upstream).sum(None::<Kind>)],
                &[&x, &kernel, &bias],
                true,
                true,
            );
            let along = first
                .iter()
                .zip([&x, &kernel, &bias])
                .enumerate()
                .map(|(k, (g, leaf))| {
                    (g * random(5 + k as u64, &leaf.size()).to_kind(kind)).sum(None::<Kind>)
                })
                .reduce(|a, b| a + b)
                .unwrap();
            let second = Tensor::run_backward(&[along], &[&x, &kernel, &upstream], false, false);
            [y].into_iter().chain(first).chain(second).collect::<Vec<_>>()
        });
        for (index, (a, b)) in both[0].iter().zip(&both[1]).enumerate() {
            assert!(far(a, b) < 4.0 * BOUND, "{sampling:?}, {index}: {}", far(a, b));
        }
    }
}

/// Half a unit of bf16's last place, as a share.
const HALF: f64 = 1.0 / 256.0;

#[test]
fn pictures_in_bf16_are_rounded_once_and_everything_else_is_f32() {
    for sampling in [Sampling::Keep, Sampling::Double, Sampling::Halve] {
        let rounded = |seed: u64, shape: &[i64]| random(seed, shape).to_kind(Kind::BFloat16);
        let (x, kernel) = (rounded(1, &[3, 8, 8, 20]), random(2, &[18, 3, 3, 20]));
        let both = [Kind::BFloat16, Kind::Double].map(|kind| {
            let x = x.to_kind(kind).set_requires_grad(true);
            let kernel = if kind == Kind::Double { kernel.to_kind(kind) } else { kernel.copy() };
            let kernel = kernel.set_requires_grad(true);
            let y = if kind == Kind::Double {
                plain(&x, &kernel, sampling, 0.2)
            } else {
                convolution(&x, &kernel, sampling, 0.2).unwrap()
            };
            assert_eq!(y.kind(), kind);
            let upstream = rounded(4, &y.size()).to_kind(kind).set_requires_grad(true);
            let first =
                Tensor::run_backward(&[(&y * &upstream).sum(Kind::Double)], &[&x, &kernel], true, true);
            assert_eq!(first[1].kind(), kernel.kind());
            let along = (&first[0] * rounded(5, &x.size()).to_kind(kind)).sum(Kind::Double);
            let second = Tensor::run_backward(&[along], &[&kernel, &upstream], false, false);
            [y].into_iter().chain(first).chain(second).collect::<Vec<_>>()
        });
        // What pictures are made of is rounded; the kernel's gradients are sums of such numbers, but f32.
        let bounds = [HALF, HALF, BOUND, 2.0 * BOUND, HALF];
        for (index, ((a, b), bound)) in both[0].iter().zip(&both[1]).zip(bounds).enumerate() {
            assert!(far(a, b) < bound, "{sampling:?}, {index}: {}", far(a, b));
        }
    }
}
