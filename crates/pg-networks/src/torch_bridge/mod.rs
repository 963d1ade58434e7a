//! The door to what tch has no binding for: plain slices of a tensor's numbers, and
//! differentiable operations whose kernel is ours. The only module of this crate with `unsafe` in it.
#![allow(unsafe_code, reason = "FFI to libtorch; each block states its invariant, and the interface is safe")]

mod arrivals;

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use tch::{Device, TchError, Tensor};

use crate::number::Number;

pub use arrivals::gradients_as_they_arrive;

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

/// What belongs to a form beside its tensors.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Layer {
    /// Which convolution, in the kernel's own words.
    pub(crate) sampling: i64,
    /// Factor of the result.
    pub(crate) scale: f64,
    /// Of the output form only: 1 where the result goes through the leaky rectifier.
    pub(crate) rectified: i64,
}

/// The kernels of this crate, as the bridge calls them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    /// A form from its two tensors, the output form with a bias or without; `None` where they do not fit.
    pub(crate) bilinear: fn(Form, &Layer, &Tensor, &Tensor, Option<&Tensor>) -> Option<Tensor>,
    /// Pixel norm of `[…,C]`, or with a gradient the gradient of its input; `None` where they do not fit.
    pub(crate) pixel_norm: fn(&Tensor, Option<&Tensor>) -> Option<Tensor>,
    /// Blur of `[N,H,W,C]`, contiguous; `None` where it does not fit.
    pub(crate) blur: fn(&Tensor) -> Option<Tensor>,
    /// Styled features, and what their gradients need; `None` where shapes do not fit.
    pub(crate) style: fn(&StyleTensors<'_>) -> Option<(Tensor, Tensor)>,
    /// Gradients of features, of the style, and of bias and strength of the noise `[2,C]`.
    pub(crate) style_gradients: fn(&StyleTensors<'_>, &Tensor, &Tensor) -> Option<[Tensor; 3]>,
}

/// What a style works on.
#[derive(Debug)]
pub(crate) struct StyleTensors<'a> {
    /// `[N,H,W,C]`, contiguous.
    pub(crate) x: &'a Tensor,
    /// `[N,1,H,W]` or `[1,1,H,W]`, and the strengths `[C]`.
    pub(crate) noise: Option<(&'a Tensor, &'a Tensor)>,
    /// `[C]`.
    pub(crate) bias: &'a Tensor,
    /// `[N,2C]`, scales before shifts.
    pub(crate) style: &'a Tensor,
}

/// A tensor of libtorch on its heap, as tch hands it out.
#[repr(C)]
struct RawTensor {
    _private: [u8; 0],
}

type RawBilinear = extern "C" fn(
    form: i64,
    layer: *const Layer,
    first: *const RawTensor,
    second: *const RawTensor,
    bias: *const RawTensor,
) -> *mut RawTensor;
type RawPixelNorm = extern "C" fn(x: *const RawTensor, gradient: *const RawTensor) -> *mut RawTensor;
type RawBlur = extern "C" fn(x: *const RawTensor) -> *mut RawTensor;

/// [`StyleTensors`] as the bridge has them; noise and strength may be null.
#[repr(C)]
struct RawStyled {
    x: *const RawTensor,
    noise: *const RawTensor,
    strength: *const RawTensor,
    bias: *const RawTensor,
    style: *const RawTensor,
}

type RawStyle = extern "C" fn(tensors: *const RawStyled, statistics: *mut *mut RawTensor) -> *mut RawTensor;
type RawStyleGradients = extern "C" fn(
    tensors: *const RawStyled,
    statistics: *const RawTensor,
    gradient: *const RawTensor,
    results: *mut *mut RawTensor,
) -> bool;

unsafe extern "C" {
    fn pg_set_kernels(
        bilinear: RawBilinear,
        pixel_norm: RawPixelNorm,
        blur: RawBlur,
        style: RawStyle,
        style_gradients: RawStyleGradients,
    );
    fn pg_styled(tensors: *const RawStyled, error: *mut *mut c_char) -> *mut RawTensor;
    fn pg_bilinear(
        first: *const RawTensor,
        second: *const RawTensor,
        bias: *const RawTensor,
        form: i64,
        layer: *const Layer,
        error: *mut *mut c_char,
    ) -> *mut RawTensor;
    fn pg_pixel_norm(x: *const RawTensor, error: *mut *mut c_char) -> *mut RawTensor;
    fn pg_blur(x: *const RawTensor, error: *mut *mut c_char) -> *mut RawTensor;
    fn pg_allow_tf32(allowed: bool);
    fn pg_multiplies_tiles() -> bool;
    fn free(memory: *mut c_void);
}

static KERNELS: OnceLock<Kernels> = OnceLock::new();

/// Hands the kernels to the bridge; the first call fixes them, and all callers pass the same.
fn register(kernels: Kernels) {
    KERNELS.get_or_init(|| {
        // SAFETY: the functions live as long as the program and have the signatures that the bridge declares.
        unsafe { pg_set_kernels(run_bilinear, run_pixel_norm, run_blur, run_style, run_style_gradients) };
        kernels
    });
}

