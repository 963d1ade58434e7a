//! The one-dimensional transforms of F(4, 3): four outputs of a convolution with three taps from six
//! products (Winograd 1980; Lavin and Gray, arXiv:1509.09308), with the points 0, 1, -1, 2, -2 and infinity.
//!
//! In two dimensions each runs over rows, then columns. Two more forms save a point each: where the input
//! is a doubled image (every sample twice), and where only the sums of output pairs are wanted, the product
//! at the point -1 is zero, as 1 + z is there. Five products are left of six, 25 of 36 in two dimensions.

/// Most neighbouring channels that a transform takes at once: what fills the widest registers.
pub(super) const LANES: usize = 16;

/// Neighbouring channels of one sample.
pub(super) type Lanes<const W: usize> = [f32; W];

/// Products per dimension, and the index of the one that is zero in the shorter forms.
pub(super) const POINTS: usize = 6;
pub(super) const MINUS_ONE: usize = 2;

/// sum over i of `factors[i] * samples[i]`, lane by lane.
#[inline(always)]
fn sum<const N: usize, const W: usize>(terms: [(f32, &Lanes<W>); N]) -> Lanes<W> {
    let mut total = [0.0; W];
    for (factor, lanes) in terms {
        for (total, &lane) in total.iter_mut().zip(lanes) {
            *total += factor * lane;
        }
    }
    total
}

/// Six neighbouring samples to six points.
#[inline(always)]
pub(super) fn input<const W: usize>(d: &[Lanes<W>; 6]) -> [Lanes<W>; POINTS] {
    let [d0, d1, d2, d3, d4, d5] = d;
    [
        sum([(4.0, d0), (-5.0, d2), (1.0, d4)]),
        sum([(-4.0, d1), (-4.0, d2), (1.0, d3), (1.0, d4)]),
        sum([(4.0, d1), (-4.0, d2), (-1.0, d3), (1.0, d4)]),
        sum([(-2.0, d1), (-1.0, d2), (2.0, d3), (1.0, d4)]),
        sum([(2.0, d1), (-1.0, d2), (-2.0, d3), (1.0, d4)]),
        sum([(4.0, d1), (-5.0, d3), (1.0, d5)]),
    ]
}

/// [`input`] of (a, b, b, c, c, e): four samples of an image that is doubled.
#[inline(always)]
pub(super) fn doubled_input<const W: usize>(d: &[Lanes<W>; 4]) -> [Lanes<W>; POINTS] {
    let [a, b, c, e] = d;
    [
        sum([(4.0, a), (-5.0, b), (1.0, c)]),
        sum([(-8.0, b), (2.0, c)]),
        [0.0; W],
        sum([(-3.0, b), (3.0, c)]),
        sum([(1.0, b), (-1.0, c)]),
        sum([(4.0, b), (-5.0, c), (1.0, e)]),
    ]
}

/// Six products to four outputs.
#[inline(always)]
pub(super) fn output<const W: usize>(m: &[Lanes<W>; POINTS]) -> [Lanes<W>; 4] {
    let [m0, m1, m2, m3, m4, m5] = m;
    [
        sum([(1.0, m0), (1.0, m1), (1.0, m2), (1.0, m3), (1.0, m4)]),
        sum([(1.0, m1), (-1.0, m2), (2.0, m3), (-2.0, m4)]),
        sum([(1.0, m1), (1.0, m2), (4.0, m3), (4.0, m4)]),
        sum([(1.0, m1), (-1.0, m2), (8.0, m3), (-8.0, m4), (1.0, m5)]),
    ]
}

/// The sums of the outputs' two pairs.
#[inline(always)]
pub(super) fn paired_output<const W: usize>(m: &[Lanes<W>; POINTS]) -> [Lanes<W>; 2] {
    let [m0, m1, _, m3, m4, m5] = m;
    [sum([(1.0, m0), (2.0, m1), (3.0, m3), (-1.0, m4)]), sum([(2.0, m1), (12.0, m3), (-4.0, m4), (1.0, m5)])]
}

/// The adjoint of [`output`]: four outputs' gradients to six points.
#[inline(always)]
pub(super) fn gradient<const W: usize>(g: &[Lanes<W>; 4]) -> [Lanes<W>; POINTS] {
    let [g0, g1, g2, g3] = g;
    [
        *g0,
        sum([(1.0, g0), (1.0, g1), (1.0, g2), (1.0, g3)]),
        sum([(1.0, g0), (-1.0, g1), (1.0, g2), (-1.0, g3)]),
        sum([(1.0, g0), (2.0, g1), (4.0, g2), (8.0, g3)]),
        sum([(1.0, g0), (-2.0, g1), (4.0, g2), (-8.0, g3)]),
        *g3,
    ]
}

/// The adjoint of [`paired_output`].
#[inline(always)]
pub(super) fn paired_gradient<const W: usize>(g: &[Lanes<W>; 2]) -> [Lanes<W>; POINTS] {
    let [g0, g1] = g;
    [
        *g0,
        sum([(2.0, g0), (2.0, g1)]),
        [0.0; W],
        sum([(3.0, g0), (12.0, g1)]),
        sum([(-1.0, g0), (-4.0, g1)]),
        *g1,
    ]
}

/// Three taps to six points.
#[inline(always)]
pub(super) fn kernel<const W: usize>(w: &[Lanes<W>; 3]) -> [Lanes<W>; POINTS] {
    let [w0, w1, w2] = w;
    [
        sum([(1.0 / 4.0, w0)]),
        sum([(-1.0 / 6.0, w0), (-1.0 / 6.0, w1), (-1.0 / 6.0, w2)]),
        sum([(-1.0 / 6.0, w0), (1.0 / 6.0, w1), (-1.0 / 6.0, w2)]),
        sum([(1.0 / 24.0, w0), (1.0 / 12.0, w1), (1.0 / 6.0, w2)]),
        sum([(1.0 / 24.0, w0), (-1.0 / 12.0, w1), (1.0 / 6.0, w2)]),
        *w2,
    ]
}

/// The adjoint of [`kernel`]: six points to three taps.
#[inline(always)]
pub(super) fn kernel_gradient<const W: usize>(s: &[Lanes<W>; POINTS]) -> [Lanes<W>; 3] {
    let [s0, s1, s2, s3, s4, s5] = s;
    [
        sum([(1.0 / 4.0, s0), (-1.0 / 6.0, s1), (-1.0 / 6.0, s2), (1.0 / 24.0, s3), (1.0 / 24.0, s4)]),
        sum([(-1.0 / 6.0, s1), (1.0 / 6.0, s2), (1.0 / 12.0, s3), (-1.0 / 12.0, s4)]),
        sum([(-1.0 / 6.0, s1), (-1.0 / 6.0, s2), (1.0 / 6.0, s3), (1.0 / 6.0, s4), (1.0, s5)]),
    ]
}
