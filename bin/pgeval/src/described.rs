//! Describing a set of images, for the sliced Wasserstein distance and by a network: into a statistics file that stays, or
//! into a scratch file.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use pg_build::byte_size;
use pg_cli::{Interrupt, Progress};
use pg_image::{Planar, Resolution};
use pg_metrics::{FeatureExtractor, Features, SWD_LOWEST_PX, Side, swd_resolutions};
use pg_stats::{NetworkRow, StatsError, StatsProtocol, StatsWriter};
use rayon::prelude::*;

use crate::args::SwdProtocolArgs;
use crate::image_set::ImageSet;
use crate::interruption::nothing_kept;

/// The levels that `--levels` picks for images of side `resolution_px`; `None` when it was not given.
pub(crate) fn compared_levels(args: &SwdProtocolArgs, resolution_px: usize) -> Result<Option<Vec<usize>>> {
    let Some(choice) = &args.levels else { return Ok(None) };
    let resolution = |px: usize| Resolution::new(px as u64);
    let levels = choice.of(resolution(resolution_px)?, resolution(SWD_LOWEST_PX)?)?;
    Ok(Some(levels.into_iter().rev().map(Resolution::pixels).collect()))
}

/// Refuses images that have no pyramid, of which the one called `name` is the first.
pub(crate) fn check_size((width_px, height_px): (usize, usize), name: &str) -> Result<()> {
    if width_px != height_px || swd_resolutions(width_px).is_err() {
        bail!(
            "{name} has {width_px}x{height_px} pixels: the sliced Wasserstein distance needs square images whose side is a power of two of at least 16; --fit crop, pad or stretch makes such of them, with --resolution 16 or more where they are smaller"
        );
    }
    Ok(())
}

/// Room for `image_count` images that are compared at once.
pub(crate) fn described_in_scratch(
    protocol: StatsProtocol,
    side: Side,
    image_count: usize,
) -> Result<StatsWriter> {
    let folder = scratch_folder();
    StatsWriter::scratch(&folder, protocol, side, image_count)
        .context("the scratch file cannot be made; TMPDIR names another folder")
}

/// `$TMPDIR`, or /var/tmp, which is on disk where /tmp may be in memory.
fn scratch_folder() -> PathBuf {
    let on_disk = Path::new("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && on_disk.is_dir() {
        return on_disk.to_owned();
    }
    std::env::temp_dir()
}

/// Images to describe: those of `set` from number `first` on, which was given for the argument `role`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) role: &'a str,
    pub(crate) set: &'a ImageSet,
    pub(crate) first: usize,
}

/// What brings images through a network.
#[derive(Clone, Copy)]
pub(crate) struct Extraction<'a> {
    pub(crate) extractor: &'a dyn FeatureExtractor,
    /// Where outputs that are not finite are noted, with 0 in their place; they end the work where nothing is to go on
    /// without them.
    pub(crate) faults: Option<&'a NetworkFaults>,
}

/// Reads the images of `source`, each once, as many as `writer` has room for, and brings them through a network, batch by
/// batch; `see` gets them too, by their number in `writer`.
///
/// Every thread reads and prepares a batch of its own, so that decoding hides behind the network.
pub(crate) fn describe(
    writer: &StatsWriter,
    source: Source<'_>,
    network: Option<Extraction<'_>>,
    progress: &Progress,
    interrupt: &Interrupt,
    see: &(dyn Fn(usize, &Planar<u8>) -> Result<()> + Sync),
) -> Result<()> {
    let batch_size = network.map_or(1, |network| network.extractor.batch_size());
    let batches = writer.image_count().div_ceil(batch_size);
    let one = |input: &mut Vec<f32>, batch: usize| -> Result<(), (usize, Error)> {
        let begin = batch * batch_size;
        let indices = begin..(begin + batch_size).min(writer.image_count());
        let count = indices.len() as u64;
        describe_batch(writer, source, network, indices, input, interrupt, see)?;
        progress.advance(count);
        Ok(())
    };
    // The first failure in the order of the images, whichever is met first; what comes after it is left out.
    let first_failed = AtomicUsize::new(usize::MAX);
    let failures = (0..batches).into_par_iter().with_max_len(1).map_init(Vec::new, |input, batch| {
        if batch > first_failed.load(Ordering::Relaxed) {
            return None;
        }
        let failure = one(input, batch).err()?;
        first_failed.fetch_min(batch, Ordering::Relaxed);
        Some(failure)
    });
    failures.flatten().min_by_key(|(index, _)| *index).map_or(Ok(()), |(_, error)| Err(error))
}

