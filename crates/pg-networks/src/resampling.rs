//! Plain doubling and halving of feature maps and images.

use tch::Tensor;

/// Nearest-neighbour doubling: `[N,C,H,W]` to `[N,C,2H,2W]`.
pub fn upscale_nearest(x: &Tensor) -> Tensor {
    let (_, _, h, w) = dims4(x);
    x.upsample_nearest2d([2 * h, 2 * w], None, None)
}

/// Mean of each 2x2 block: `[N,C,H,W]` to `[N,C,H/2,W/2]`.
pub fn downscale_box(x: &Tensor) -> Tensor {
    x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)
}

pub(crate) fn dims4(x: &Tensor) -> (i64, i64, i64, i64) {
    match x.size()[..] {
        [n, c, h, w] => (n, c, h, w),
        _ => (0, 0, 0, 0),
    }
}
