//! A folder of PNG files, each written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use pg_image::Planar;

use crate::pictures;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    pub(super) fn push(&self, seed: u64, image: &Planar<u8>) -> anyhow::Result<()> {
        pictures::write_bytes(&self.0.join(pictures::file_name(seed)), &pictures::encode(image)?)
    }
}
