//! The door to what tch has no binding for: plain slices of a tensor's numbers, libtorch's thread pool, and
//! differentiable operations whose kernel is ours. The only module of this crate with `unsafe` in it.
#![allow(unsafe_code, reason = "FFI to libtorch; each block states its invariant, and the interface is safe")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::Once;

use tch::{Device, Kind, TchError, Tensor};

/// The three forms of <g, C(x, w)>, C being linear in x and in w. Each is the derivative of the two others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// C(x, w), the output, from input and kernel.
    Output,
    /// The adjoint in x: the input's gradient, from the output's and the kernel.
    Input,
    /// The adjoint in w: the kernel's gradient, from input and the output's gradient.
    Kernel,
}

/// Computes a form: of which layer, by which factor, from which two tensors. `None` where they do not fit.
pub(crate) type BilinearKernel = fn(Form, i64, f64, &Tensor, &Tensor) -> Option<Tensor>;

/// A tensor of libtorch on its heap, as tch hands it out.
#[repr(C)]
struct RawTensor {
    _private: [u8; 0],
}

type RawKernel =
    extern "C" fn(form: i64, layer: i64, scale: f64, *const RawTensor, *const RawTensor) -> *mut RawTensor;

unsafe extern "C" {
    fn pg_set_bilinear_kernel(kernel: RawKernel);
    fn pg_bilinear(
        first: *const RawTensor,
        second: *const RawTensor,
        form: i64,
        layer: i64,
        scale: f64,
        error: *mut *mut c_char,
    ) -> *mut RawTensor;
    fn pg_parallel_for(count: i64, context: *mut c_void, body: extern "C" fn(*mut c_void, i64, i64));
    fn free(memory: *mut c_void);
}

/// `form` of `first` and `second` by `kernel`, as a node of the autograd graph that may be differentiated
/// any number of times. All callers pass the same `kernel`.
pub(crate) fn bilinear(
    kernel: BilinearKernel,
    form: Form,
    layer: i64,
    scale: f64,
    first: &Tensor,
    second: &Tensor,
) -> Result<Tensor, TchError> {
    static REGISTERED: Once = Once::new();
    // The first call fixes it; there is one kernel in this crate.
    REGISTERED.call_once(|| {
        KERNEL.get_or_init(|| kernel);
        // SAFETY: the function lives as long as the program and has the signature that the bridge declares.
        unsafe { pg_set_bilinear_kernel(run_kernel) };
    });
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: both tensors are alive for the call, and the bridge catches exceptions.
    let result = unsafe {
        pg_bilinear(first.as_ptr().cast(), second.as_ptr().cast(), form as i64, layer, scale, &raw mut error)
    };
    if result.is_null() {
        return Err(TchError::Torch(take_message(error)));
    }
    // SAFETY: a tensor that the bridge made for us with `new`, as tch does; we own it now.
    Ok(unsafe { Tensor::from_ptr(result.cast()) })
}

static KERNEL: std::sync::OnceLock<BilinearKernel> = std::sync::OnceLock::new();

extern "C" fn run_kernel(
    form: i64,
    layer: i64,
    scale: f64,
    first: *const RawTensor,
    second: *const RawTensor,
) -> *mut RawTensor {
    let form = match form {
        0 => Form::Output,
        1 => Form::Input,
        _ => Form::Kernel,
    };
    // SAFETY: the bridge passes tensors that live until this function returns; these are handles of their own.
    let (first, second) = unsafe {
        (Tensor::clone_from_ptr(first.cast_mut().cast()), Tensor::clone_from_ptr(second.cast_mut().cast()))
    };
    let result = KERNEL.get().and_then(|kernel| kernel(form, layer, scale, &first, &second));
    match result {
        Some(mut tensor) => {
            let pointer = tensor.as_mut_ptr();
            // The bridge deletes it.
            std::mem::forget(tensor);
            pointer.cast()
        }
        None => ptr::null_mut(),
    }
}

