//! MNIST's idx files (LeCun, Cortes, Burges, "The MNIST database"), plain or gzip: grey images and classes.
//!
//! Two zero bytes, the type (8: u8), the number of dimensions, each dimension as a big-endian u32, the data.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use pg_image::Raster;
use pg_image::files::DecodeLimits;

use crate::errors::{Fault, io_error};
use crate::labels::numbered;
use crate::{Collection, Content, Item, Labels, Opened, SourceError};

/// The first bytes of an idx file of images: u8, three dimensions.
pub(crate) const IMAGES_MAGIC: [u8; 4] = [0, 0, 8, 3];
/// Part of the name of every file of images.
pub(crate) const IMAGES_NAME: &str = "idx3";
const LABELS_MAGIC: [u8; 4] = [0, 0, 8, 1];
/// Most bytes of a file, unpacked.
const MAX_BYTES: u64 = 2 << 30;
/// Most images of a file; the largest set known here, EMNIST, has 814 255.
const MAX_IMAGES: usize = 10_000_000;
/// Digits are 28 px wide; ProGAN and StyleGAN2-ADA lay a black border of 2 px around them.
const DIGIT_PX: usize = 28;
const BORDER_PX: usize = 2;

#[derive(Debug)]
struct Mnist {
    /// `[n,H,W]`.
    pixels: Vec<u8>,
    items: usize,
    height: usize,
    width: usize,
    images_path: PathBuf,
}

/// True for a folder with a file whose name says idx3 and whose bytes do.
pub(crate) fn is_in(folder: &Path) -> bool {
    !image_files(folder).unwrap_or_default().is_empty()
}

/// Opens the training images of a folder, or one file of images.
pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
    let path = if path.is_dir() { file_of_folder(path)? } else { path.to_owned() };
    let (sides, pixels) = read_idx(&path, IMAGES_MAGIC)?;
    let [n @ ..=MAX_IMAGES, height, width] = sides[..] else {
        let expected = format!("at most {MAX_IMAGES} images");
        return Err(Fault::new(4, expected, format!("{sides:?}")).in_file(&path, 0));
    };
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file_name.strip_suffix(".gz").unwrap_or(&file_name);
    let bytes = (height * width) as u64;
    let items = (0..n).map(|i| Item { name: format!("{stem}/{i:05}"), bytes }).collect();
    Ok(Opened::new(items, Mnist { pixels, items: n, height, width, images_path: path }))
}

fn image_files(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains(IMAGES_NAME) && first_bytes(&path).is_ok_and(|head| head.starts_with(&IMAGES_MAGIC))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The training images, or the only file.
fn file_of_folder(folder: &Path) -> Result<PathBuf, SourceError> {
    let files = image_files(folder)?;
    let is_training =
        |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("train"));
    match &files[..] {
        [] => Err(SourceError::NoImages {
            path: folder.to_owned(),
            expected: "train-images-idx3-ubyte or train-images-idx3-ubyte.gz",
        }),
        [only] => Ok(only.clone()),
        several => several.iter().find(is_training).cloned().ok_or_else(|| SourceError::Unsupported {
            path: folder.to_owned(),
            detail: "it holds several files of images, none of them called train: name one of them"
                .to_owned(),
        }),
    }
}

/// The first (unpacked) bytes, at most 512.
pub(crate) fn first_bytes(path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut head = Vec::new();
    unpacked(path)?.take(512).read_to_end(&mut head).map_err(io_error(path))?;
    Ok(head)
}

