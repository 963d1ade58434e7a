//! Writing ProGAN's TFRecord datasets.

use std::io::{self, Write};

use pg_image::Resolution;

use super::{example, framing};
use crate::{Labels, npy};

/// `NAME-r06.tfrecords` for the level of 64 pixels.
pub(crate) fn level_file_name(name: &str, resolution: Resolution) -> String {
    format!("{name}-r{:02}{}", resolution.log2(), super::EXTENSION)
}

/// `NAME-rxx.labels`.
pub(crate) fn labels_file_name(name: &str) -> String {
    format!("{name}-rxx.labels")
}

/// One level of a TFRecord dataset being written to `W`: a record per image, as the ProGAN authors' exporter
/// writes them. The coarser levels are files of their own.
#[derive(Debug)]
pub struct TfRecordFile<W> {
    out: W,
    channels: usize,
    side: usize,
}

impl<W: Write> TfRecordFile<W> {
    /// A file of images u8 `[channels,R,R]`.
    pub fn new(out: W, channels: usize, resolution: Resolution) -> Self {
        Self { out, channels, side: resolution.pixels() }
    }

    /// The file's name in the dataset called `name`: `NAME-r06.tfrecords` for 64 pixels.
    #[must_use]
    pub fn file_name(name: &str, resolution: Resolution) -> String {
        level_file_name(name, resolution)
    }

    /// The name of the label file of the dataset called `name`: `NAME-rxx.labels`.
    #[must_use]
    pub fn labels_file_name(name: &str) -> String {
        labels_file_name(name)
    }

    /// Appends an image, `[channels,R,R]`.
    ///
    /// # Errors
    /// Those of `W`; [`io::ErrorKind::InvalidInput`] for another number of bytes.
    pub fn push(&mut self, image: &[u8]) -> io::Result<()> {
        let expected = self.channels * self.side * self.side;
        if image.len() != expected {
            let text = format!("an image of {} bytes, expected {expected}", image.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        framing::write(&mut self.out, &example::encode(self.channels, self.side, self.side, image))
    }

    /// Writes the label file: `.npy`, f32 `[n,L]`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_labels(out: &mut W, labels: &Labels) -> io::Result<()> {
        let rows = (0..labels.len()).filter_map(|i| labels.row(i)).flatten();
        npy::write(out, labels.len(), labels.names().len(), rows)
    }
}
