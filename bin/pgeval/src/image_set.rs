//! REAL, FAKE and IMAGES: a set of images on disk, read one by one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pg_image::files::{DecodeLimits, decode, list_images};
use pg_image::{Planar, Resolution};
use pg_shard::format::BUILD_FILE;
use pg_shard::{Dataset, Level, Manifest};
use serde_json::{Value, json};

/// A set of RGB images of one size, numbered in a fixed order: by path, or as in the dataset.
#[derive(Debug)]
pub(crate) struct ImageSet {
    argument: String,
    source: Source,
    limits: DecodeLimits,
    width_px: usize,
    height_px: usize,
}

#[derive(Debug)]
enum Source {
    Folder(Vec<PathBuf>),
    Dataset(Level),
}

impl ImageSet {
    /// Opens what `path`, given for the argument called `role`, names.
    ///
    /// A folder is listed and its first image decoded, for the size that all others must have.
    pub(crate) fn open(role: &str, path: &Path, max_pixels: u64) -> Result<Self> {
        let argument = path.display().to_string();
        let limits = DecodeLimits { max_pixels, ..DecodeLimits::default() };
        let source = locate(role, path)?;
        let (width_px, height_px) = match &source {
            Source::Folder(paths) => match paths.first() {
                Some(first) => {
                    let image = decode(first, &limits).map_err(|e| with_limit_flag(role, e))?;
                    (image.width(), image.height())
                }
                None => bail!(
                    "{role} {argument} holds no images; give a folder of PNG, JPEG, WebP, BMP, TIFF or GIF files, or a dataset"
                ),
            },
            Source::Dataset(level) if level.is_empty() => {
                bail!("{role} {argument} is a dataset without images")
            }
            Source::Dataset(level) => (level.resolution().pixels(), level.resolution().pixels()),
        };
        Ok(Self { argument, source, limits, width_px, height_px })
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        match &self.source {
            Source::Folder(paths) => paths.len(),
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
            Source::Dataset(_) => format!("image {index} of {}", self.argument),
        }
    }

    /// Image `index`, `[3,H,W]`; grey is repeated to RGB.
    pub(crate) fn read(&self, index: usize) -> Result<Planar<u8>> {
        match &self.source {
            Source::Folder(paths) => {
                let path = paths.get(index).context("image beyond the end of the folder")?;
                let image = decode(path, &self.limits).map_err(|e| with_limit_flag("image", e))?;
                if (image.width(), image.height()) != (self.width_px, self.height_px) {
                    bail!(
                        "{} has {}x{} pixels, expected {}x{} as {}; bring all images to one size, e.g. with `pgprep pack --fit crop`",
                        path.display(),
                        image.width(),
                        image.height(),
                        self.width_px,
                        self.height_px,
                        self.name(0),
                    );
                }
                Ok(Planar::from_raster(&image.into_rgb()))
            }
            Source::Dataset(level) => {
                let bytes = level.image(index).with_context(|| format!("read {}", self.argument))?;
                let data = if level.channels() == 1 { bytes.repeat(3) } else { bytes.into_owned() };
                Planar::from_data(3, self.height_px, self.width_px, data)
                    .with_context(|| format!("{} is not of the dataset's size", self.name(index)))
            }
        }
    }

    /// For the provenance of a result.
    pub(crate) fn describe(&self) -> Value {
        let kind = match &self.source {
            Source::Folder(_) => "folder",
            Source::Dataset(_) => "dataset",
        };
        json!({
            "path": self.argument,
            "kind": kind,
            "images": self.len(),
            "width_px": self.width_px,
            "height_px": self.height_px,
        })
    }
}

fn locate(role: &str, path: &Path) -> Result<Source> {
    if path.is_dir() {
        // An unfinished dataset has its own error, better than "no images".
        if Manifest::is_in(path) || path.join(BUILD_FILE).is_file() {
            let dataset = open_dataset(role, path)?;
            let finest = dataset.resolutions().last().copied();
            let finest = finest.with_context(|| format!("{role} {} has no levels", path.display()))?;
            return Ok(Source::Dataset(dataset.level(finest)?));
        }
        let paths = list_images(path).with_context(|| format!("list the images of {role}"))?;
        return Ok(Source::Folder(paths));
    }
    if path.exists() {
        bail!(
            "{role} {} is a file, expected a folder of images or a dataset; unpack an archive first",
            path.display()
        );
    }
    // Not there as it stands: DATASET@64?
    let Some((folder, level)) = path.to_str().and_then(|text| text.rsplit_once('@')) else {
        bail!("{role} {} does not exist; expected a folder of images or a dataset", path.display());
    };
    let folder = Path::new(folder);
    if !folder.is_dir() {
        bail!(
            "{role} {} does not exist, nor does a dataset {}; expected a folder of images or a dataset",
            path.display(),
            folder.display()
        );
    }
    let resolution = level.parse().ok().and_then(|pixels| Resolution::new(pixels).ok());
    let Some(resolution) = resolution else {
        bail!(
            "{role} {}: {level:?} is no level, expected DATASET@R with R a power of two from 4 to 4096",
            path.display()
        );
    };
    let dataset = open_dataset(role, folder)?;
    Ok(Source::Dataset(dataset.level(resolution).with_context(|| format!("open {role} {}", path.display()))?))
}

fn open_dataset(role: &str, path: &Path) -> Result<Dataset> {
    Dataset::open(path).with_context(|| format!("open {role} {} as a dataset", path.display()))
}

fn with_limit_flag(role: &str, error: pg_image::files::FilesError) -> anyhow::Error {
    let context = match &error {
        pg_image::files::FilesError::TooManyPixels { .. } => {
            format!("read {role}: --max-pixels N allows more")
        }
        _ => format!("read {role}"),
    };
    anyhow::Error::new(error).context(context)
}
