//! `pgprep compare`: do two datasets hold the same?

use std::cmp::Reverse;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use pg_cli::{ExitStatus, Provenance};
use pg_image::Resolution;
use pg_shard::{Dataset, Level};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::CompareArgs;
use crate::at_url;
use crate::building::stopped;
use crate::session::{Session, TOOL, count};

/// Where two levels differ first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    image: usize,
    channel: usize,
    row: usize,
    column: usize,
    values: [u8; 2],
}

/// What comparing the pixels of one level found.
#[derive(Debug, Clone, Copy, Default)]
struct LevelDifference {
    images_that_differ: usize,
    largest: u8,
    first: Option<Place>,
}

impl LevelDifference {
    fn join(self, other: Self) -> Self {
        Self {
            images_that_differ: self.images_that_differ + other.images_that_differ,
            largest: self.largest.max(other.largest),
            // `None` sorts first, so the order is turned twice.
            first: self.first.map(Reverse).max(other.first.map(Reverse)).map(|Reverse(place)| place),
        }
    }
}

pub(crate) fn run(session: &Session, args: &CompareArgs) -> anyhow::Result<ExitStatus> {
    // Of datasets at URLs, first what the manifests tell, then the levels that both have.
    let manifest = |path: &Path| at_url::dataset(session, path, |_| Ok(Vec::new()));
    let (a, b) = (manifest(&args.a)?, manifest(&args.b)?);
    let both: Vec<Resolution> =
        a.resolutions().iter().copied().filter(|r| b.resolutions().contains(r)).collect();
    let with_levels = |path: &Path| at_url::dataset(session, path, |_| Ok(both.clone()));
    let (a, b) = (with_levels(&args.a)?, with_levels(&args.b)?);
    let mut differences = facts(&a, &b);
    let images = a.len().min(b.len());
    let labels = labels_that_differ(&a, &b, images)?;
    if let Some((number, first)) = labels {
        differences
            .push(format!("labels of {} differ, the first is that of image {first}", images_text(number)));
    }
    let common: Vec<Resolution> = if a.channels() == b.channels() {
        a.resolutions().iter().copied().filter(|r| b.resolutions().contains(r)).collect()
    } else {
        Vec::new()
    };
    let mut levels = Vec::new();
    let progress = session.progress("compare", "images", images * common.len());
    for (done, &r) in common.iter().enumerate() {
        let (level_a, level_b) = (a.level(r)?, b.level(r)?);
        let mut found = LevelDifference::default();
        let batch = 64 * session.batch_size();
        for start in (0..images).step_by(batch) {
            stopped(session, done * images + start, images * common.len(), "images")?;
            let end = (start + batch).min(images);
            let of_batch = (start..end)
                .into_par_iter()
                .map(|i| compare_image(&level_a, &level_b, i))
                .try_reduce(LevelDifference::default, |x, y| Ok(x.join(y)))?;
            found = found.join(of_batch);
            progress.advance((end - start) as u64);
        }
        if let Some(first) = found.first {
            differences.push(level_line(r, &found, first, &a, &b));
        }
        levels.push((r, found));
    }
    progress.finish();

    let same = differences.is_empty();
    let json = json!({
        "same": same,
        "differences": differences,
        "images": [a.len(), b.len()],
        "labels_that_differ": labels.map_or(0, |(number, _)| number),
        "levels": levels.iter().map(|(r, found)| level_json(*r, found)).collect::<Vec<_>>(),
        "fingerprints": [a.fingerprint(), b.fingerprint()],
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None).count("images_compared", images),
    });
    if same {
        let sides: Vec<String> = common.iter().map(ToString::to_string).collect();
        let labels = if a.label_names().is_some() { " and labels" } else { "" };
        differences.push(format!(
            "same: {} at {} px, equal pixels{labels}",
            count(images as u64, "image"),
            sides.join(", ")
        ));
    }
    session.result(&json, differences)?;
    Ok(if same { ExitStatus::Done } else { ExitStatus::SomeFailed })
}

fn images_text(n: usize) -> String {
    count(n as u64, "image")
}

