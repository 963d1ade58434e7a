//! Memory that is used again by the next convolution: fresh pages cost more than the transforms.

use std::cell::RefCell;

thread_local! {
    static KERNEL: RefCell<Buffer> = RefCell::new(Buffer::default());
    static SUMS: RefCell<Buffer> = RefCell::new(Buffer::default());
    // libtorch runs the backward pass of a graph on the CPU in the thread that asks for it.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// What a thread needs for its part of a convolution.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The input's points.
    pub(super) first: Buffer,
    /// The products, or the points of the output's gradient.
    pub(super) second: Buffer,
}

impl Scratch {
    /// Lends this thread's scratch memory; `body` must not ask for it again.
    pub(super) fn with<R>(body: impl FnOnce(&mut Self) -> R) -> R {
        lend(&SCRATCH, body)
    }

    /// Lends memory for a thread's sums.
    pub(super) fn with_sums<R>(body: impl FnOnce(&mut Buffer) -> R) -> R {
        lend(&SUMS, body)
    }

    /// Lends memory for a kernel's points or their gradients, which threads share that have scratch memory of their own.
    pub(super) fn with_kernel<R>(body: impl FnOnce(&mut Buffer) -> R) -> R {
        lend(&KERNEL, body)
    }
}

fn lend<T: Default, R>(
    place: &'static std::thread::LocalKey<RefCell<T>>,
    body: impl FnOnce(&mut T) -> R,
) -> R {
    place.with(|value| match value.try_borrow_mut() {
        Ok(mut value) => body(&mut value),
        Err(_) => body(&mut T::default()),
    })
}

/// Memory that only grows.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    /// `count` numbers, whatever they are, from the start of a line of the cache on.
    pub(super) fn numbers(&mut self, count: usize) -> &mut [f32] {
        const LINE: usize = 64;
        let needed = count + LINE / size_of::<f32>();
        if self.0.len() < needed {
            // First the old one goes, then the new one comes.
            self.0 = Vec::new();
            self.0 = vec![0.0; needed];
        }
        let first = self.0.as_ptr().align_offset(LINE);
        &mut self.0[first..first + count]
    }
}
