//! Where sampled images go: a folder, a zip, or a dataset.

mod folder;
mod shards;
mod zip_file;

use std::path::Path;

use anyhow::{Context as _, bail};
use pg_cli::CommonArgs;
use pg_image::Planar;

use crate::args::SampleFormat;
pub(crate) use shards::SampleOrigin;

/// Takes images one by one, in the order of the seeds.
pub(crate) enum ImageOutput {
    Folder(folder::Folder),
    Zip(Box<zip_file::ZipFile>),
    Shards(Box<shards::Shards>),
    /// A dataset that is complete already.
    Complete,
}

impl ImageOutput {
    /// Opens what `path` is to become; without `format` its name decides.
    pub(crate) fn open(
        path: &Path,
        format: Option<SampleFormat>,
        origin: &SampleOrigin<'_>,
        common: &CommonArgs,
    ) -> anyhow::Result<Self> {
        let is_zip_name = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        let context = || format!("-o: cannot write {}", path.display());
        match format.unwrap_or(if is_zip_name { SampleFormat::Zip } else { SampleFormat::Folder }) {
            SampleFormat::Folder if path.is_file() => {
                bail!(
                    "-o {}: is a file; expected a folder, a name that ends in .zip, or --grid",
                    path.display()
                )
            }
            SampleFormat::Folder => {
                folder::Folder::open(path, common).map(Self::Folder).with_context(context)
            }
            SampleFormat::Zip => {
                common.try_file(path, "-o")?;
                zip_file::ZipFile::open(path).map(Box::new).map(Self::Zip).with_context(context)
            }
            SampleFormat::Shards => {
                shards::Shards::open(path, origin, common.overwrite).with_context(context)
            }
        }
    }

    /// Images, from the first, that an earlier run of the same command has finished.
    pub(crate) fn already_there(&self, all: usize) -> usize {
        match self {
            Self::Shards(shards) => shards.already_there(),
            Self::Complete => all,
            _ => 0,
        }
    }

    /// Takes the next image.
    pub(crate) fn push(&mut self, seed: u64, image: Planar<u8>) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => folder.push(seed, &image),
            Self::Zip(zip) => zip.push(seed, &image),
            Self::Shards(shards) => shards.push(seed, image),
            Self::Complete => Ok(()),
        }
    }

    /// What there is when the work stops here, and how to go on.
    pub(crate) fn kept(&self) -> &'static str {
        match self {
            Self::Folder(_) => "the images so far are kept; the same command writes them all",
            Self::Zip(_) => "nothing is kept",
            Self::Shards(_) | Self::Complete => {
                "finished shards are kept; run the same command again to go on"
            }
        }
    }

    /// Completes the output; before that a zip is not there under its name, and a dataset is none.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Folder(_) | Self::Complete => Ok(()),
            Self::Zip(zip) => zip.finish(),
            Self::Shards(shards) => shards.finish(),
        }
    }
}
