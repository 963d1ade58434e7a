//! The growing schedule and training settings as pure functions of images shown.
