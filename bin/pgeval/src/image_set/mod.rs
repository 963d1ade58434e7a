//! REAL, FAKE and IMAGES: a set of images on disk, read one by one.

mod encodings;
mod locate;
mod sizes;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use pg_cli::{StderrNotes, shown};
use pg_image::files::{DecodeLimits, FilesError, LeftOut, NamedCount, decode_bytes};
use pg_image::{Fit, Planar, Raster, fit};
use pg_sources::{Content, SourceError, SourceFormat};
use serde_json::{Value, json};

use encodings::SeenEncodings;
pub(crate) use encodings::encoding_warnings;
use locate::{DatasetLevel, Source, last_part, locate};
pub(crate) use locate::{is_npz_file, is_stats_file};
use sizes::SeenSizes;

use crate::args::ImageArgs;

/// A set of RGB images of one size, numbered in a fixed order: by path, or as in the dataset.
#[derive(Debug)]
pub(crate) struct ImageSet {
    argument: String,
    source: Source,
    limits: DecodeLimits,
    width_px: usize,
    height_px: usize,
    /// What makes squares of `width_px` of images of other sizes; `None` where all must have one size.
    fit: Option<Fit>,
    /// Of image files; a dataset does not know.
    encodings: Option<SeenEncodings>,
    sizes: SeenSizes,
    /// Whether images may have any size; `width_px` and `height_px` are the first one's then.
    any_size: bool,
    /// The first image, which opening decodes, until it is read.
    first: Mutex<Option<Raster>>,
}

impl ImageSet {
    /// Opens what `path` names; where `--fit` does not make squares of all images, each keeps its size.
    pub(crate) fn open_of_any_size(role: &str, path: &Path, input: ImageArgs) -> Result<Self> {
        let mut set = Self::open(role, path, input, None)?;
        set.any_size = set.fit.is_none() && !matches!(set.source, Source::Dataset(_));
        Ok(set)
    }

    /// Opens what `path`, given for the argument called `role`, names.
    ///
    /// A folder or zip is listed and its first image decoded, for the size that all others must have, or are
    /// brought to by `--fit`. `side_px` says that size where another set decides it.
    pub(crate) fn open(role: &str, path: &Path, input: ImageArgs, side_px: Option<usize>) -> Result<Self> {
        let mut set = Self {
            argument: shown(&path.display().to_string()).into_owned(),
            source: locate(role, path)?,
            limits: input.limits(),
            width_px: 0,
            height_px: 0,
            fit: None,
            encodings: None,
            sizes: SeenSizes::default(),
            any_size: false,
            first: Mutex::default(),
        };
        if set.len() == 0 {
            bail!("{role} {} is a dataset without images", set.argument);
        }
        if let Source::Dataset(of) = &set.source {
            let side = of.level.resolution().pixels();
            if let Some(asked) = input.resolution.filter(|&asked| asked != side) {
                bail!(
                    "{role} {}: its images have {side} px, --resolution asks for {asked}; of a dataset, DATASET@{asked} picks that level",
                    set.argument
                );
            }
            (set.width_px, set.height_px) = (side, side);
            return Ok(set);
        }
        set.encodings = set.holds_files().then(|| SeenEncodings::new(set.len()));
        let first = set.decode_file(role, 0)?;
        (set.width_px, set.height_px) = (first.width(), first.height());
        let how = input.fit.fit();
        if how != Fit::Strict || input.resolution.is_some() {
            let within = first.width().min(first.height());
            let largest = if within == 0 { 0 } else { 1 << within.ilog2() };
            let side = input.resolution.or(side_px).unwrap_or(largest);
            set.fit = Some(how);
            (set.width_px, set.height_px) = (side, side);
        }
        set.first = Mutex::new(Some(first));
        Ok(set)
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        match &self.source {
            Source::Collection(collection) => collection.items().len(),
            Source::Dataset(of) => of.level.len(),
        }
    }

    /// Whether its images are files that somebody encoded.
    fn holds_files(&self) -> bool {
        let Source::Collection(collection) = &self.source else { return false };
        matches!(collection.format(), SourceFormat::Folder | SourceFormat::Zip | SourceFormat::Lmdb)
    }

    /// The argument as typed.
    pub(crate) fn argument(&self) -> &str {
        &self.argument
    }

    /// Columns of every image.
    pub(crate) fn width_px(&self) -> usize {
        self.width_px
    }

    /// Rows of every image.
    pub(crate) fn height_px(&self) -> usize {
        self.height_px
    }

    /// What to call image `index` in a message.
    pub(crate) fn name(&self, index: usize) -> String {
        match &self.source {
            Source::Collection(collection) => match (collection.file(index), collection.items().get(index)) {
                (Some(path), _) => path.display().to_string(),
                (None, Some(item)) => format!("{}/{}", self.argument, item.name),
                (None, None) => index.to_string(),
            },
            Source::Dataset(_) => format!("image {index} of {}", self.argument),
        }
    }

    /// The last part of the path of image `index`, of a dataset that of the file that it was packed from: what
    /// it is called wherever it lies.
    pub(crate) fn file_name(&self, index: usize) -> String {
        match &self.source {
            Source::Dataset(of) => of.file_names.get(index).cloned().unwrap_or_else(|| index.to_string()),
            Source::Collection(_) => last_part(&self.name(index)).to_owned(),
        }
    }

