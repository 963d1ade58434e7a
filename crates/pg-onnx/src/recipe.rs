//! How a model wants to be fed and read: from its own metadata, a registry, or the caller. Nothing is guessed.

use pg_image::NetworkResize;

use crate::registry::KnownModel;
use crate::{OnnxError, OnnxModel};

/// How images become a model's input, and which of its outputs are read.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRecipe {
    /// Side of the square input, in pixels.
    pub input_size_px: usize,
    /// How images of other sizes get that size.
    pub resize: NetworkResize,
    /// What pixel values 0 and 255 become.
    pub range: (f32, f32),
    /// Name of the output that holds the features.
    pub features: String,
    /// Name of the output that holds the class scores before the softmax, if any.
    pub logits: Option<String>,
}

/// What is known of a recipe; `None` where another source decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartialRecipe {
    /// `pg.input_size`, `--input-size`
    pub input_size_px: Option<usize>,
    /// `pg.resize`, `--resize`
    pub resize: Option<NetworkResize>,
    /// `pg.range`, `--range`
    pub range: Option<(f32, f32)>,
    /// `pg.features`, `--features`
    pub features: Option<String>,
    /// `pg.logits`, `--logits`
    pub logits: Option<String>,
}

impl PartialRecipe {
    /// What the model's metadata say.
    ///
    /// # Errors
    /// [`OnnxError::Metadata`] for a value that cannot be read
    pub fn of_metadata(model: &OnnxModel) -> Result<Self, OnnxError> {
        let wrong = |key: &'static str, value: &str, expected: &'static str| OnnxError::Metadata {
            path: model.path().to_owned(),
            key,
            value: value.to_owned(),
            expected,
        };
        let read = |key: &str| model.metadata(key).map(|value| value.trim().to_owned());
        let input_size_px = read("pg.input_size").map(|text| {
            let expected = "a number of pixels, such as 299";
            parse_input_size(&text).ok_or_else(|| wrong("pg.input_size", &text, expected))
        });
        let resize = read("pg.resize")
            .map(|text| NetworkResize::from_name(&text).ok_or_else(|| wrong("pg.resize", &text, RESIZES)));
        let range = read("pg.range").map(|text| {
            let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
            parse_range(inner).ok_or_else(|| wrong("pg.range", &text, "two rising numbers, such as [-1,1]"))
        });
        Ok(Self {
            input_size_px: input_size_px.transpose()?,
            resize: resize.transpose()?,
            range: range.transpose()?,
            features: read("pg.features").filter(|name| !name.is_empty()),
            logits: read("pg.logits").filter(|name| !name.is_empty()),
        })
    }

    /// What this leaves open, by `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input_size_px: self.input_size_px.or(other.input_size_px),
            resize: self.resize.or(other.resize),
            range: self.range.or(other.range),
            features: self.features.or(other.features),
            logits: self.logits.or(other.logits),
        }
    }
}

impl InputRecipe {
    /// For `model`: what `asked` says, else the model's metadata, else the registry's entry of the model. Where the
    /// model's input has one fixed size, that is its size.
    ///
    /// # Errors
    /// - [`OnnxError::RecipeMissing`] with all that nobody says, by the flags that say it
    /// - [`OnnxError::Metadata`]
    pub fn resolve(
        model: &OnnxModel,
        asked: PartialRecipe,
        known: Option<&KnownModel>,
    ) -> Result<Self, OnnxError> {
        let fixed = match model.single_float_input()?.1.as_slice() {
            [_, _, Some(height), Some(width)] if height == width => Some(*height),
            _ => None,
        };
        let known = known.map(KnownModel::recipe).unwrap_or_default();
        let found = asked.or(PartialRecipe::of_metadata(model)?).or(known);
        let input_size_px = found.input_size_px.or(fixed);
        match (input_size_px, found.resize, found.range, found.features) {
            (Some(input_size_px), Some(resize), Some(range), Some(features)) => {
                Ok(Self { input_size_px, resize, range, features, logits: found.logits })
            }
            (input_size_px, resize, range, features) => {
                let wanted = [
                    (input_size_px.is_none(), "--input-size N (pg.input_size)"),
                    (resize.is_none(), "--resize RECIPE (pg.resize)"),
                    (range.is_none(), "--range LO,HI (pg.range)"),
                    (features.is_none(), "--features NAME (pg.features)"),
                ];
                let wanted: Vec<&str> =
                    wanted.into_iter().filter(|(missing, _)| *missing).map(|(_, flag)| flag).collect();
                let outputs: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
                let path = model.path().to_owned();
                Err(OnnxError::RecipeMissing { path, wanted: wanted.join(", "), outputs: outputs.join(", ") })
            }
        }
    }
}

/// The names of recipes, for messages.
pub const RESIZES: &str = "one of tf1-bilinear, torch-bilinear, pil-bilinear, pil-bicubic, pil-lanczos, none";

/// A side in pixels that a network can have.
#[must_use]
pub fn parse_input_size(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|side| (1..=8192).contains(side))
}

/// `LO,HI`, finite and rising.
#[must_use]
pub fn parse_range(text: &str) -> Option<(f32, f32)> {
    let (low, high) = text.split_once(',')?;
    let number = |text: &str| text.trim().parse::<f32>().ok().filter(|value| value.is_finite());
    let (low, high) = (number(low)?, number(high)?);
    (low < high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_rise_and_sizes_are_pixels() {
        assert_eq!(parse_range("-1, 1"), Some((-1.0, 1.0)));
        for wrong in ["1,-1", "0", "0,nan", "0,inf", "a,b", "", "0,0", "0,1,2"] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
        assert_eq!(parse_input_size("299"), Some(299));
        for wrong in ["0", "-1", "9000", "x", ""] {
            assert_eq!(parse_input_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_message_s_names_are_all_recipes() {
        let names = RESIZES.trim_start_matches("one of ").split(", ");
        assert!(names.eq(NetworkResize::ALL.into_iter().map(NetworkResize::name)));
    }
}
