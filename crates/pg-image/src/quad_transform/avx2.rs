//! Bilinear samples eight at a time, with a proof that each is the exact one.
//!
//! The exact sample is computed in f64 and truncated. Here it is computed in f32, with a bound on the
//! difference: e = c (sum of the differences between the four neighbours), which covers the rounding of
//! positions and sums. When truncating v - e and v + e gives the same byte, that is the exact byte;
//! otherwise the caller falls back on the definition. Where all neighbours are equal, e is 0.
#![allow(unsafe_code, reason = "calls functions compiled for AVX2, behind a test for it")]

use std::arch::x86_64::{
    __m128, __m128i, __m256, _mm_add_epi32, _mm_add_ps, _mm_andnot_ps, _mm_broadcastss_ps, _mm_cvttps_epi32,
    _mm_extract_epi32, _mm_extract_epi64, _mm_fmadd_ps, _mm_mul_ps, _mm_or_si128, _mm_packus_epi16,
    _mm_packus_epi32, _mm_set_epi64x, _mm_set1_ps, _mm_setr_epi8, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_sub_ps, _mm_testz_si128, _mm_unpackhi_epi64, _mm_xor_si128, _mm256_add_epi32, _mm256_add_ps,
    _mm256_andnot_ps, _mm256_broadcastss_ps, _mm256_castps256_ps128, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvttps_epi32, _mm256_extract_epi32, _mm256_extractf128_ps, _mm256_floor_ps,
    _mm256_fmadd_ps, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_permutevar8x32_ps, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setr_epi32, _mm256_setr_ps, _mm256_sub_ps,
};

use super::Lattice;

/// The factor c: three roundings of sums up to 255 (2^-17 each) where a difference is at least 1, and
/// positions good to 2^-20 px.
const BOUND: f32 = 4e-5;

