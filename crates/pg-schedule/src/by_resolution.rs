//! A setting with one value for all resolutions and exceptions for some.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One value, with overrides by resolution in pixels.
///
/// In TOML either a plain number (`minibatch = 16`) or a table with `default` and the resolutions:
/// `minibatch = { default = 4, 4 = 128, 8 = 128 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a value, or a table of values by resolution in pixels with a `default`"
)]
pub enum ByResolution<T> {
    /// The same value everywhere.
    Everywhere(T),
    /// `default`, but for the resolutions listed.
    Table {
        /// The value of every resolution that is not listed.
        default: T,
        /// Exceptions by resolution in pixels.
        #[serde(flatten, with = "pixel_keys")]
        overrides: BTreeMap<u32, T>,
    },
}

impl<T: Copy> ByResolution<T> {
    /// The value in force at `resolution_px`.
    #[must_use]
    pub fn at(&self, resolution_px: u32) -> T {
        match self {
            Self::Everywhere(value) => *value,
            Self::Table { default, overrides } => *overrides.get(&resolution_px).unwrap_or(default),
        }
    }

    /// A default with exceptions.
    #[must_use]
    pub fn table(default: T, overrides: &[(u32, T)]) -> Self {
        Self::Table { default, overrides: overrides.iter().copied().collect() }
    }

    /// Every value that may come into force.
    pub fn values(&self) -> impl Iterator<Item = T> + '_ {
        let (first, rest) = match self {
            Self::Everywhere(value) => (*value, None),
            Self::Table { default, overrides } => (*default, Some(overrides.values().copied())),
        };
        std::iter::once(first).chain(rest.into_iter().flatten())
    }

    /// The resolutions that have a value of their own.
    pub fn listed(&self) -> impl Iterator<Item = u32> + '_ {
        match self {
            Self::Everywhere(_) => None,
            Self::Table { overrides, .. } => Some(overrides.keys().copied()),
        }
        .into_iter()
        .flatten()
    }
}

/// TOML keys are strings: resolutions as their decimal digits.
mod pixel_keys {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<u32, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(px, value)| (px.to_string(), value)))
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u32, T>, D::Error> {
        BTreeMap::<String, T>::deserialize(deserializer)?
            .into_iter()
            .map(|(key, value)| match key.parse() {
                Ok(px) => Ok((px, value)),
                Err(_) => Err(D::Error::custom(format!("`{key}` is no resolution in pixels"))),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        minibatch: ByResolution<u32>,
    }

    #[test]
    fn a_plain_number_holds_everywhere() {
        let holder: Holder = toml::from_str("minibatch = 16").unwrap();
        assert_eq!(holder.minibatch.at(4), 16);
        assert_eq!(holder.minibatch.at(1024), 16);
    }

    #[test]
    fn a_table_overrides_its_default_and_survives_a_round_trip() {
        let holder: Holder = toml::from_str("minibatch = { default = 4, 8 = 128, 64 = 32 }").unwrap();
        assert_eq!((holder.minibatch.at(8), holder.minibatch.at(64), holder.minibatch.at(256)), (128, 32, 4));
        let text = toml::to_string(&holder).unwrap();
        assert_eq!(toml::from_str::<Holder>(&text).unwrap(), holder);
    }

    #[test]
    fn a_key_that_is_no_number_is_refused() {
        assert!(toml::from_str::<Holder>("minibatch = { default = 4, big = 128 }").is_err());
    }
}
