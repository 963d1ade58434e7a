//! REAL, FAKE and IMAGES: a set of images on disk, read one by one.

mod encodings;
mod locate;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_image::files::{DecodeLimits, FilesError, decode_bytes, read_bytes};
use pg_image::{Planar, Raster};
use pg_sources::{Content, SourceError};
use serde_json::{Value, json};

use encodings::SeenEncodings;
pub(crate) use encodings::encoding_warnings;
use locate::{Source, locate};

/// A set of RGB images of one size, numbered in a fixed order: by path, or as in the dataset.
#[derive(Debug)]
pub(crate) struct ImageSet {
    argument: String,
    source: Source,
    limits: DecodeLimits,
    width_px: usize,
    height_px: usize,
    /// Of image files; a dataset does not know.
    encodings: Option<SeenEncodings>,
}

impl ImageSet {
    /// Opens what `path`, given for the argument called `role`, names.
    ///
    /// A folder or zip is listed and its first image decoded, for the size that all others must have.
    pub(crate) fn open(role: &str, path: &Path, max_pixels: u64) -> Result<Self> {
        let mut set = Self {
            argument: path.display().to_string(),
            source: locate(role, path)?,
            limits: DecodeLimits { max_pixels, ..DecodeLimits::default() },
            width_px: 0,
            height_px: 0,
            encodings: None,
        };
        if set.len() == 0 {
            let argument = &set.argument;
            match set.source {
                Source::Folder(_) | Source::Zip(_) => bail!(
                    "{role} {argument} holds no images; give a folder of PNG, JPEG, WebP, BMP, TIFF or GIF files, a zip of them, or a dataset"
                ),
                Source::Dataset(_) => bail!("{role} {argument} is a dataset without images"),
            }
        }
        if let Source::Dataset(level) = &set.source {
            (set.width_px, set.height_px) = (level.resolution().pixels(), level.resolution().pixels());
        } else {
            let first = set.decode_file(role, 0)?;
            (set.width_px, set.height_px) = (first.width(), first.height());
            set.encodings = Some(SeenEncodings::new(set.len()));
        }
        Ok(set)
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        match &self.source {
            Source::Folder(paths) => paths.len(),
            Source::Zip(zip) => zip.items().len(),
            Source::Dataset(level) => level.len(),
        }
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
            Source::Folder(paths) => {
                paths.get(index).map_or_else(|| index.to_string(), |path| path.display().to_string())
            }
            Source::Zip(zip) => {
                let item = zip.items().get(index);
                item.map_or_else(|| index.to_string(), |item| format!("{}/{}", self.argument, item.name))
            }
            Source::Dataset(_) => format!("image {index} of {}", self.argument),
        }
    }

    /// Image `index`, `[3,H,W]`; grey is repeated to RGB. Several threads may read at once.
    pub(crate) fn read(&self, index: usize) -> Result<Planar<u8>> {
        if let Source::Dataset(level) = &self.source {
            let bytes = level.image(index).with_context(|| format!("read {}", self.argument))?;
            let data = if level.channels() == 1 { bytes.repeat(3) } else { bytes.into_owned() };
            return Planar::from_data(3, self.height_px, self.width_px, data)
                .with_context(|| format!("{} is not of the dataset's size", self.name(index)));
        }
        let image = self.decode_file("image", index)?;
        if (image.width(), image.height()) != (self.width_px, self.height_px) {
            bail!(
                "{} has {}x{} pixels, expected {}x{} as {}; bring all images to one size, e.g. with `pgprep pack --fit crop`",
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

    /// Reads and decodes the file of image `index`, of a folder or zip.
    fn decode_file(&self, role: &str, index: usize) -> Result<Raster> {
        let name = self.name(index);
        let bytes = match &self.source {
            Source::Folder(paths) => {
                let path = paths.get(index).context("image beyond the end of the folder")?;
                read_bytes(path, &self.limits).map_err(|error| with_limit_flag(role, error))?
            }
            Source::Zip(zip) => match zip.read(index, &self.limits) {
                Ok(Content::Encoded(bytes)) => bytes,
                // Of archives that hold pixels, which are not opened here.
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
            Source::Folder(_) => "folder",
            Source::Zip(_) => "zip",
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
        described
    }
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
