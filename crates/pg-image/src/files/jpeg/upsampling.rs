//! From a component's own resolution to the picture's.

use super::samples::Plane;

/// The plane with `across` times as many columns and `down` times as many rows, cut to `width` x
/// `height`.
///
/// ITU-T T.81 does not say how. Where a side doubles and the other one stays or doubles too, a
/// sample is 3/4 of the nearest and 1/4 of the next nearest in each direction that doubles, as
/// libjpeg-turbo has it, whose rounding this follows; otherwise it is the nearest, as it is in
/// planes of two columns or fewer.
pub(super) fn upsampled(plane: &Plane, across: usize, down: usize, width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(width * height);
    let row = |y: usize| &plane.samples[y * plane.stride..][..plane.width];
    let mut line = vec![0_u8; 2 * plane.width];
    let mut sums = vec![0_u16; plane.width];
    for y in 0..height {
        let near = row(y / down);
        // The next nearest row: the one above for an upper half, the one below for a lower one.
        let other = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(plane.height - 1) };
        match (across, down) {
            (1, 1) => out.extend_from_slice(&near[..width]),
            (2, 1) if plane.width > 2 => {
                double_row(near, &mut line);
                out.extend_from_slice(&line[..width]);
            }
            (1, 2) => {
                let half = 1 + (y % 2) as u16;
                let mix = |(&a, &b): (&u8, &u8)| ((3 * u16::from(a) + u16::from(b) + half) / 4) as u8;
                out.extend(near.iter().zip(row(other)).map(mix).take(width));
            }
            (2, 2) if plane.width > 2 => {
                for ((sum, &a), &b) in sums.iter_mut().zip(near).zip(row(other)) {
                    *sum = 3 * u16::from(a) + u16::from(b);
                }
                double_sums(&sums, &mut line);
                out.extend_from_slice(&line[..width]);
            }
            _ => out.extend((0..width).map(|x| near[x / across])),
        }
    }
    out
}

/// Twice as many samples, those at the ends taken as they are.
fn double_row(row: &[u8], line: &mut [u8]) {
    let last = row.len() - 1;
    for (x, pair) in line.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let near = u16::from(row[x]);
        let beside = |x: usize| u16::from(row[x.min(last)]);
        *pair = [
            ((3 * near + beside(x.saturating_sub(1)) + 1) / 4) as u8,
            ((3 * near + beside(x + 1) + 2) / 4) as u8,
        ];
    }
}

/// As [`double_row`], from sums of four.
fn double_sums(sums: &[u16], line: &mut [u8]) {
    let last = sums.len() - 1;
    for (x, pair) in line.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let (before, near, after) = (sums[x.saturating_sub(1)], sums[x], sums[(x + 1).min(last)]);
        *pair = [((3 * near + before + 8) / 16) as u8, ((3 * near + after + 7) / 16) as u8];
    }
}
