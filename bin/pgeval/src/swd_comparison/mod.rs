//! Two sets of images that are compared by the sliced Wasserstein distance, and what else is found out in the same pass.

mod reference;
mod result;
mod sides;

pub(crate) use reference::Reference;
pub(crate) use result::{print_table, result};
pub(crate) use sides::{Described, Sides};
