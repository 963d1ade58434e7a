//! `--levels`: which levels of the pyramid are stored.

use std::str::FromStr;

use anyhow::bail;
use pg_image::Resolution;
use serde::{Deserialize, Serialize};

/// Comma-separated parts: `64`; `4..256` or `4..=256`, both ends included; `64..` and `..64`, open ends
/// meaning the finest and the coarsest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LevelChoice {
    text: String,
    parts: Vec<(Option<Resolution>, Option<Resolution>)>,
}

impl TryFrom<String> for LevelChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LevelChoice> for String {
    fn from(choice: LevelChoice) -> Self {
        choice.text
    }
}

impl FromStr for LevelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(part).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), parts })
    }
}

fn part(text: &str) -> Result<(Option<Resolution>, Option<Resolution>), String> {
    let side = |text: &str| {
        let side = text.parse().ok().and_then(|pixels| Resolution::new(pixels).ok());
        side.ok_or_else(|| {
            format!("{text:?} is no level: expected a power of two from 4 to 4096, as in 4..256 or 4,16,64")
        })
    };
    let Some((low, high)) = text.split_once("..") else {
        let only = side(text)?;
        return Ok((Some(only), Some(only)));
    };
    let high = high.strip_prefix('=').unwrap_or(high);
    let low = if low.is_empty() { None } else { Some(side(low)?) };
    let high = if high.is_empty() { None } else { Some(side(high)?) };
    if high.is_some_and(|high| Some(high) < low) {
        return Err(format!("{text:?} is empty: write the coarser level first, as in 4..256"));
    }
    Ok((low, high))
}

impl LevelChoice {
    /// The levels chosen of images of side `finest`, ascending, where the coarsest that there can be is
    /// `coarsest`.
    ///
    /// # Errors
    /// When a level is named that there cannot be.
    pub fn of(&self, finest: Resolution, coarsest: Resolution) -> anyhow::Result<Vec<Resolution>> {
        let named = || self.parts.iter().flat_map(|&(low, high)| [low, high]).flatten();
        if let Some(beyond) = named().max().filter(|&r| r > finest) {
            bail!("--levels {} cannot be used: the images have {finest} px, less than {beyond}", self.text);
        }
        if let Some(below) = named().min().filter(|&r| r < coarsest) {
            bail!(
                "--levels {} cannot be used: {coarsest} px is the coarsest level, {below} is below",
                self.text
            );
        }
        let chosen = |r: &Resolution| {
            self.parts
                .iter()
                .any(|&(low, high)| (low.unwrap_or(coarsest)..=high.unwrap_or(finest)).contains(r))
        };
        let mut levels: Vec<Resolution> = finest.down_to(coarsest).filter(chosen).collect();
        levels.reverse();
        Ok(levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str, packed: u64) -> Result<Vec<usize>, String> {
        let choice: LevelChoice = text.parse()?;
        let packed = Resolution::new(packed).unwrap();
        let levels = choice.of(packed, Resolution::MIN).map_err(|e| e.to_string())?;
        Ok(levels.into_iter().map(Resolution::pixels).collect())
    }

    #[test]
    fn ranges_include_both_ends_and_parts_add_up() {
        assert_eq!(levels("4..16", 64), Ok(vec![4, 8, 16]));
        assert_eq!(levels("4..=16", 64), Ok(vec![4, 8, 16]));
        assert_eq!(levels("32", 64), Ok(vec![32]));
        assert_eq!(levels("64,4,16,4", 64), Ok(vec![4, 16, 64]));
        assert_eq!(levels("32..,..8", 64), Ok(vec![4, 8, 32, 64]));
        assert_eq!(levels("..", 16), Ok(vec![4, 8, 16]));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in ["", "4,", "5", "2..8", "4..9", "4-8", "4..8..16", "8192", "x"] {
            assert!(levels(text, 64).unwrap_err().contains("expected a power of two"), "{text}");
        }
        assert!(levels("16..4", 64).unwrap_err().contains("coarser level first"));
        let error = levels("4..128", 64).unwrap_err();
        assert_eq!(error, "--levels 4..128 cannot be used: the images have 64 px, less than 128");
    }

    #[test]
    fn open_ends_stop_at_the_coarsest_level_and_named_ones_must_not_pass_it() {
        let [r16, r64] = [16, 64].map(|side| Resolution::new(side).unwrap());
        let of = |text: &str| text.parse::<LevelChoice>().unwrap().of(r64, r16).map_err(|e| e.to_string());
        assert_eq!(of("..32").unwrap().len(), 2);
        let error = of("8..32").unwrap_err();
        assert_eq!(error, "--levels 8..32 cannot be used: 16 px is the coarsest level, 8 is below");
    }
}