    /// Image `index`, `[3,H,W]`; grey is repeated to RGB. Several threads may read at once.
    pub(crate) fn read(&self, index: usize) -> Result<Planar<u8>> {
        if let Source::Dataset(DatasetLevel { level, .. }) = &self.source {
            let bytes = level.image(index).with_context(|| format!("read {}", self.argument))?;
            let data = if level.channels() == 1 { bytes.repeat(3) } else { bytes.into_owned() };
            return Planar::from_data(3, self.height_px, self.width_px, data)
                .with_context(|| format!("{} is not of the dataset's size", self.name(index)));
        }
        let opened = (index == 0).then(|| held(&self.first).take()).flatten();
        let mut image = match opened {
            Some(first) => first,
            None => self.decode_file("image", index)?,
        };
        if let Some(how) = self.fit {
            self.sizes.note(index, image.width(), image.height());
            image = fit(image, self.width_px, how)
                .with_context(|| format!("{} cannot be used", self.name(index)))?;
        }
        if self.any_size {
            self.sizes.note(index, image.width(), image.height());
        } else if (image.width(), image.height()) != (self.width_px, self.height_px) {
            bail!(
                "{} has {}x{} pixels, expected {}x{} as {}; --fit crop, pad or stretch brings all images to one size",
                self.name(index),
                image.width(),
                image.height(),
                self.width_px,
                self.height_px,
                self.name(0),
            );
        }
        Ok(Planar::from_raster(&image.into_rgb()))
    }

    /// Reads and decodes image `index` of a collection.
    fn decode_file(&self, role: &str, index: usize) -> Result<Raster> {
        let name = self.name(index);
        let bytes = match &self.source {
            Source::Collection(collection) => match collection.read(index, &self.limits) {
                Ok(Content::Encoded(bytes)) => bytes,
                Ok(Content::Pixels(image)) => return Ok(image),
                Err(SourceError::Files(error)) => return Err(with_limit_flag(role, error)),
                Err(error) => return Err(error).with_context(|| format!("read {role}")),
            },
            Source::Dataset(_) => bail!("{name} is no image file"),
        };
        if let Some(encodings) = &self.encodings {
            encodings.note(index, &bytes);
        }
        decode_bytes(&bytes, name, &self.limits).map_err(|error| with_limit_flag(role, error))
    }

    /// For the provenance of a result; encodings are those of the images read so far.
    pub(crate) fn describe(&self) -> Value {
        let kind = match &self.source {
            Source::Collection(collection) => collection.format().name(),
            Source::Dataset(_) => "dataset",
        };
        let mut described = json!({
            "path": self.argument,
            "kind": kind,
            "images": self.len(),
            "width_px": self.width_px,
            "height_px": self.height_px,
        });
        if let Some(encodings) = &self.encodings {
            described["encodings"] =
                encodings.counts().into_iter().map(|(k, n)| (k, Value::from(n))).collect();
        }
        if let Some(left_out) = self.left_out() {
            let counted = |what: &NamedCount| json!({ "count": what.count, "first": what.first });
            described["left_out"] =
                json!({ "files": counted(&left_out.files), "folders": counted(&left_out.folders) });
        }
        if let Some(preprocessing) = self.preprocessing() {
            described["preprocessing"] = preprocessing;
        }
        if !self.sizes.is_empty() {
            described["sizes"] = self.sizes.listed().into_iter().map(|(k, n)| (k, Value::from(n))).collect();
        }
        described
    }

    /// How a dataset's images were made of photographs, as far as its manifest tells; files do not.
    pub(crate) fn preprocessing(&self) -> Option<Value> {
        match &self.source {
            Source::Dataset(of) => Some(of.preprocessing.clone()),
            Source::Collection(_) => None,
        }
    }

    /// What lies beside the images and is none, if there is any.
    fn left_out(&self) -> Option<&LeftOut> {
        let Source::Collection(collection) = &self.source else { return None };
        Some(collection.left_out()).filter(|left_out| left_out.note().is_some())
    }

    /// Says what lies beside the images, given for the argument `role`, and is none.
    pub(crate) fn note_left_out(&self, role: &str, notes: StderrNotes) {
        if let Some(text) = self.left_out().and_then(LeftOut::note) {
            notes.note(format_args!("{role} {}: {text}", self.argument));
        }
    }

    /// What is to be said of the sizes of the images that were read: that they were not all of one.
    pub(crate) fn size_warning(&self, role: &str) -> Option<String> {
        let sizes = self.sizes.listed();
        (sizes.len() > 1).then(|| {
            let some: Vec<String> = sizes.iter().take(4).map(|(size, n)| format!("{n} of {size}")).collect();
            let more = if sizes.len() > 4 { ", ..." } else { "" };
            let to = if self.any_size {
                "the network's input".to_owned()
            } else {
                format!("{}x{}", self.width_px, self.height_px)
            };
            format!(
                "{role} {} has images of {} sizes ({}{more}), brought to {to}: scaling changes every score",
                self.argument,
                sizes.len(),
                some.join(", "),
            )
        })
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_limit_flag(role: &str, error: FilesError) -> anyhow::Error {
    let context = match &error {
        FilesError::TooManyPixels { .. } => {
            format!("read {role}: --max-pixels N allows more")
        }
        _ => format!("read {role}"),
    };
    anyhow::Error::new(error).context(context)
}