/// The images `indices` of `writer`, which are a batch; a failure comes with the image it is about.
fn describe_batch(
    writer: &StatsWriter,
    source: Source<'_>,
    network: Option<Extraction<'_>>,
    indices: Range<usize>,
    input: &mut Vec<f32>,
    interrupt: &Interrupt,
    see: &(dyn Fn(usize, &Planar<u8>) -> Result<()> + Sync),
) -> Result<(), (usize, Error)> {
    let Source { set, first: offset, .. } = source;
    let per_image = network.map_or(0, |network| network.extractor.input_len());
    input.resize(indices.len() * per_image, 0.0);
    let mut images = Vec::with_capacity(indices.len());
    for (place, index) in indices.clone().enumerate() {
        let read = || -> Result<Planar<u8>> {
            interrupt.check(nothing_kept)?;
            let image = set.read(offset + index)?;
            see(index, &image)?;
            Ok(image)
        };
        let image = read().map_err(|error| (index, error))?;
        if let Some(network) = network {
            let input = &mut input[place * per_image..][..per_image];
            let prepared = network.extractor.prepare(&image, input).with_context(|| set.name(offset + index));
            prepared.map_err(|error| (index, error))?;
        }
        images.push(image);
    }
    let first = indices.start;
    let said = network.map(|network| network.extractor.extract(input)).transpose();
    let mut said = said.map_err(|error| (first, Error::new(error).context(set.name(offset + first))))?;
    if let (Some(said), Some(network)) = (&mut said, network) {
        check_outputs(said, network.faults, source, writer.protocol(), first)?;
    }
    let rows = said.as_ref().map(|said| {
        let logits = said.logits.as_ref().and_then(|logits| logits.as_slice());
        (said.features.as_slice().unwrap_or_default(), logits.unwrap_or_default())
    });
    for (place, (index, image)) in indices.clone().zip(&images).enumerate() {
        let row = rows.map(|(features, logits)| {
            let part = |values: &'_ [f32]| {
                let width = values.len() / images.len();
                place * width..(place + 1) * width
            };
            NetworkRow { features: &features[part(features)], logits: &logits[part(logits)] }
        });
        let put = writer.put(index, &set.file_name(offset + index), image, row);
        put.map_err(|error| (index, explained(error, writer, || set.name(offset + index))))?;
    }
    Ok(())
}

/// Finds outputs that are not finite, of a batch whose first image has the number `first`.
fn check_outputs(
    said: &mut Features,
    faults: Option<&NetworkFaults>,
    Source { role, set, first: offset }: Source<'_>,
    protocol: &StatsProtocol,
    first: usize,
) -> Result<(), (usize, Error)> {
    let network = protocol.network.as_ref();
    let features = network.map(|network| network.features.as_str());
    let logits = network.and_then(|network| network.logits.as_deref());
    let outputs = [(Some(&mut said.features), features), (said.logits.as_mut(), logits)];
    for (kind, (values, name)) in outputs.into_iter().enumerate() {
        let Some(values) = values else { continue };
        for (row, mut of_image) in values.outer_iter_mut().enumerate() {
            let Some(place) = of_image.iter().position(|value| !value.is_finite()) else { continue };
            let (index, value) = (first + row, of_image[place]);
            let error = anyhow!(
                "cannot use `{}` ({role}): output `{}` of the network (--model) is {value} at place {place}, expected finite numbers; leave the image out or repair the network",
                set.name(offset + index),
                name.unwrap_or_default(),
            );
            let Some(faults) = faults else { return Err((index, error)) };
            faults.note(kind, index, error.to_string());
            of_image.fill(0.0);
        }
    }
    Ok(())
}

/// Outputs of a network that no metric can take: of features and of class scores, what is wrong with the first image.
#[derive(Debug, Default)]
pub(crate) struct NetworkFaults([Mutex<Option<(usize, String)>>; 2]);

impl NetworkFaults {
    /// The first in the order of the images stays, whichever is met first.
    fn note(&self, kind: usize, index: usize, text: String) {
        let mut first = self.0[kind].lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
            *first = Some((index, text));
        }
    }

    fn of(&self, kind: usize) -> Result<()> {
        match &*self.0[kind].lock().unwrap_or_else(PoisonError::into_inner) {
            Some((_, text)) => bail!("{text}"),
            None => Ok(()),
        }
    }

    /// That all features are finite.
    pub(crate) fn check_features(&self) -> Result<()> {
        self.of(0)
    }

    /// That all class scores are finite.
    pub(crate) fn check_logits(&self) -> Result<()> {
        self.of(1)
    }
}

fn explained(error: StatsError, writer: &StatsWriter, name: impl Fn() -> String) -> Error {
    if matches!(error, StatsError::Io { .. }) {
        let size = byte_size(writer.file_bytes());
        return Error::new(error)
            .context(format!("what is kept of the images takes {size} on disk; make room, or have it elsewhere (TMPDIR for scratch files)"));
    }
    Error::new(error).context(name())
}