/// `form` of `first` and `second` as a node of the autograd graph that may be differentiated any number of
/// times.
pub(crate) fn bilinear(
    kernels: Kernels,
    form: Form,
    layer: &Layer,
    (first, second, bias): (&Tensor, &Tensor, Option<&Tensor>),
) -> Result<Tensor, TchError> {
    register(kernels);
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: the tensors are alive for the call, and the bridge catches exceptions.
    let result = unsafe {
        pg_bilinear(
            first.as_ptr().cast(),
            second.as_ptr().cast(),
            bias.map_or(ptr::null(), |bias| bias.as_ptr().cast()),
            form as i64,
            layer,
            &raw mut error,
        )
    };
    taken(result, error)
}

/// Pixel norm of `[…,C]` as a node of the autograd graph that may be differentiated any number of times.
pub(crate) fn pixel_norm(kernels: Kernels, x: &Tensor) -> Result<Tensor, TchError> {
    register(kernels);
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: the tensor is alive for the call, and the bridge catches exceptions.
    let result = unsafe { pg_pixel_norm(x.as_ptr().cast(), &raw mut error) };
    taken(result, error)
}

/// Blur of `[N,H,W,C]` as a node of the autograd graph that may be differentiated any number of times.
pub(crate) fn blur(kernels: Kernels, x: &Tensor) -> Result<Tensor, TchError> {
    register(kernels);
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: the tensor is alive for the call, and the bridge catches exceptions.
    let result = unsafe { pg_blur(x.as_ptr().cast(), &raw mut error) };
    taken(result, error)
}

/// A style of `x` `[N,H,W,C]`, contiguous, with noise and its strengths or without, as a node of the autograd graph
/// that may be differentiated any number of times.
pub(crate) fn styled(
    kernels: Kernels,
    x: &Tensor,
    noise: Option<(&Tensor, &Tensor)>,
    bias: &Tensor,
    style: &Tensor,
) -> Result<Tensor, TchError> {
    register(kernels);
    let raw = |tensor: &Tensor| tensor.as_ptr().cast::<RawTensor>();
    let tensors = RawStyled {
        x: raw(x),
        noise: noise.map_or(ptr::null(), |(values, _)| raw(values)),
        strength: noise.map_or(ptr::null(), |(_, strength)| raw(strength)),
        bias: raw(bias),
        style: raw(style),
    };
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: the tensors are alive for the call, and the bridge catches exceptions.
    let result = unsafe { pg_styled(&raw const tensors, &raw mut error) };
    taken(result, error)
}

/// Whether products of f32 on a CUDA device may round their factors to TF32 (10 bits of fraction): several times
/// faster there, and no effect on the CPU. For the whole process.
pub fn allow_tf32(allowed: bool) {
    // SAFETY: sets two flags of libtorch's global context.
    unsafe { pg_allow_tf32(allowed) };
}

/// Whether the processor has instructions that multiply small matrices of bf16 (AMX).
pub(crate) fn multiplies_tiles() -> bool {
    // SAFETY: asks the processor.
    unsafe { pg_multiplies_tiles() }
}

/// What the bridge made for us with `new`, as tch does; or its message.
fn taken(result: *mut RawTensor, error: *mut c_char) -> Result<Tensor, TchError> {
    if result.is_null() {
        return Err(TchError::Torch(take_message(error)));
    }
    // SAFETY: not null: a tensor on the heap that is ours now.
    Ok(unsafe { Tensor::from_ptr(result.cast()) })
}

/// A handle of its own to a tensor that the bridge lends; `None` for null.
fn borrowed(tensor: *const RawTensor) -> Option<Tensor> {
    // SAFETY: where not null, the bridge passes a tensor that lives until our function returns.
    (!tensor.is_null()).then(|| unsafe { Tensor::clone_from_ptr(tensor.cast_mut().cast()) })
}

/// Hands a tensor to the bridge, which deletes it.
fn given(result: Option<Tensor>) -> *mut RawTensor {
    result.map_or(ptr::null_mut(), |mut tensor| {
        let pointer = tensor.as_mut_ptr();
        std::mem::forget(tensor);
        pointer.cast()
    })
}

extern "C" fn run_bilinear(
    form: i64,
    layer: *const Layer,
    first: *const RawTensor,
    second: *const RawTensor,
    bias: *const RawTensor,
) -> *mut RawTensor {
    let form = match form {
        0 => Form::Output,
        1 => Form::Input,
        _ => Form::Kernel,
    };
    // SAFETY: the bridge passes a layer on its stack.
    let layer = unsafe { &*layer };
    let (Some(first), Some(second)) = (borrowed(first), borrowed(second)) else { return ptr::null_mut() };
    let kernels = KERNELS.get();
    given(kernels.and_then(|k| (k.bilinear)(form, layer, &first, &second, borrowed(bias).as_ref())))
}

extern "C" fn run_pixel_norm(x: *const RawTensor, gradient: *const RawTensor) -> *mut RawTensor {
    let Some(x) = borrowed(x) else { return ptr::null_mut() };
    given(KERNELS.get().and_then(|kernels| (kernels.pixel_norm)(&x, borrowed(gradient).as_ref())))
}

