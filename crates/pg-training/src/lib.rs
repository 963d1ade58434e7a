//! Losses, optimiser, generator average, data feed, training loop, checkpoints.
