//! Median edge prediction of a plane, as in LOCO-I (Weinberger, Seroussi, Sapiro 2000, section III-A),
//! modulo 256.
//!
//! With W, N, NW the neighbours to the left, above and above left, 0 outside of the plane: the prediction
//! is the median of W, N and W + N - NW, which is max(W,N) + min(W,N) - clamp(NW, min(W,N), max(W,N)) and so
//! needs no more than eight bits.

/// Residuals of a square plane: value - prediction, into `out` of the same length.
pub(super) fn residuals(plane: &[u8], side: usize, out: &mut [u8]) {
    let zeros = vec![0; side];
    let mut above = zeros.as_slice();
    for (row, out) in plane.chunks_exact(side).zip(out.chunks_exact_mut(side)) {
        if let (Some(first), Some(value)) = (out.first_mut(), row.first()) {
            *first = value.wrapping_sub(above[0]);
        }
        let west = row.iter();
        let (north, north_west) = (above[1..].iter(), above.iter());
        for ((((o, v), w), n), nw) in out[1..].iter_mut().zip(&row[1..]).zip(west).zip(north).zip(north_west)
        {
            let (low, high) = ((*w).min(*n), (*w).max(*n));
            *o = v.wrapping_sub(high.wrapping_add(low).wrapping_sub((*nw).clamp(low, high)));
        }
        above = row;
    }
}

/// Turns residuals of a square plane into its values, in place.
pub(super) fn restore(plane: &mut [u8], side: usize) {
    if side > 0 && side.is_multiple_of(wavefront::LANES) {
        wavefront::restore(plane, side);
    } else {
        restore_in_order(plane, side);
    }
}

/// [`restore`], value after value: the definition.
fn restore_in_order(plane: &mut [u8], side: usize) {
    for at in 0..plane.len() {
        let (y, x) = (at / side, at % side);
        let west = if x > 0 { plane[at - 1] } else { 0 };
        let north = if y > 0 { plane[at - side] } else { 0 };
        let north_west = if x > 0 && y > 0 { plane[at - side - 1] } else { 0 };
        let (low, high) = (west.min(north), west.max(north));
        let prediction = high.wrapping_add(low).wrapping_sub(north_west.clamp(low, high));
        plane[at] = plane[at].wrapping_add(prediction);
    }
}

/// Sixteen rows at once: each lane is a row, one column behind the lane above it, so that its N and NW are
/// that lane's last two values. Plain loops over sixteen bytes, which compilers make vectors of.
mod wavefront {
    pub(super) const LANES: usize = 16;

    /// Byte k is that of lane k.
    type Lanes = [u8; LANES];

    pub(super) fn restore(plane: &mut [u8], side: usize) {
        // Rows with LANES zeros on both sides: lane k reads column t - k from -15 to side + 15.
        let width = side + 2 * LANES;
        let mut padded = vec![0_u8; LANES * width];
        let mut above = vec![0_u8; width];
        for rows in plane.chunks_exact_mut(LANES * side) {
            for (padded, row) in padded.chunks_exact_mut(width).zip(rows.chunks_exact(side)) {
                padded[..LANES].fill(0);
                padded[LANES..LANES + side].copy_from_slice(row);
                padded[LANES + side..].fill(0);
            }
            block(&mut padded, &above, width);
            for (padded, row) in padded.chunks_exact(width).zip(rows.chunks_exact_mut(side)) {
                row.copy_from_slice(&padded[LANES..LANES + side]);
            }
            above[LANES..LANES + side].copy_from_slice(&rows[(LANES - 1) * side..]);
        }
    }

    /// LANES padded rows in place; `above` is the padded row above the first.
    fn block(rows: &mut [u8], above: &[u8], width: usize) {
        // The values of two steps ago and of the last one, each behind the value above the first lane.
        let (mut before_last, mut last) = ([0_u8; LANES + 1], [0_u8; LANES + 1]);
        // Step t is column t of the first row; 15 more bring the last row to its end.
        for start in (0..width - LANES).step_by(LANES) {
            let mut tile = [[0; LANES]; LANES];
            for (k, lane) in tile.iter_mut().enumerate() {
                if let Some(bytes) = rows[k * width + start + LANES - k..].first_chunk() {
                    *lane = *bytes;
                }
            }
            let mut steps = transposed(&tile);
            for (step, north) in steps.iter_mut().zip(&above[start + LANES..]) {
                last[0] = *north;
                for k in 0..LANES {
                    let (w, n, nw) = (last[k + 1], last[k], before_last[k]);
                    let (low, high) = (w.min(n), w.max(n));
                    let prediction = high.wrapping_add(low).wrapping_sub(nw.max(low).min(high));
                    step[k] = step[k].wrapping_add(prediction);
                }
                before_last = last;
                last[1..].copy_from_slice(step);
            }
            for (k, lane) in transposed(&steps).iter().enumerate() {
                rows[k * width + start + LANES - k..][..LANES].copy_from_slice(lane);
            }
        }
    }

    /// Byte j of lane i becomes byte i of lane j: four rounds of a perfect shuffle.
    fn transposed(lanes: &[Lanes; LANES]) -> [Lanes; LANES] {
        let mut lanes = *lanes;
        for _ in 0..4 {
            let mut next = [[0; LANES]; LANES];
            for i in 0..LANES / 2 {
                let (a, b) = (lanes[i], lanes[i + LANES / 2]);
                for k in 0..LANES / 2 {
                    next[2 * i][2 * k] = a[k];
                    next[2 * i][2 * k + 1] = b[k];
                    next[2 * i + 1][2 * k] = a[k + LANES / 2];
                    next[2 * i + 1][2 * k + 1] = b[k + LANES / 2];
                }
            }
            lanes = next;
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restoring_undoes_the_residuals_in_order_and_by_wavefront() {
        for side in [4, 8, 16, 32, 64, 256] {
            let plane: Vec<u8> = (0..side * side)
                .map(|i| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (30 + i % 9)) as u8)
                .collect();
            let mut slow = plane.clone();
            residuals(&plane, side, &mut slow);
            let mut fast = slow.clone();
            restore_in_order(&mut slow, side);
            restore(&mut fast, side);
            assert_eq!(slow, plane, "{side}");
            assert_eq!(fast, plane, "{side}");
        }
    }

    #[test]
    fn the_prediction_is_the_median_of_left_above_and_gradient() {
        // Plane [[w w], [n x]] gives the residual of x by the median.
        for (nw, n, w, expected) in
            [(10, 10, 10, 10), (0, 9, 5, 9), (9, 9, 5, 5), (20, 5, 9, 5), (6, 5, 9, 8)]
        {
            let mut out = [0; 4];
            residuals(&[nw, n, w, 100], 2, &mut out);
            assert_eq!(out[3], 100 - expected, "{nw} {n} {w}");
        }
    }
}
