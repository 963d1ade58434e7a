//! Memory that is used again by the next convolution: fresh pages cost more than the transforms.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

thread_local! {
    // libtorch runs the backward pass of a graph on the CPU in the thread that asks for it.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// What one convolution needs at a time.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The kernel's points.
    pub(super) kernel: Buffer,
    /// The points of the kernel's gradient.
    pub(super) sums: Buffer,
    /// The input's points.
    pub(super) first: Buffer,
    /// The products, or the points of the output's gradient.
    pub(super) second: Buffer,
}

impl Scratch {
    /// Lends this thread's scratch memory; `body` must not ask for it again.
    pub(super) fn with<R>(body: impl FnOnce(&mut Self) -> R) -> R {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => body(&mut scratch),
            Err(_) => body(&mut Self::default()),
        })
    }
}

/// Memory that only grows.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    whole: Option<Tensor>,
    part: Option<Tensor>,
}

impl Buffer {
    /// `count` numbers, whatever they are.
    pub(super) fn view(&mut self, count: usize) -> &mut Tensor {
        let enough = self.whole.as_ref().is_some_and(|whole| whole.numel() >= count);
        if !enough {
            // First the old one goes, then the new one comes.
            self.part = None;
            self.whole = None;
        }
        let whole =
            self.whole.get_or_insert_with(|| Tensor::empty([count as i64], (Kind::Float, Device::Cpu)));
        let part = whole.narrow(0, 0, count as i64);
        self.part.insert(part)
    }
}
