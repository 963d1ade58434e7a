//! Writing StyleGAN2-ADA's datasets: a zip of PNG files, stored without compression, and `dataset.json`.

use std::fmt::Write as _;
use std::io::{self, Seek, Write};

use pg_image::files::FailsOnce;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Labels, stylegan_labels};

/// A zip in the layout of StyleGAN2-ADA's dataset tool being written to `W`.
pub struct StyleganZip<W: Write + Seek> {
    zip: ZipWriter<FailsOnce<W>>,
    images: usize,
}

impl<W: Write + Seek> StyleganZip<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(FailsOnce::new(out)), images: 0 }
    }

    /// The name of image `index`: `00001/img00001234.png` for 1234… of eight digits.
    #[must_use]
    pub fn image_name(index: usize) -> String {
        let number = format!("{index:08}");
        format!("{}/img{number}.png", number.get(..5).unwrap_or_default())
    }

    /// Appends an image, a whole PNG file.
    ///
    /// # Errors
    /// Those of `W`.
    pub fn push(&mut self, png: &[u8]) -> io::Result<()> {
        let name = Self::image_name(self.images);
        self.file(&name, png)?;
        self.images += 1;
        Ok(())
    }

    /// Writes `dataset.json` with the labels of the images pushed, in their order, and the archive's end.
    ///
    /// Classes are written as numbers, other labels as lists. The names of the columns stand under
    /// `label_names`, which StyleGAN2-ADA ignores.
    ///
    /// # Errors
    /// Those of `W`; [`io::ErrorKind::InvalidInput`] for another number of labels than images.
    pub fn finish(mut self, labels: Option<&Labels>) -> io::Result<()> {
        if let Some(labels) = labels.filter(|labels| labels.len() != self.images) {
            let text = format!("{} labels for {} images", labels.len(), self.images);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let json = Self::json(self.images, labels)?;
        self.file(stylegan_labels::FILE_NAME, json.as_bytes())?;
        self.zip.finish().map_err(io::Error::from)?.into_inner()?.flush()
    }

    fn json(images: usize, labels: Option<&Labels>) -> io::Result<String> {
        let Some(labels) = labels else { return Ok("{\"labels\": null}\n".to_owned()) };
        let mut text = "{\"labels\": [".to_owned();
        for i in 0..images {
            let value = match labels.class(i) {
                Some(class) => class.to_string(),
                None => serde_json::to_string(&labels.row(i))?,
            };
            let comma = if i == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\n[\"{}\", {value}]", Self::image_name(i));
        }
        let _ = write!(text, "\n], \"label_names\": {}}}\n", serde_json::to_string(labels.names())?);
        Ok(text)
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // No time of day: the same dataset gives the same archive.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        self.zip.start_file(name, options)?;
        self.zip.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Source};
    use pg_image::files::DecodeLimits;

    /// Takes a number of bytes, as a disk does that fills up.
    struct Full(io::Cursor<Vec<u8>>, usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.saturating_sub(self.0.position() as usize).min(bytes.len());
            if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write(&bytes[..room]) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_disk_that_fills_up_anywhere_is_one_error() {
        for room in (0..1200).step_by(7) {
            for buffer in [1, 64, 4096] {
                let out = io::BufWriter::with_capacity(buffer, Full(io::Cursor::default(), room));
                let mut zip = StyleganZip::new(out);
                let pushed = (0..4).try_for_each(|_| zip.push(&[7; 300]));
                let error = pushed.and_then(|()| zip.finish(None)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room} {buffer}: {error}");
            }
        }
    }

    fn written(labels: Option<&Labels>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = StyleganZip::new(file.reopen().unwrap());
        for i in 0..3_u8 {
            zip.push(&[i; 10]).unwrap();
        }
        zip.finish(labels).unwrap();
        file
    }

    #[test]
    fn names_are_those_of_the_authors_tool() {
        let name = StyleganZip::<io::Cursor<Vec<u8>>>::image_name;
        assert_eq!(
            [0, 1234, 70_001].map(name),
            ["00000/img00000000.png", "00001/img00001234.png", "00070/img00070001.png"]
        );
    }

    #[test]
    fn classes_and_vectors_come_back() {
        let names = ["cat", "dog", "fish"].map(str::to_owned).to_vec();
        let classes = Labels::from_classes(names.clone(), vec![0, 1, 0]).unwrap();
        let vectors = Labels::from_vectors(names, (0..9_u8).map(|i| f32::from(i) / 8.0).collect()).unwrap();
        for labels in [classes, vectors] {
            let file = written(Some(&labels));
            let source = Source::open(file.path()).unwrap();
            assert_eq!(source.labels().unwrap(), Some(labels));
            let content = source.read(2, &DecodeLimits::default()).unwrap();
            assert!(matches!(content, Content::Encoded(bytes) if bytes == [2; 10]));
        }
        assert_eq!(Source::open(written(None).path()).unwrap().labels().unwrap(), None);
    }

    #[test]
    fn the_same_images_give_the_same_archive() {
        assert_eq!(
            std::fs::read(written(None).path()).unwrap(),
            std::fs::read(written(None).path()).unwrap()
        );
    }

    #[test]
    fn labels_of_other_images_are_refused() {
        let mut zip = StyleganZip::new(io::Cursor::new(Vec::new()));
        zip.push(b"x").unwrap();
        let labels = Labels::from_classes(vec!["a".to_owned()], vec![0, 0]).unwrap();
        assert_eq!(zip.finish(Some(&labels)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
