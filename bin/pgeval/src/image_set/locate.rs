//! What a path given for REAL, FAKE or IMAGES names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pg_image::Resolution;
use pg_image::files::list_images;
use pg_shard::format::BUILD_FILE;
use pg_shard::{Dataset, Level, Manifest};
use pg_sources::{Source as ForeignSource, SourceError, SourceFormat};

/// Where images come from.
#[derive(Debug)]
pub(super) enum Source {
    Folder(Vec<PathBuf>),
    Zip(ForeignSource),
    Dataset(Level),
}

/// Opens what is at `path`, given for the argument called `role`.
pub(super) fn locate(role: &str, path: &Path) -> Result<Source> {
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
        return open_zip(role, path);
    }
    // Not there as it stands: DATASET@64?
    let Some((folder, level)) = path.to_str().and_then(|text| text.rsplit_once('@')) else {
        bail!(
            "{role} {} does not exist; expected a folder of images, a zip of them or a dataset",
            path.display()
        );
    };
    let folder = Path::new(folder);
    if !folder.is_dir() {
        bail!(
            "{role} {} does not exist, nor does a dataset {}; expected a folder of images, a zip of them or a dataset",
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

fn open_zip(role: &str, path: &Path) -> Result<Source> {
    match SourceFormat::detect(path) {
        Ok(SourceFormat::Zip) => {}
        Err(error @ SourceError::Io { .. }) => {
            return Err(error).with_context(|| format!("open {role} {}", path.display()));
        }
        _ => bail!(
            "{role} {} is a file, expected a folder of images, a zip of them or a dataset; other archives can be packed to a dataset with `pgprep pack`",
            path.display()
        ),
    }
    let zip = ForeignSource::open_as(path, SourceFormat::Zip);
    Ok(Source::Zip(zip.with_context(|| format!("open {role} {} as a zip", path.display()))?))
}

fn open_dataset(role: &str, path: &Path) -> Result<Dataset> {
    Dataset::open(path).with_context(|| format!("open {role} {} as a dataset", path.display()))
}