extern "C" fn run_blur(x: *const RawTensor) -> *mut RawTensor {
    let Some(x) = borrowed(x) else { return ptr::null_mut() };
    given(KERNELS.get().and_then(|kernels| (kernels.blur)(&x)))
}

/// Calls `body` with what the bridge lends.
fn with_styled<R>(tensors: *const RawStyled, body: impl FnOnce(&StyleTensors<'_>) -> Option<R>) -> Option<R> {
    // SAFETY: the bridge passes a value on its stack.
    let raw = unsafe { &*tensors };
    let (x, bias, style) = (borrowed(raw.x)?, borrowed(raw.bias)?, borrowed(raw.style)?);
    let noise = borrowed(raw.noise).zip(borrowed(raw.strength));
    let noise = noise.as_ref().map(|(values, strength)| (values, strength));
    body(&StyleTensors { x: &x, noise, bias: &bias, style: &style })
}

extern "C" fn run_style(tensors: *const RawStyled, statistics: *mut *mut RawTensor) -> *mut RawTensor {
    let Some(kernels) = KERNELS.get() else { return ptr::null_mut() };
    let Some((result, measured)) = with_styled(tensors, |tensors| (kernels.style)(tensors)) else {
        return ptr::null_mut();
    };
    // SAFETY: the bridge passes the address of a pointer on its stack.
    unsafe { *statistics = given(Some(measured)) };
    given(Some(result))
}

extern "C" fn run_style_gradients(
    tensors: *const RawStyled,
    statistics: *const RawTensor,
    gradient: *const RawTensor,
    results: *mut *mut RawTensor,
) -> bool {
    let gradients = || {
        let (kernels, measured, upstream) = (KERNELS.get()?, borrowed(statistics)?, borrowed(gradient)?);
        with_styled(tensors, |tensors| (kernels.style_gradients)(tensors, &measured, &upstream))
    };
    let Some(made) = gradients() else { return false };
    for (place, tensor) in made.into_iter().enumerate() {
        // SAFETY: the bridge passes room for three pointers.
        unsafe { *results.add(place) = given(Some(tensor)) };
    }
    true
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

/// The numbers of a contiguous tensor of that format on the CPU, in memory order; `None` for any other.
pub(crate) fn numbers<E: Number>(tensor: &Tensor) -> Option<&[E]> {
    if !is_plain::<E>(tensor) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: contiguous, of E's format, on the CPU: `numel` numbers from the data pointer on. Nobody writes to
    // them while the borrow lasts: all writing in this crate goes through `fill` below or through libtorch on
    // the same thread.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<E>(), tensor.numel()) })
}

/// Lets `fill` write the numbers of a tensor that nobody else reads while it runs: one just made. `None` where
/// it is not contiguous, of that format and on the CPU.
pub(crate) fn fill<E: Number, R>(tensor: &mut Tensor, fill: impl FnOnce(&mut [E]) -> R) -> Option<R> {
    if !is_plain::<E>(tensor) {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(fill(&mut []));
    }
    // SAFETY: as in `numbers`; the exclusive borrow of the handle keeps other uses of this tensor away.
    let numbers = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<E>(), tensor.numel()) };
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

fn is_plain<E: Number>(tensor: &Tensor) -> bool {
    tensor.kind() == E::KIND && tensor.device() == Device::Cpu && tensor.is_contiguous()
}

/// Calls `body(index, chunk)` for every chunk of `chunk_len` numbers (the last may be shorter), spread over the threads
/// that libtorch's loops have, too.
pub(crate) fn parallel_chunks<E: Number, F: Fn(usize, &mut [E]) + Sync>(
    numbers: &mut [E],
    chunk_len: usize,
    body: F,
) {
    /// The start of the numbers, which threads share.
    struct Start<E>(*mut E);
    // SAFETY: threads make slices from it that do not overlap; numbers may go from thread to thread.
    unsafe impl<E: Number> Sync for Start<E> {}

    if numbers.is_empty() || chunk_len == 0 {
        return;
    }
    let (start, len) = (Start(numbers.as_mut_ptr()), numbers.len());
    let start = &start;
    let count = len.div_ceil(chunk_len);
    // Neighbours stay together, so that threads seldom meet; several runs for each, so that one that loses its
    // processor leaves the rest to the others.
    let runs = count.min(RUNS_PER_THREAD * pg_threads::thread_count());
    pg_threads::for_each_part(runs, |run| {
        for index in run * count / runs..(run + 1) * count / runs {
            let first = index * chunk_len;
            let chunk_len = chunk_len.min(len - first);
            // SAFETY: chunks of different indices do not overlap, every index is visited once, and `first + chunk_len` is
            // at most the slice's length.
            let chunk = unsafe { std::slice::from_raw_parts_mut(start.0.add(first), chunk_len) };
            body(index, chunk);
        }
    });
}

/// Runs of chunks that a loop gives each thread.
const RUNS_PER_THREAD: usize = 4;
