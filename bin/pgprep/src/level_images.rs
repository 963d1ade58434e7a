//! Images of a dataset's level, as pictures.

use anyhow::anyhow;
use pg_image::{Planar, Raster};
use pg_shard::Level;

/// Image `index` of a level as a photo.
pub(crate) fn picture(level: &Level, index: usize) -> anyhow::Result<Raster> {
    Raster::from_planar(&planes(level, index)?).ok_or_else(|| missing(level, index))
}

/// Image `index` of a level.
pub(crate) fn planes(level: &Level, index: usize) -> anyhow::Result<Planar<u8>> {
    let r = level.resolution().pixels();
    Planar::from_data(level.channels(), r, r, level.image(index)?.into_owned())
        .ok_or_else(|| missing(level, index))
}

fn missing(level: &Level, index: usize) -> anyhow::Error {
    anyhow!("image {index} is not in the dataset, which has {}", level.len())
}
