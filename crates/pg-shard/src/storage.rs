//! Which levels a dataset stores, and how.

use pg_image::level_of_detail::coarser_levels;
use pg_image::{Planar, Resolution};
use serde_json::{Value, json};

use crate::codec::{Codec, compress};
use crate::{BuildPlan, ShardError};

/// Which levels a dataset stores, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Sides of the images that are packed.
    pub packed: Resolution,
    /// The levels stored, ascending: some of `packed` and those below it.
    pub levels: Vec<Resolution>,
    /// How images are stored.
    pub codec: Codec,
}

/// An image as it goes into a shard: every stored level in the dataset's codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedImage {
    /// Finest first.
    pub(crate) levels: Vec<EncodedLevel>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedLevel {
    /// C, H, W.
    pub(crate) shape: [usize; 3],
    pub(crate) bytes: Vec<u8>,
}

impl Storage {
    /// All levels from `packed` down to 4, raw.
    #[must_use]
    pub fn whole(packed: Resolution) -> Self {
        let mut levels: Vec<Resolution> = packed.down_to(Resolution::MIN).collect();
        levels.reverse();
        Self { packed, levels, codec: Codec::Raw }
    }

    /// What a build's settings must tell of it, beyond the defaults: `levels` and `codec`.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, Value)> {
        let mut settings = Vec::new();
        if self.levels != Self::whole(self.packed).levels {
            let sides: Vec<usize> = self.levels.iter().map(|r| r.pixels()).collect();
            settings.push(("levels", json!(sides)));
        }
        if self.codec != Codec::Raw {
            settings.push(("codec", json!(self.codec)));
        }
        settings
    }

    /// The pyramid of `image`, the levels stored of it, in the codec. Costs what compressing costs: call it
    /// on the thread that made the image.
    ///
    /// # Errors
    /// [`ShardError::Codec`] when memory runs out.
    pub fn encode(&self, image: Planar<u8>) -> Result<EncodedImage, ShardError> {
        let lowest = self.levels.first().map_or(4, |r| r.pixels());
        let coarser = coarser_levels(&image, lowest);
        let stored = std::iter::once(image)
            .chain(coarser)
            .filter(|p| self.levels.iter().any(|r| r.pixels() == p.width()));
        EncodedImage::new(self.codec, stored)
    }

    pub(crate) fn finest_first(&self) -> Vec<Resolution> {
        self.levels.iter().rev().copied().collect()
    }

    pub(crate) fn check(&self) -> Result<(), ShardError> {
        let ascending = self.levels.is_sorted_by(|a, b| a < b);
        if ascending && self.levels.last().is_some_and(|&finest| finest <= self.packed) {
            return Ok(());
        }
        let found: Vec<String> = self.levels.iter().map(ToString::to_string).collect();
        Err(ShardError::Levels { found: found.join(", "), finest: self.packed.pixels() })
    }

    /// `plan` with what tells this storage from the default.
    pub(crate) fn recorded_in(&self, mut plan: BuildPlan) -> BuildPlan {
        for (name, value) in self.settings() {
            plan.settings.insert(name.to_owned(), value);
        }
        plan
    }
}

impl EncodedImage {
    /// `levels` finest first, each u8 `[C,R,R]`.
    pub(crate) fn new(
        codec: Codec,
        levels: impl IntoIterator<Item = Planar<u8>>,
    ) -> Result<Self, ShardError> {
        let levels = levels.into_iter().map(|level| {
            let shape = [level.channels(), level.height(), level.width()];
            let compressed = Resolution::new(level.width() as u64)
                .is_ok_and(|r| level.height() == level.width() && codec.compresses(r));
            let bytes = if compressed {
                compress(level.data(), shape[0], shape[2]).map_err(|detail| ShardError::Codec { detail })?
            } else {
                level.into_data()
            };
            Ok(EncodedLevel { shape, bytes })
        });
        Ok(Self { levels: levels.collect::<Result<_, _>>()? })
    }

    /// Bytes of all levels.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.levels.iter().map(|level| level.bytes.len() as u64).sum()
    }
}
