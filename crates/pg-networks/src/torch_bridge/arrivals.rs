//! Gradients one by one, while the backward pass goes on.

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use tch::{TchError, Tensor};

use super::{RawTensor, borrowed, take_message};

unsafe extern "C" {
    fn pg_gradients(
        loss: *const RawTensor,
        weights: *const *const RawTensor,
        count: i64,
        context: *mut c_void,
        arrived: extern "C" fn(*mut c_void, i64, *const RawTensor),
    ) -> *mut c_char;
}

/// What the bridge hands back at every arrival.
struct Context<'a> {
    arrived: &'a mut (dyn FnMut(usize, Tensor) + Send),
    panic: Option<Box<dyn std::any::Any + Send>>,
}

/// The backward pass of `loss` `[]`: `arrived` gets the index of each of `weights` (leaves) with its gradient as soon as
/// that is complete, while the pass goes on with the rest. It may be called on another thread, never on two at once.
///
/// # Errors
/// libtorch's; also for a weight that the loss does not depend on.
pub fn gradients_as_they_arrive(
    loss: &Tensor,
    weights: &[&Tensor],
    arrived: &mut (dyn FnMut(usize, Tensor) + Send),
) -> Result<(), TchError> {
    let pointers: Vec<*const RawTensor> = weights.iter().map(|w| w.as_ptr().cast()).collect();
    let context = Mutex::new(Context { arrived, panic: None });
    // SAFETY: tensors and context outlive the call, which takes its hooks away before it returns and catches exceptions;
    // the context is only reached through the mutex, whatever the thread.
    let error = unsafe {
        pg_gradients(
            loss.as_ptr().cast(),
            pointers.as_ptr(),
            pointers.len() as i64,
            (&raw const context).cast_mut().cast(),
            on_arrival,
        )
    };
    if let Some(panic) = context.into_inner().unwrap_or_else(PoisonError::into_inner).panic {
        resume_unwind(panic);
    }
    if error.is_null() { Ok(()) } else { Err(TchError::Torch(take_message(error))) }
}

extern "C" fn on_arrival(context: *mut c_void, index: i64, gradient: *const RawTensor) {
    // SAFETY: the context of the call that is under way.
    let context = unsafe { &*context.cast_const().cast::<Mutex<Context<'_>>>() };
    let mut context = context.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(gradient) = borrowed(gradient) else { return };
    if context.panic.is_some() {
        return;
    }
    // A panic must not cross into C++: it goes on where the backward pass was started.
    let call = AssertUnwindSafe(|| (context.arrived)(index as usize, gradient));
    if let Err(panic) = catch_unwind(call) {
        context.panic = Some(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn leaf(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    fn arrivals(loss: &Tensor, weights: &[&Tensor]) -> Result<Vec<(usize, Vec<f32>)>, TchError> {
        let mut seen = Vec::new();
        let mut arrived = |index, gradient: Tensor| seen.push((index, Vec::try_from(gradient).unwrap()));
        gradients_as_they_arrive(loss, weights, &mut arrived)?;
        Ok(seen)
    }

    #[test]
    fn every_gradient_arrives_once_and_is_that_of_the_plain_backward_pass() {
        let (a, b) = (leaf(&[2.0, -1.0]), leaf(&[0.5, 3.0]));
        // Each weight is used twice.
        let loss = || ((&a * &b).sin() + &a * 0.5 + b.square()).sum(Kind::Float);
        let mut found = arrivals(&loss(), &[&a, &b]).unwrap();
        found.sort_by_key(|(index, _)| *index);
        let plain = Tensor::run_backward(&[loss()], &[&a, &b], false, false);
        let plain: Vec<Vec<f32>> = plain.iter().map(|g| Vec::try_from(g).unwrap()).collect();
        assert_eq!(found, [(0, plain[0].clone()), (1, plain[1].clone())]);
    }

    #[test]
    fn other_backward_passes_call_nobody() {
        let (w, x) = (leaf(&[2.0]), leaf(&[3.0]));
        // As a gradient penalty: an inner pass towards x, then the outer one.
        let inner = Tensor::run_backward(&[(&w * x.square()).sum(Kind::Float)], &[&x], true, true).remove(0);
        let found = arrivals(&inner.square().sum(Kind::Float), &[&w]).unwrap();
        assert_eq!(found, [(0, vec![2.0 * 2.0 * 6.0 * 6.0])]);
        // And none is left behind.
        let _ = Tensor::run_backward(&[(&w * 3.0).sum(Kind::Float)], &[&w], false, false);
    }

    #[test]
    fn a_weight_without_influence_is_an_error() {
        let (a, b) = (leaf(&[2.0]), leaf(&[1.0]));
        assert!(arrivals(&(&a * 2.0).sum(Kind::Float), &[&a, &b]).is_err());
    }

    #[test]
    fn a_panic_comes_out_where_the_pass_was_started() {
        let a = leaf(&[2.0]);
        let loss = (&a * 2.0).sum(Kind::Float);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            gradients_as_they_arrive(&loss, &[&a], &mut |_, _| panic!("here"))
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"here"));
    }
}
