//! A folder of PNG files, each written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use pg_cli::CommonArgs;
use pg_image::Planar;
use pg_shard::format::MANIFEST_FILE;

use crate::pictures;

pub(crate) struct Folder {
    path: PathBuf,
    common: CommonArgs,
}

impl Folder {
    pub(super) fn open(path: &Path, common: &CommonArgs) -> io::Result<Self> {
        for (file, what) in
            [("run.json", "a run"), ("state.json", "a snapshot"), (MANIFEST_FILE, "a dataset")]
        {
            if path.join(file).is_file() {
                return Err(io::Error::other(format!("it is the folder of {what}: choose another")));
            }
        }
        std::fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned(), common: common.clone() })
    }

    pub(super) fn push(&self, seed: u64, image: &Planar<u8>) -> anyhow::Result<()> {
        let path = self.path.join(pictures::file_name(seed));
        self.common.write_one_of_many(&path, "-o", &pictures::encode(image)?)
    }
}
