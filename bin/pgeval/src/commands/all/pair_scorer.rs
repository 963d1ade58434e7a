//! MS-SSIM of consecutive pairs of images that come in any order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use pg_image::Planar;
use pg_metrics::ms_ssim;

/// MS-SSIM of images 0 and 1, 2 and 3, …, in whatever order they come.
///
/// Memory: the images whose partner has not come yet, no more than are decoded at a time.
pub(super) struct PairScorer {
    role: &'static str,
    pairs: usize,
    waiting: Mutex<HashMap<usize, Planar<u8>>>,
    scores: Mutex<Vec<f64>>,
}

impl PairScorer {
    pub(super) fn new(role: &'static str, pairs: usize) -> Self {
        Self { role, pairs, waiting: Mutex::default(), scores: Mutex::new(vec![0.0; pairs]) }
    }

    pub(super) fn see(&self, index: usize, image: &Planar<u8>) -> Result<()> {
        let pair = index / 2;
        if pair >= self.pairs {
            return Ok(());
        }
        let mut waiting = held(&self.waiting);
        let Some(partner) = waiting.remove(&pair) else {
            waiting.insert(pair, image.clone());
            return Ok(());
        };
        drop(waiting);
        // The same bits whichever came first.
        let (first, second) = if index.is_multiple_of(2) { (image, &partner) } else { (&partner, image) };
        let score = ms_ssim(first, second)
            .with_context(|| format!("compare images {} and {} of {}", 2 * pair, 2 * pair + 1, self.role))?;
        held(&self.scores)[pair] = score;
        Ok(())
    }

    /// Once all images were seen.
    pub(super) fn scores(self) -> Vec<f64> {
        self.scores.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
