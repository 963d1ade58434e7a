//! The parts of a portrait, back to front.

pub(crate) mod background;
pub(crate) mod clothes;
pub(crate) mod extras;
pub(crate) mod eyes;
pub(crate) mod features;
pub(crate) mod hair;
pub(crate) mod head;
pub(crate) mod mouth;
pub(crate) mod nose;