/// Differences that the manifests tell.
fn facts(a: &Dataset, b: &Dataset) -> Vec<String> {
    let mut differences = Vec::new();
    if a.len() != b.len() {
        differences.push(format!(
            "A has {}, B {}; the first {} are compared",
            images_text(a.len()),
            images_text(b.len()),
            a.len().min(b.len())
        ));
    }
    if a.channels() != b.channels() {
        let (a, b) = (a.channels() as u64, b.channels() as u64);
        differences.push(format!(
            "A has {}, B {}: pixels cannot be compared",
            count(a, "channel"),
            count(b, "channel")
        ));
    }
    if a.resolutions() != b.resolutions() {
        let sides =
            |d: &Dataset| d.resolutions().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        differences.push(format!("A has levels of {} px, B of {} px", sides(a), sides(b)));
    }
    if a.label_names() != b.label_names() {
        let names = |d: &Dataset| match d.label_names() {
            None => "no labels".to_owned(),
            Some(names) => format!("{} ({})", count(names.len() as u64, "label column"), shortened(names)),
        };
        differences.push(format!("A has {}, B {}", names(a), names(b)));
    }
    differences
}

fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let rest = if names.len() > SHOWN { ", …" } else { "" };
    names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ") + rest
}

/// How many label rows differ and the first of them, where both datasets have rows of one length.
fn labels_that_differ(a: &Dataset, b: &Dataset, images: usize) -> anyhow::Result<Option<(usize, usize)>> {
    match (a.label_names(), b.label_names()) {
        (Some(names_a), Some(names_b)) if names_a.len() == names_b.len() => {}
        _ => return Ok(None),
    }
    let (mut number, mut first) = (0, None);
    for i in 0..images {
        let row =
            |d: &Dataset, name: &str| d.label(i).ok_or_else(|| anyhow!("{name} has no label for image {i}"));
        if row(a, "A")? != row(b, "B")? {
            number += 1;
            first.get_or_insert(i);
        }
    }
    Ok(first.map(|first| (number, first)))
}

fn compare_image(a: &Level, b: &Level, image: usize) -> anyhow::Result<LevelDifference> {
    let a_pixels = a.image(image).context("cannot read A")?;
    let b_pixels = b.image(image).context("cannot read B")?;
    if a_pixels == b_pixels {
        return Ok(LevelDifference::default());
    }
    let Some(at) = a_pixels.iter().zip(b_pixels.iter()).position(|(x, y)| x != y) else {
        return Ok(LevelDifference::default());
    };
    let largest = a_pixels.iter().zip(b_pixels.iter()).map(|(x, y)| x.abs_diff(*y)).max().unwrap_or(0);
    let r = a.resolution().pixels();
    let first = Place {
        image,
        channel: at / (r * r),
        row: at / r % r,
        column: at % r,
        values: [a_pixels[at], b_pixels[at]],
    };
    Ok(LevelDifference { images_that_differ: 1, largest, first: Some(first) })
}

fn level_line(r: Resolution, found: &LevelDifference, first: Place, a: &Dataset, b: &Dataset) -> String {
    let (of_a, of_b) = (source_of(a, first.image), source_of(b, first.image));
    let made_of = if of_a == of_b { of_a } else { format!("{of_a} in A, {of_b} in B") };
    format!(
        "{r} px: {} by up to {}; the first is image {} ({made_of}): channel {}, row {}, column {} is {} in A, {} in B",
        if found.images_that_differ == 1 {
            "1 image differs".to_owned()
        } else {
            format!("{} images differ", found.images_that_differ)
        },
        found.largest,
        first.image,
        first.channel,
        first.row,
        first.column,
        first.values[0],
        first.values[1]
    )
}

/// The photo that an image was made of.
fn source_of(dataset: &Dataset, image: usize) -> String {
    let mut before = 0;
    for (position, shard) in dataset.manifest().shards.iter().enumerate() {
        if image < before + shard.images {
            let lines = dataset.index_of_shard(position).unwrap_or_default();
            return lines.get(image - before).map_or_else(|| "unknown".to_owned(), |line| line.path.clone());
        }
        before += shard.images;
    }
    "unknown".to_owned()
}

fn level_json(r: Resolution, found: &LevelDifference) -> Value {
    json!({
        "resolution": r.pixels(),
        "images_that_differ": found.images_that_differ,
        "largest_difference": found.largest,
        "first": found.first.map(|first| json!({
            "image": first.image,
            "channel": first.channel,
            "row": first.row,
            "column": first.column,
            "a": first.values[0],
            "b": first.values[1],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_keeps_the_largest_difference_and_the_first_place() {
        let at = |image: usize, largest: u8| {
            let first = Some(Place { image, channel: 0, row: 0, column: 0, values: [0, largest] });
            LevelDifference { images_that_differ: 1, largest, first }
        };
        for (x, y) in [(at(4, 9), at(2, 1)), (at(2, 1), at(4, 9))] {
            let joined = x.join(LevelDifference::default()).join(y);
            assert_eq!((joined.images_that_differ, joined.largest), (2, 9));
            assert_eq!(joined.first.map(|place| place.image), Some(2));
        }
    }
}