fn take_message(error: *mut c_char) -> String {
    if error.is_null() {
        return "no message".to_owned();
    }
    // SAFETY: a string that the bridge made with strdup for us to read and free.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        free(error.cast());
        text
    }
}

/// The numbers of a contiguous f32 tensor on the CPU, in memory order; `None` for any other.
pub(crate) fn numbers(tensor: &Tensor) -> Option<&[f32]> {
    if !is_plain(tensor) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: contiguous, f32, on the CPU: `numel` numbers from the data pointer on. Nobody writes to them
    // while the borrow lasts: all writing in this crate goes through `fill_new` below or through libtorch on
    // the same thread.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) })
}

/// Lets `fill` write the numbers of a tensor that nobody else reads while it runs: one just made, or scratch
/// memory. `None` where it is not contiguous f32 on the CPU.
pub(crate) fn fill<R>(tensor: &mut Tensor, fill: impl FnOnce(&mut [f32]) -> R) -> Option<R> {
    if !is_plain(tensor) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(fill(&mut []));
    }
    // SAFETY: as in `numbers`; the exclusive borrow of the handle keeps other uses of this tensor away.
    let numbers = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), tensor.numel()) };
    Some(fill(numbers))
}

/// Makes the allocator keep the memory of freed tensors for the next ones: otherwise every large tensor is
/// mapped, cleared page by page and unmapped again, which takes as long as a pass over it. For programs
/// that train; it holds for the whole process. Does nothing where the C library is not glibc.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        const M_TRIM_THRESHOLD: i32 = -1;
        const M_TOP_PAD: i32 = -2;
        const M_MMAP_MAX: i32 = -4;
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        for (parameter, value) in [(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, i32::MAX), (M_TOP_PAD, 64 << 20)] {
            // SAFETY: changes numbers inside the allocator, under its own lock.
            let _ = unsafe { mallopt(parameter, value) };
        }
    }
}

/// A tensor that several threads read at once, each through a handle of its own.
#[derive(Debug)]
pub(crate) struct Shared(Tensor);

// SAFETY: only `handle` is done through a shared reference; it makes a new handle, whose count of owners is
// atomic in libtorch. What the handles read is not written while they live: the owner of this value lends it
// to one parallel loop that only reads it.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(tensor: Tensor) -> Self {
        Self(tensor)
    }

    pub(crate) fn handle(&self) -> Tensor {
        self.0.shallow_clone()
    }
}

fn is_plain(tensor: &Tensor) -> bool {
    tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
}

/// Calls `body(index, chunk)` for every chunk of `chunk_len` numbers (the last may be shorter), spread over
/// libtorch's threads, a run of neighbours for each.
pub(crate) fn parallel_chunks<F: Fn(usize, &mut [f32]) + Sync>(
    numbers: &mut [f32],
    chunk_len: usize,
    body: F,
) {
    struct Work<F> {
        start: *mut f32,
        len: usize,
        chunk_len: usize,
        body: F,
    }
    extern "C" fn part<F: Fn(usize, &mut [f32]) + Sync>(work: *mut c_void, begin: i64, end: i64) {
        // SAFETY: `work` points to the value below, which outlives the loop.
        let work = unsafe { &*work.cast::<Work<F>>() };
        for index in begin as usize..end as usize {
            let first = index * work.chunk_len;
            let len = work.chunk_len.min(work.len - first);
            // SAFETY: chunks of different indices do not overlap, every index is visited once, and `first +
            // len` is at most the slice's length.
            let chunk = unsafe { std::slice::from_raw_parts_mut(work.start.add(first), len) };
            (work.body)(index, chunk);
        }
    }
    if numbers.is_empty() || chunk_len == 0 {
        return;
    }
    let count = numbers.len().div_ceil(chunk_len) as i64;
    let mut work = Work { start: numbers.as_mut_ptr(), len: numbers.len(), chunk_len, body };
    // SAFETY: the call returns when all parts are done; `body` is Sync, so threads may share it.
    unsafe { pg_parallel_for(count, (&raw mut work).cast(), part::<F>) };
}
