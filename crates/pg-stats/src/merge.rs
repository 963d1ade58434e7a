//! Parts of a set of images, described apart, as one.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::{Stats, StatsError, StatsWriter};

/// Writes the images of all `parts`, in their order, to `path`: what one run over the union would have written,
/// but for the provenance.
///
/// Nothing is described anew: the records are copied, and checked on the way. `progress` is told after each
/// image. Memory: one image's records.
///
/// # Errors
/// - [`StatsError::Protocol`] when two parts were described in different ways
/// - [`StatsError::Overlap`] when an image (its name and pixels) is in two parts
/// - [`StatsError::Nothing`] without images, [`StatsError::MomentsOnly`] for a file that knows none
/// - [`StatsError::Damaged`], [`StatsError::Io`]; nothing is left at `path` then that was not there before
pub fn merge(
    parts: &[Stats],
    path: &Path,
    provenance: Value,
    progress: &mut dyn FnMut(),
) -> Result<Stats, StatsError> {
    let first = parts.first().ok_or(StatsError::Nothing)?;
    let mut seen = HashMap::new();
    for (number, part) in parts.iter().enumerate() {
        if part.moments().is_some() {
            return Err(StatsError::MomentsOnly { path: part.name.clone() });
        }
        if let Some(difference) = first.protocol().difference(part.protocol()) {
            let (first, path) = (first.name.clone(), part.name.clone());
            return Err(StatsError::Protocol { first, path, difference });
        }
        for index in 0..part.image_count() {
            let row = part.row(index);
            let (owner, first_index) = *seen.entry((row.key, row.pixels)).or_insert((number, index));
            if owner != number {
                let first = parts[owner].name.clone();
                return Err(StatsError::Overlap { first, first_index, path: part.name.clone(), index });
            }
        }
    }
    let image_count = parts.iter().map(Stats::image_count).sum();
    if image_count == 0 {
        return Err(StatsError::Nothing);
    }
    let kinds = first.places.kinds().len();
    let writer = StatsWriter::create(path, first.protocol().clone(), image_count, provenance)?;
    let images = parts.iter().flat_map(|part| (0..part.image_count()).map(move |index| (part, index)));
    for (to, (part, index)) in images.enumerate() {
        let records = (0..kinds).map(|kind| part.record_bytes(kind, index));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        writer.put_bytes(to, part.row(index), records.iter())?;
        progress();
    }
    writer.finish()
}
