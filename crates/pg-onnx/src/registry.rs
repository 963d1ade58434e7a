//! Models and weights that are known by their hashes (`models.toml`).

use pg_image::NetworkResize;
use serde::Deserialize;

use crate::recipe::{PartialRecipe, parse_range};

/// The registry that comes with the program.
const BUILT_IN: &str = include_str!("../models.toml");

/// Known models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    #[serde(default, rename = "model")]
    models: Vec<KnownModel>,
}

/// A model that is known, by its own hash or that of the weights it was made of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// What it is called.
    pub name: String,
    /// SHA-256 of the ONNX file, hexadecimal, whole.
    #[serde(default)]
    sha256: Option<String>,
    /// The first hexadecimal digits, 8 or more, of the SHA-256 of the weights, as `pg.weights_sha256` has it.
    #[serde(default)]
    weights_sha256: Option<String>,
    /// How it is fed, where its own metadata do not say.
    #[serde(default)]
    recipe: RecipeText,
    /// Whose numbers which recipe gives.
    #[serde(default)]
    pub comparable: Vec<Comparable>,
}

/// A recipe of which numbers are published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparable {
    /// Name of the resize.
    pub resize: String,
    /// What pixel values 0 and 255 become, `LO,HI`.
    range: String,
    /// Whose numbers they are.
    pub whose: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeText {
    input_size: Option<usize>,
    resize: Option<String>,
    range: Option<String>,
    features: Option<String>,
    logits: Option<String>,
}

impl Registry {
    /// The registry that comes with the program.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn built_in() -> Result<Self, String> {
        Self::parse(BUILT_IN)
    }

    /// A registry in TOML.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found: Self = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        for model in &found.models {
            let is_hash = |digits: &Option<String>, lengths: std::ops::RangeInclusive<usize>| {
                digits.as_ref().is_none_or(|digits| {
                    lengths.contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit())
                })
            };
            let name = &model.name;
            if model.sha256.is_none() && model.weights_sha256.is_none() {
                return Err(format!("model {name:?} has neither sha256 nor weights_sha256"));
            }
            if !is_hash(&model.sha256, 64..=64) {
                return Err(format!("model {name:?}: sha256 is no hash, expected 64 hexadecimal digits"));
            }
            if !is_hash(&model.weights_sha256, 8..=64) {
                return Err(format!(
                    "model {name:?}: weights_sha256 is no hash, expected 8 to 64 hexadecimal digits"
                ));
            }
            let resizes = model.recipe.resize.iter().chain(model.comparable.iter().map(|of| &of.resize));
            if let Some(wrong) = resizes.into_iter().find(|name| NetworkResize::from_name(name).is_none()) {
                return Err(format!("model {name:?}: {wrong:?} is no resize, expected {}", crate::RESIZES));
            }
            let mut ranges = model.recipe.range.iter().chain(model.comparable.iter().map(|of| &of.range));
            if ranges.any(|range| parse_range(range).is_none()) {
                return Err(format!(
                    "model {name:?}: range is none, expected two rising numbers, such as \"0,255\""
                ));
            }
        }
        Ok(found)
    }

    /// The entry of a model by its hash, or else by that of its weights.
    #[must_use]
    pub fn find(&self, sha256: &str, weights_sha256: Option<&str>) -> Option<&KnownModel> {
        let by_file = self.models.iter().find(|model| model.sha256.as_deref() == Some(sha256));
        by_file.or_else(|| {
            let weights = weights_sha256.filter(|digits| digits.len() == 64)?;
            let is_of = |prefix: &String| weights.starts_with(prefix.as_str());
            self.models.iter().find(|model| model.weights_sha256.as_ref().is_some_and(is_of))
        })
    }

    /// The models of `self`, then those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.models.extend(other.models);
        self
    }
}

impl KnownModel {
    /// Whose numbers this model gives when fed so, if anyone's.
    #[must_use]
    pub fn comparable_with(&self, resize: &str, range: (f32, f32)) -> Option<&str> {
        let is_so = |of: &&Comparable| of.resize == resize && parse_range(&of.range) == Some(range);
        self.comparable.iter().find(is_so).map(|of| of.whose.as_str())
    }

    /// What is known of how it is fed.
    pub(crate) fn recipe(&self) -> PartialRecipe {
        let text = &self.recipe;
        PartialRecipe {
            input_size_px: text.input_size,
            resize: text.resize.as_deref().and_then(NetworkResize::from_name),
            range: text.range.as_deref().and_then(parse_range),
            features: text.features.clone(),
            logits: text.logits.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_registry_knows_the_published_weights() {
        let registry = Registry::built_in().unwrap();
        let weights = format!("6726825d{}", "0".repeat(56));
        let known = registry.find(&"1".repeat(64), Some(&weights)).unwrap();
        let whose = |resize, high| known.comparable_with(resize, (0.0, high));
        assert!(whose("tf1-bilinear", 255.0).is_some_and(|whose| whose.contains("torch-fidelity")));
        assert_eq!(
            (whose("torch-bilinear", 256.0), whose("torch-bilinear", 255.0)),
            (Some("pytorch-fid"), None)
        );
        assert_eq!(registry.find(&"1".repeat(64), Some(&weights[..8])), None);
        assert_eq!(registry.find(&"1".repeat(64), None), None);
    }

    #[test]
    fn a_model_is_found_by_its_own_hash_first() {
        let hash = "ab".repeat(32);
        let text = format!(
            "[[model]]\nname = \"a\"\nweights_sha256 = \"abababab\"\n[[model]]\nname = \"b\"\nsha256 = \"{hash}\"\n\
             recipe = {{ input_size = 64, resize = \"none\", range = \"0,255\", features = \"f\" }}\n"
        );
        let registry = Registry::parse(&text).unwrap();
        let found = registry.find(&hash, Some(&hash)).unwrap();
        assert_eq!((found.name.as_str(), found.recipe().range), ("b", Some((0.0, 255.0))));
        assert_eq!(registry.find("", Some(&hash)).unwrap().name, "a");
    }

    #[test]
    fn what_is_wrong_with_a_registry_is_named() {
        for (text, expected) in [
            ("[[model]]\nname = \"x\"\n", "neither sha256 nor weights_sha256"),
            ("[[model]]\nname = \"x\"\nsha256 = \"abc\"\n", "64 hexadecimal digits"),
            ("[[model]]\nname = \"x\"\nweights_sha256 = \"zzzzzzzz\"\n", "8 to 64"),
            (
                "[[model]]\nname = \"x\"\nweights_sha256 = \"abababab\"\ncomparable = [{ resize = \"bicubic\", range = \"0,1\", whose = \"y\" }]\n",
                "no resize",
            ),
            (
                "[[model]]\nname = \"x\"\nweights_sha256 = \"abababab\"\nrecipe = { range = \"1,0\" }\n",
                "range",
            ),
            ("[[model]]\nname = \"x\"\nhash = \"abababab\"\n", "unknown field"),
        ] {
            let error = Registry::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