fn unpacked(path: &Path) -> Result<Box<dyn Read>, SourceError> {
    let open = || File::open(path).map_err(io_error(path));
    let mut magic = Vec::new();
    open()?.take(2).read_to_end(&mut magic).map_err(io_error(path))?;
    let file = BufReader::new(open()?);
    Ok(if magic == b"\x1f\x8b" { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}

/// Dimensions and data of an idx file of u8.
fn read_idx(path: &Path, magic: [u8; 4]) -> Result<(Vec<usize>, Vec<u8>), SourceError> {
    let mut file = unpacked(path)?;
    let mut take = |length: u64| -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        file.by_ref().take(length).read_to_end(&mut bytes).map_err(io_error(path))?;
        Ok(bytes)
    };
    let fault = |at: usize, expected: String, found: String| Fault::new(at, expected, found).in_file(path, 0);
    let head = take(4)?;
    if head != magic {
        return Err(fault(0, format!("{magic:02x?}"), format!("{head:02x?}")));
    }
    let dimensions = usize::from(magic[3]);
    let sides = take(4 * dimensions as u64)?;
    if sides.len() != 4 * dimensions {
        let found = format!("the end of the file at byte {}", 4 + sides.len());
        return Err(fault(4, format!("{dimensions} dimensions"), found));
    }
    let sides: Vec<usize> =
        sides.as_chunks::<4>().0.iter().map(|&side| u32::from_be_bytes(side) as usize).collect();
    let length = sides.iter().try_fold(1_u64, |n, &side| n.checked_mul(side as u64));
    let Some(length) = length.filter(|&n| (1..=MAX_BYTES).contains(&n)) else {
        return Err(fault(4, format!("1 to {MAX_BYTES} values"), format!("dimensions {sides:?}")));
    };
    // One more, to notice bytes behind the last image (and, of gzip files, to check the checksum).
    let data = take(length + 1)?;
    if data.len() as u64 != length {
        let found = if (data.len() as u64) < length {
            format!("the end of the file after {} of them", data.len())
        } else {
            "more".to_owned()
        };
        return Err(fault(4 + 4 * dimensions, format!("{length} bytes of data for {sides:?}"), found));
    }
    Ok((sides, data))
}

impl Mnist {
    /// Where the labels of these images are: `train-labels-idx1-ubyte` beside `train-images-idx3-ubyte`.
    fn labels_path(&self) -> Option<PathBuf> {
        let name = self.images_path.file_name()?.to_string_lossy().into_owned();
        if !(name.contains("images") && name.contains("idx3")) {
            return None;
        }
        let name = name.replace("images", "labels").replace("idx3", "idx1");
        let other = match name.strip_suffix(".gz") {
            Some(plain) => plain.to_owned(),
            None => format!("{name}.gz"),
        };
        [name, other]
            .map(|name| self.images_path.with_file_name(name))
            .into_iter()
            .find(|path| path.is_file())
    }
}

impl Collection for Mnist {
    fn read(&self, index: usize, _: &DecodeLimits) -> Result<Content, SourceError> {
        let size = self.height * self.width;
        let pixels = index.checked_mul(size).and_then(|start| self.pixels.get(start..start + size));
        let raster = pixels.and_then(|pixels| {
            if (self.height, self.width) == (DIGIT_PX, DIGIT_PX) {
                return bordered(pixels);
            }
            Raster::from_data(self.width, self.height, 1, pixels.to_vec()).ok()
        });
        raster.map(Content::Pixels).ok_or(SourceError::NoItem { index, items: self.items })
    }

    fn labels(&self, items: &[Item]) -> Result<Option<Labels>, SourceError> {
        let Some(path) = self.labels_path() else { return Ok(None) };
        let (_, classes) = read_idx(&path, LABELS_MAGIC)?;
        if classes.len() != items.len() {
            let detail = format!("{} labels, expected one for each of {} images", classes.len(), items.len());
            return Err(SourceError::Labels { path, detail });
        }
        // Ten digits (or garments), also where a part of the set lacks some.
        let columns = classes.iter().max().map_or(0, |&class| usize::from(class) + 1).max(10);
        Ok(Labels::from_classes(numbered(columns), classes.into_iter().map(u32::from).collect()))
    }
}

/// A digit in the middle of 32x32 black pixels.
fn bordered(pixels: &[u8]) -> Option<Raster> {
    let side = DIGIT_PX + 2 * BORDER_PX;
    let mut data = vec![0; side * side];
    let rows = data.chunks_exact_mut(side).skip(BORDER_PX);
    for (row, source) in rows.zip(pixels.chunks_exact(DIGIT_PX)) {
        row.get_mut(BORDER_PX..BORDER_PX + DIGIT_PX)?.copy_from_slice(source);
    }
    Raster::from_data(side, side, 1, data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn idx(magic: [u8; 4], sides: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        bytes.extend(sides.iter().flat_map(|side| side.to_be_bytes()));
        bytes.extend_from_slice(data);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn digits_get_a_border_and_other_images_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images");
        std::fs::write(&path, idx(IMAGES_MAGIC, &[1, 28, 28], &[9; 784])).unwrap();
        let source = crate::Source::open(&path).unwrap();
        let Content::Pixels(raster) = source.read(0, &DecodeLimits::default()).unwrap() else { panic!() };
        assert_eq!((raster.width(), raster.height(), raster.channels()), (32, 32, 1));
        assert_eq!(
            (raster.data()[2 * 32 + 1], raster.data()[2 * 32 + 2], raster.data()[30 * 32 + 2]),
            (0, 9, 0)
        );
        std::fs::write(&path, idx(IMAGES_MAGIC, &[2, 2, 3], &[5; 12])).unwrap();
        let source = crate::Source::open(&path).unwrap();
        let Content::Pixels(raster) = source.read(1, &DecodeLimits::default()).unwrap() else { panic!() };
        assert_eq!((raster.width(), raster.height()), (3, 2));
        assert!(matches!(source.read(2, &DecodeLimits::default()), Err(SourceError::NoItem { .. })));
    }

    #[test]
    fn lengths_are_checked_before_they_are_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.gz");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, gzip(bytes)).unwrap();
            open(&path).unwrap_err().to_string()
        };
        let huge = idx(IMAGES_MAGIC, &[u32::MAX, u32::MAX, u32::MAX], &[]);
        assert!(message(&huge).contains("expected 1 to 2147483648 values"), "{}", message(&huge));
        let short = idx(IMAGES_MAGIC, &[2, 2, 2], &[1; 7]);
        assert!(
            message(&short).contains("at byte 16: expected 8 bytes of data for [2, 2, 2], found the end")
        );
        assert!(message(&idx(IMAGES_MAGIC, &[2, 2, 2], &[1; 9])).contains("found more"));
        assert!(message(&idx(IMAGES_MAGIC, &[0, 28, 28], &[])).contains("dimensions [0, 28, 28]"));
        let many = idx(IMAGES_MAGIC, &[10_000_001, 1, 1], &vec![0; 10_000_001]);
        assert!(message(&many).contains("expected at most 10000000 images"));
        assert!(message(&idx(LABELS_MAGIC, &[2], &[1, 2])).contains("at byte 0: expected [00, 00, 08, 03]"));
    }
}
