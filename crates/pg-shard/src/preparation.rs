//! How the images of a dataset were prepared: the settings in a manifest's provenance that decide their pixels.
//!
//! pgprep records them and pgeval compares them. Both go by the names here, so that neither looks for a name that the
//! other does not use.

use serde_json::{Map, Value};

use crate::Manifest;

/// A setting that decides the pixels of all images, and with them every score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// Kind of crop of an alignment.
    Preset,
    /// Last step of an alignment's downscaling.
    Filter,
    /// Whether crops are turned upright.
    Rotation,
    /// Whether what lies outside a photo is made up.
    Padding,
    /// Standard deviation of the random shift of crops.
    RandomShift,
    /// The seed of that shift.
    ShiftSeed,
    /// Side of aligned images in pixels.
    Size,
    /// How images of other shapes become squares.
    Fit,
    /// Side of packed images in pixels.
    Resolution,
    /// Whether colour was made grey.
    Grey,
    /// The preparation of the dataset that the images come from, an object of these settings.
    Before,
}

impl Preparation {
    /// Every setting.
    pub const ALL: [Self; 11] = [
        Self::Preset,
        Self::Filter,
        Self::Rotation,
        Self::Padding,
        Self::RandomShift,
        Self::ShiftSeed,
        Self::Size,
        Self::Fit,
        Self::Resolution,
        Self::Grey,
        Self::Before,
    ];

    /// Its name in `provenance.settings`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Filter => "filter",
            Self::Rotation => "rotation",
            Self::Padding => "padding",
            Self::RandomShift => "random_shift",
            Self::ShiftSeed => "seed",
            Self::Size => "size",
            Self::Fit => "fit",
            Self::Resolution => "resolution",
            Self::Grey => "grey",
            Self::Before => "before",
        }
    }
}

/// Datasets of datasets beyond this are not looked at: a manifest is data from outside.
const MOST_STEPS: usize = 16;

impl Manifest {
    /// What decides the pixels of the images, by the names of [`Preparation`] and `downscale_filter`. Images that come
    /// from another dataset have its settings too, unless this one decides the same anew.
    #[must_use]
    pub fn preparation(&self) -> Map<String, Value> {
        let mut found = Map::new();
        found.insert("downscale_filter".to_owned(), Value::from(self.downscale_filter.clone()));
        let mut step = self.provenance.get("settings");
        for _ in 0..MOST_STEPS {
            let Some(settings) = step else { break };
            for key in
                Preparation::ALL.into_iter().filter(|&of| of != Preparation::Before).map(Preparation::key)
            {
                if let Some(value) = settings.get(key)
                    && !found.contains_key(key)
                {
                    found.insert(key.to_owned(), value.clone());
                }
            }
            step = settings.get(Preparation::Before.key());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(settings: &Value) -> Manifest {
        let text = json!({
            "format": "pgkit-dataset", "format_version": 1, "images": 0, "channels": 3, "resolutions": [4],
            "label_names": null, "downscale_filter": "mean2x2", "items_per_shard": 1, "failed": 0,
            "plan_blake3": "", "shards": [], "files": [], "provenance": { "settings": settings },
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_decides_pixels_is_taken_and_nothing_else() {
        let settings = json!({ "command": "align", "rotation": false, "seed": null, "max_pixels": 9 });
        let found = manifest(&settings).preparation();
        let expected = json!({ "downscale_filter": "mean2x2", "rotation": false, "seed": null });
        assert_eq!(Value::Object(found), expected);
    }

    #[test]
    fn the_steps_before_count_unless_a_later_one_decides_anew() {
        let first = json!({ "preset": "celeba", "size": 64, "resolution": 1, "before": 3 });
        let second = json!({ "fit": "crop", "resolution": 32, "before": first });
        let found = manifest(&json!({ "fit": "pad", "before": second })).preparation();
        let expected = json!({
            "downscale_filter": "mean2x2", "fit": "pad", "resolution": 32, "preset": "celeba", "size": 64,
        });
        assert_eq!(Value::Object(found), expected);
    }

    #[test]
    fn no_two_settings_have_one_name() {
        for (place, setting) in Preparation::ALL.into_iter().enumerate() {
            assert!(
                Preparation::ALL[..place].iter().all(|other| other.key() != setting.key()),
                "{setting:?}"
            );
        }
    }
}