/// An RGB image, u8 `[H,W,3]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rgb<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Rgb<'a> {
    /// `None` without AVX2, and for images whose bytes an i32 cannot count.
    pub(super) fn new(data: &'a [u8], width: usize, height: usize) -> Option<Self> {
        let usable = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        (usable && i32::try_from(data.len()).is_ok() && data.len() == 3 * width * height).then_some(Self {
            data,
            width,
            height,
        })
    }

    /// Whether samples between the points `a` and `b` have all their neighbours, and a byte to spare
    /// behind them, in the image.
    fn covers(&self, a: [f64; 2], b: [f64; 2]) -> bool {
        let inside = |axis: usize, side: usize| {
            let (low, high) = (a[axis].min(b[axis]), a[axis].max(b[axis]));
            low > 0.01 && high < side as f64 - 2.01
        };
        inside(0, self.width) && inside(1, self.height)
    }

    /// Sums of the 4x4 samples of a lattice: red, green, blue. `None` where the definition has to decide.
    pub(super) fn sum_of_block(&self, lattice: Lattice) -> Option<[u32; 3]> {
        // SAFETY: `new` found the features that the function is compiled for.
        self.covers_lattice(lattice, 3.0, 3.0).then(|| unsafe { self.block(lattice) })?
    }

    /// Eight samples along a row, RGB side by side. `None` where the definition has to decide.
    pub(super) fn row_of_eight(&self, lattice: Lattice) -> Option<[u8; 24]> {
        // SAFETY: as above.
        self.covers_lattice(lattice, 7.0, 0.0).then(|| unsafe { self.eight_in_a_row(lattice) })?
    }

    fn covers_lattice(&self, lattice: Lattice, right: f64, down: f64) -> bool {
        let Lattice { origin, step_x, step_y } = lattice;
        let at =
            |i: f64, j: f64| [0, 1].map(|a| origin[a] + i * f64::from(step_x[a]) + j * f64::from(step_y[a]));
        self.covers(at(0.0, 0.0), at(right, down)) && self.covers(at(right, 0.0), at(0.0, down))
    }

    #[target_feature(enable = "avx2,fma")]
    fn block(&self, lattice: Lattice) -> Option<[u32; 3]> {
        let Lattice { origin, step_x: [ux, vx], step_y: [uy, vy] } = lattice;
        // Two rows of four at a time.
        let pattern = |x: f32, y: f32| {
            let across = _mm256_setr_ps(0.0, x, 2.0 * x, 3.0 * x, 0.0, x, 2.0 * x, 3.0 * x);
            _mm256_add_ps(across, _mm256_setr_ps(0.0, 0.0, 0.0, 0.0, y, y, y, y))
        };
        let (mut u, mut v) = (pattern(ux, uy), pattern(vx, vy));
        let (mut low, mut high) = (_mm_setzero_si128(), _mm_setzero_si128());
        for _ in 0..2 {
            let mut eight = self.eight(origin, u, v);
            for at in eight.at {
                let sample = self.sample(at, eight.dx, eight.dy)?;
                low = _mm_add_epi32(low, sample.low);
                high = _mm_add_epi32(high, sample.high);
                eight.dx = next(eight.dx);
                eight.dy = next(eight.dy);
            }
            u = _mm256_add_ps(u, _mm256_set1_ps(2.0 * uy));
            v = _mm256_add_ps(v, _mm256_set1_ps(2.0 * vy));
        }
        let apart = _mm_xor_si128(low, high);
        (_mm_testz_si128(apart, apart) != 0).then(|| {
            [_mm_extract_epi32::<0>(low), _mm_extract_epi32::<1>(low), _mm_extract_epi32::<2>(low)]
                .map(|sum| sum as u32)
        })
    }

    #[target_feature(enable = "avx2,fma")]
    fn eight_in_a_row(&self, lattice: Lattice) -> Option<[u8; 24]> {
        let across = _mm256_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
        let along = |step: f32| _mm256_mul_ps(across, _mm256_set1_ps(step));
        let mut eight = self.eight(lattice.origin, along(lattice.step_x[0]), along(lattice.step_x[1]));
        let mut apart = _mm_setzero_si128();
        let mut samples = [_mm_setzero_si128(); 8];
        for (k, at) in eight.at.into_iter().enumerate() {
            let sample = self.sample(at, eight.dx, eight.dy)?;
            apart = _mm_or_si128(apart, _mm_xor_si128(sample.low, sample.high));
            samples[k] = sample.low;
            eight.dx = next(eight.dx);
            eight.dy = next(eight.dy);
        }
        if _mm_testz_si128(apart, apart) == 0 {
            return None;
        }
        let [a, b, c, d, e, f, g, h] = samples;
        let mut out = [0_u8; 24];
        out[..12].copy_from_slice(&four_pixels(a, b, c, d));
        out[12..].copy_from_slice(&four_pixels(e, f, g, h));
        Some(out)
    }

    /// The pixels and fractions of the positions `origin` + (`u`, `v`).
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn eight(&self, origin: [f64; 2], u: __m256, v: __m256) -> Eight {
        // Positions relative to the first sample's pixel are small: f32 holds them to 2^-21.
        let (x, y) = (origin[0].floor(), origin[1].floor());
        let u = _mm256_add_ps(u, _mm256_set1_ps((origin[0] - x) as f32));
        let v = _mm256_add_ps(v, _mm256_set1_ps((origin[1] - y) as f32));
        let (column, row) = (_mm256_floor_ps(u), _mm256_floor_ps(v));
        let stride = 3 * self.width;
        let first = y as usize * stride + x as usize * 3;
        let at = _mm256_add_epi32(
            _mm256_mullo_epi32(_mm256_cvttps_epi32(row), _mm256_set1_epi32(stride as i32)),
            _mm256_mullo_epi32(_mm256_cvttps_epi32(column), _mm256_set1_epi32(3)),
        );
        let at = _mm256_add_epi32(at, _mm256_set1_epi32(first as i32));
        Eight {
            at: [
                _mm256_extract_epi32::<0>(at),
                _mm256_extract_epi32::<1>(at),
                _mm256_extract_epi32::<2>(at),
                _mm256_extract_epi32::<3>(at),
                _mm256_extract_epi32::<4>(at),
                _mm256_extract_epi32::<5>(at),
                _mm256_extract_epi32::<6>(at),
                _mm256_extract_epi32::<7>(at),
            ],
            dx: _mm256_sub_ps(u, column),
            dy: _mm256_sub_ps(v, row),
        }
    }

    /// The sample with the fractions in the first lanes: `at` is its upper left neighbour's place in the
    /// data. `None` outside the data.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sample(&self, at: i32, dx: __m256, dy: __m256) -> Option<Sample> {
        let at = at as usize;
        let below = at + 3 * self.width;
        // Six bytes are needed; eight are read at once.
        let upper = i64::from_le_bytes(*self.data.get(at..)?.first_chunk()?);
        let lower = i64::from_le_bytes(*self.data.get(below..)?.first_chunk()?);
        let spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 8, 9, 10, -1, 11, 12, 13, -1);
        let bytes = _mm_shuffle_epi8(_mm_set_epi64x(lower, upper), spread);
        let upper = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)); // left pixel, right pixel
        let lower = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes)));

        let dx = _mm_broadcastss_ps(_mm256_castps256_ps128(dx));
        let dy = _mm256_broadcastss_ps(_mm256_castps256_ps128(dy));
        let difference = _mm256_sub_ps(lower, upper);
        let column = _mm256_fmadd_ps(difference, dy, upper);
        let (left, right) = halves(column);
        let across = _mm_sub_ps(right, left);
        let value = _mm_fmadd_ps(across, dx, left);

        let (a, b) = halves(_mm256_andnot_ps(_mm256_set1_ps(-0.0), difference));
        let sum = _mm_add_ps(_mm_add_ps(a, b), _mm_andnot_ps(_mm_set1_ps(-0.0), across));
        let bound = _mm_mul_ps(sum, _mm_set1_ps(BOUND));
        Some(Sample {
            low: _mm_cvttps_epi32(_mm_sub_ps(value, bound)),
            high: _mm_cvttps_epi32(_mm_add_ps(value, bound)),
        })
    }
}

/// Eight positions: where the upper left neighbour's bytes are, and the fractions of the way to the others.
struct Eight {
    at: [i32; 8],
    dx: __m256,
    dy: __m256,
}

/// Red, green, blue, 0: the bounds below and above, truncated.
#[derive(Clone, Copy)]
struct Sample {
    low: __m128i,
    high: __m128i,
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn halves(v: __m256) -> (__m128, __m128) {
    (_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v))
}

/// The lanes moved down by one.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn next(v: __m256) -> __m256 {
    _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0))
}

/// Four samples as bytes, RGB side by side.
#[target_feature(enable = "avx2,fma")]
fn four_pixels(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> [u8; 12] {
    let bytes = _mm_packus_epi16(_mm_packus_epi32(a, b), _mm_packus_epi32(c, d));
    let rgb = _mm_shuffle_epi8(bytes, _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    let mut out = [0; 12];
    out[..8].copy_from_slice(&_mm_extract_epi64::<0>(rgb).to_le_bytes());
    out[8..].copy_from_slice(&_mm_extract_epi32::<2>(rgb).to_le_bytes());
    out
}
