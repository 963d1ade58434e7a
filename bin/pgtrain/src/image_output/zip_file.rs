//! A zip of PNG files.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use pg_image::Planar;
use pg_image::files::{FailsOnce, NewFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::pictures;

pub(crate) struct ZipFile {
    zip: ZipWriter<FailsOnce<BufWriter<File>>>,
    new: NewFile,
}

impl ZipFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let new = NewFile::create(path)?;
        Ok(Self { zip: ZipWriter::new(FailsOnce::new(BufWriter::new(new.file()?))), new })
    }

    pub(super) fn push(&mut self, seed: u64, image: &Planar<u8>) -> anyhow::Result<()> {
        // PNG is compressed already. No time of day: the same images make the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        let png = pictures::encode(image)?;
        self.zip.start_file(pictures::file_name(seed), options).context("cannot write the zip")?;
        self.zip.write_all(&png).context("cannot write the zip")
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        let written = self.zip.finish().context("cannot write the zip")?;
        let flushed = written.into_inner().and_then(|mut written| written.flush());
        flushed.and_then(|()| self.new.finish()).context("cannot write the zip")
    }
}
