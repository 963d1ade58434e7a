//! Moving pictures: a GIF that repeats, or a folder of numbered PNG files.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};
use pg_image::Planar;
use pg_image::files::{NewFile, NewFolder};

use crate::pictures;

/// How carefully a frame's 256 colours are chosen: 1 looks at every pixel, 30 at few. At 10, flat parts of a picture
/// show bands that change from frame to frame.
const GIF_PALETTE_SPEED: i32 = 3;

pub(crate) struct Animation {
    frames: usize,
    kind: Kind,
}

enum Kind {
    Gif(Box<Gif>),
    Folder(NewFolder),
}

struct Gif {
    encoder: GifEncoder<KeptWriter>,
    new: NewFile,
    written: std::rc::Rc<std::cell::RefCell<BufWriter<File>>>,
    fps: f64,
}

/// The encoder keeps its writer to itself: a second handle to it, to complete the file with.
struct KeptWriter(std::rc::Rc<std::cell::RefCell<BufWriter<File>>>);

impl std::io::Write for KeptWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Animation {
    /// A GIF where `path` ends in `.gif`, a folder where it has no extension.
    pub(crate) fn open(path: &Path, fps: f64) -> anyhow::Result<Self> {
        let context = || format!("-o: cannot write {}", path.display());
        let kind = match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("gif") => {
                let new = NewFile::create(path).with_context(context)?;
                let file = BufWriter::new(new.file().with_context(context)?);
                let written = std::rc::Rc::new(std::cell::RefCell::new(file));
                let mut encoder =
                    GifEncoder::new_with_speed(KeptWriter(std::rc::Rc::clone(&written)), GIF_PALETTE_SPEED);
                encoder.set_repeat(Repeat::Infinite).with_context(context)?;
                Kind::Gif(Box::new(Gif { encoder, new, written, fps }))
            }
            Some(_) => {
                bail!("-o {}: expected a name that ends in .gif, or a folder for PNG files", path.display())
            }
            None => Kind::Folder(NewFolder::create(path).with_context(context)?),
        };
        Ok(Self { frames: 0, kind })
    }

    pub(crate) fn push(&mut self, picture: &Planar<u8>) -> anyhow::Result<()> {
        match &mut self.kind {
            Kind::Folder(folder) => {
                let path = folder.path().join(format!("{:06}.png", self.frames));
                pictures::write_bytes(&path, &pictures::encode(picture)?)?;
            }
            Kind::Gif(gif) => {
                // GIF counts hundredths of a second: rounded so that they add up.
                let until = |frame: usize| (frame as f64 * 100.0 / gif.fps).round() as u32;
                let hundredths = until(self.frames + 1) - until(self.frames);
                let delay = Delay::from_numer_denom_ms(10 * hundredths.max(1), 1);
                let frame = Frame::from_parts(rgba(picture)?, 0, 0, delay);
                gif.encoder.encode_frame(frame).context("cannot write the GIF")?;
            }
        }
        self.frames += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Folder(folder) => folder.finish().context("-o: cannot write the folder"),
            Kind::Gif(gif) => {
                let Gif { encoder, new, written, .. } = *gif;
                // Writes the trailer.
                drop(encoder);
                let written = std::rc::Rc::into_inner(written).context("the GIF is still being written")?;
                written.into_inner().flush().and_then(|()| new.finish()).context("cannot write the GIF")
            }
        }
    }
}

fn rgba(picture: &Planar<u8>) -> anyhow::Result<RgbaImage> {
    let last = picture.channels() - 1;
    let planes = [0, 1, 2].map(|c: usize| picture.plane(c.min(last)));
    let pixels = (0..picture.width() * picture.height())
        .flat_map(|i| [planes[0][i], planes[1][i], planes[2][i], 255])
        .collect();
    RgbaImage::from_raw(picture.width() as u32, picture.height() as u32, pixels).context("picture size")
}
