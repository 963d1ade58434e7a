//! What a path given for REAL, FAKE or IMAGES names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_cli::is_in_scratch;
use pg_image::Resolution;
use pg_shard::format::BUILD_FILE;
use pg_shard::{Dataset, Level, Manifest};
use pg_sources::{Source as Collection, SourceError};
use serde_json::Value;

/// How the header of a statistics file begins, after its length.
const STATS_HEADER: &[u8] = br#"{"__metadata__":{"format":"pgstats""#;

/// Where images come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Somebody's images, of any format that pgprep packs.
    Collection(Collection),
    Dataset(DatasetLevel),
}

/// A level of a dataset, and what its images' files were called.
#[derive(Debug)]
pub(super) struct DatasetLevel {
    pub(super) level: Level,
    pub(super) file_names: Vec<String>,
    /// How the images were made, from the manifest.
    pub(super) preprocessing: Value,
}

impl DatasetLevel {
    fn open(dataset: &Dataset, resolution: Resolution) -> Result<Self> {
        let level = dataset.level(resolution)?;
        let mut file_names = Vec::with_capacity(dataset.len());
        for shard in 0..dataset.manifest().shards.len() {
            for line in dataset.index_of_shard(shard)? {
                file_names.push(last_part(&line.path).to_owned());
            }
        }
        let preprocessing = Value::Object(dataset.manifest().preparation());
        Ok(Self { level, file_names, preprocessing })
    }
}

/// What follows the last `/` of a path.
pub(super) fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Opens what is at `path`, given for the argument called `role`.
pub(super) fn locate(role: &str, path: &Path) -> Result<Source> {
    if path.is_dir() {
        // An unfinished dataset has its own error, better than "no images".
        if Manifest::is_in(path) || path.join(BUILD_FILE).is_file() {
            let dataset = open_dataset(role, path, None)?;
            let finest = dataset.resolutions().last().copied();
            let finest = finest.with_context(|| format!("{role} {} has no levels", path.display()))?;
            let opened = DatasetLevel::open(&dataset, finest);
            return Ok(Source::Dataset(
                opened.with_context(|| format!("open {role} {} as a dataset", path.display()))?,
            ));
        }
    }
    if path.exists() {
        return open_collection(role, path);
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
    let dataset = open_dataset(role, folder, Some(resolution))?;
    let opened = DatasetLevel::open(&dataset, resolution);
    Ok(Source::Dataset(opened.with_context(|| format!("open {role} {}", path.display()))?))
}

/// Whether `path` is a statistics file, by its name or its first bytes.
pub(crate) fn is_stats_file(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut start = [0; 64];
    let is_read = File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
    path.extension().is_some_and(|extension| extension == "pgstats")
        || (is_read && start[8..].starts_with(STATS_HEADER))
}

/// Whether `path` is a `.npz`, by its name: its content is that of any zip.
pub(crate) fn is_npz_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "npz") && path.is_file()
}

fn open_collection(role: &str, path: &Path) -> Result<Source> {
    if is_stats_file(path) {
        bail!(
            "{role} {} is a statistics file, which holds no images; `swd` and `all` take one as REAL only",
            path.display()
        );
    }
    match Collection::open(path) {
        Ok(collection) => Ok(Source::Collection(collection)),
        Err(SourceError::NoImages { .. }) => bail!(
            "{role} {} holds no images; give a folder of PNG, JPEG, WebP, AVIF, BMP, TIFF or GIF files, a zip of them, or a dataset",
            path.display()
        ),
        Err(SourceError::Unknown { .. }) => bail!(
            "{role} {} is a file, expected a folder of images, a zip of them or a dataset; CIFAR, MNIST, LMDB and TFRecords are read too",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("open {role} {}", path.display())),
    }
}

/// Of a dataset at a URL only the level that is needed was brought here.
fn open_dataset(role: &str, path: &Path, level: Option<Resolution>) -> Result<Dataset> {
    let open = || {
        if !is_in_scratch(path) {
            return Dataset::open(path);
        }
        let level = level.or(Manifest::read(path)?.levels().last().copied());
        Dataset::open_part(path, level.as_slice())
    };
    open().with_context(|| format!("open {role} {} as a dataset", path.display()))
}
