//! JPEG files (ITU-T T.81): whether all of a picture is there, which decoder is right for it, and a
//! decoder for what the fast one gets wrong.
//!
//! The decoder of the `image` crate is fast, and right for pictures whose structure is the common
//! one ([`Header::is_common`]); a corpus of all samplings and orders of scans shows for which
//! (`docs/benchmarks.md`). It fills what is missing with grey, so [`Header::check`] reads every
//! scan to its last block before. All other files of 8 bits and Huffman codes are decoded by
//! [`Header::decode`].

mod colours;
mod header;
mod huffman;
mod progressive;
mod samples;
mod scans;
mod segments;
mod typical_tables;
mod upsampling;

use std::path::Path;

use super::FilesError;
use colours::Colours;
use header::{Frame, Scan};
use progressive::{Coefficients, ProgressiveReader};
use samples::{Planes, SequentialReader};
use scans::{SequentialCheck, SequentialCode, read_scan};
use segments::Segments;

/// Pictures of fewer columns are not left to the `image` crate.
const NARROW: usize = 40;

/// Why a JPEG file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends early.
    Truncated(String),
    /// It is not as ITU-T T.81 has it.
    Damaged(String),
    /// It is of a kind that is not read.
    Unsupported(String),
    /// A scan's data ends before its last block; [`read_scan`] says where.
    ScanEnd,
}

impl Fault {
    /// As an error that names the file.
    pub(super) fn of_file(self, path: &Path) -> FilesError {
        let (path, format) = (path.to_owned(), "JPEG");
        match self {
            Self::Truncated(detail) => FilesError::Truncated { path, format, detail },
            Self::Damaged(detail) => FilesError::Damaged { path, format, detail },
            Self::Unsupported(detail) => FilesError::Unsupported { path, format, detail },
            Self::ScanEnd => FilesError::Truncated { path, format, detail: "a scan ends early".to_owned() },
        }
    }

    fn invalid_code() -> Self {
        Self::Damaged("a scan has a Huffman code that its table does not have".to_owned())
    }

    fn too_many_coefficients() -> Self {
        Self::Damaged("a block has more coefficients than its band".to_owned())
    }

    fn missing_huffman_table() -> Self {
        Self::Unsupported("a Huffman table is not in the file".to_owned())
    }

    fn short_segment(what: &str) -> Self {
        Self::Damaged(format!("{what} is cut short"))
    }

    fn short_scan(done: usize, units: usize, bytes: &[u8], end: usize) -> Self {
        let by = match bytes.get(end + 1) {
            None => "the file ends",
            Some(0xD9) => "the end-of-image marker comes",
            Some(_) => "another marker comes",
        };
        Self::Truncated(format!("expected {units} units in a scan, {by} after {done}"))
    }
}

/// Whether quantisation tables are all in force from the first scan to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// They are.
    InForceThroughout,
    /// Some follow between scans.
    ChangeBetweenScans,
}

/// What is known of a file before its first scan is read.
#[derive(Debug)]
pub(super) struct Header<'a> {
    bytes: &'a [u8],
    segments: Segments<'a>,
    frame: Frame,
    first_scan: Scan,
}

impl<'a> Header<'a> {
    /// Of the whole file `bytes`.
    ///
    /// # Errors
    /// What is wrong up to the first scan.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut segments = Segments::new(bytes)?;
        let first_scan = segments.next_scan()?;
        match (segments.frame.clone(), first_scan) {
            (Some(frame), Some(first_scan)) => Ok(Self { bytes, segments, frame, first_scan }),
            _ => Err(Fault::Truncated("expected the first scan".to_owned())),
        }
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.frame.width, self.frame.height)
    }

    /// The EXIF segment's contents.
    pub(super) fn exif(&self) -> Option<&'a [u8]> {
        self.segments.exif
    }

    /// Whether the `image` crate's decoder is right for files of this structure: grey, or colour as
    /// cameras and encoders write it, both differences at the full resolution of luminance or half
    /// of it per direction, all components in one scan or a progressive file, and colours that both
    /// take for the same.
    ///
    /// Of other samplings it gets some lines wrong by up to 60 levels at some widths (4:1:1 with
    /// half the columns in one difference, at 16 and 80 columns), and of narrow pictures of many;
    /// those decode at once anyway.
    pub(super) fn is_common(&self) -> bool {
        let components = &self.frame.components;
        let in_order = self.first_scan.components.iter().map(|part| part.index).eq(0..components.len());
        let sampled = |c: &header::Component| (c.horizontal, c.vertical);
        let usual_sampling = match &components[..] {
            [_] => true,
            [luminance, others @ ..] => {
                matches!(sampled(luminance), (1 | 2, 1 | 2)) && others.iter().all(|c| sampled(c) == (1, 1))
            }
            [] => false,
        };
        usual_sampling
            && self.frame.width >= NARROW
            && (in_order || self.frame.progressive)
            && (self.segments.motion || self.segments.tables.has_dht)
            && Colours::of(&self.segments) == Colours::as_image_takes_them(&self.segments)
    }

    /// Reads every scan, to see that each has all its blocks and that together they are the whole
    /// picture.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::Damaged`], and [`Fault::Unsupported`] for a progressive file
    /// whose scans leave out bits of coefficients.
    pub(super) fn check(&self) -> Result<Tables, Fault> {
        let target = if self.frame.progressive {
            Target::Coefficients(Coefficients::new(&self.frame), None)
        } else {
            Target::Nothing
        };
        let (_, tables) = self.read_scans(target)?;
        Ok(tables)
    }

    /// The picture: channels (1 or 3) and samples `[H,W,C]`.
    ///
    /// # Errors
    /// As [`check`](Self::check), and [`Fault::Unsupported`] for components whose resolutions have
    /// no whole ratio.
    pub(super) fn decode(&self) -> Result<(usize, Vec<u8>), Fault> {
        let frame = &self.frame;
        if !frame.has_whole_ratios() {
            return Err(Fault::Unsupported(
                "the resolutions of its components have no whole ratio".to_owned(),
            ));
        }
        let planes = Planes::new(frame);
        let target = if frame.progressive {
            Target::Coefficients(Coefficients::new(frame), Some(planes))
        } else {
            Target::Planes(planes)
        };
        let (planes, _) = self.read_scans(target)?;
        let full_size = |(plane, c): (&samples::Plane, &header::Component)| {
            let (across, down) = (frame.horizontal / c.horizontal, frame.vertical / c.vertical);
            upsampling::upsampled(plane, across, down, frame.width, frame.height)
        };
        let planes: Vec<_> =
            planes.iter().flat_map(|p| &p.planes).zip(&frame.components).map(full_size).collect();
        let channels = if planes.len() == 1 { 1 } else { 3 };
        Ok((channels, Colours::of(&self.segments).to_picture(planes)))
    }

    /// Reads all scans and the end-of-image marker.
    fn read_scans(&self, mut target: Target) -> Result<(Option<Planes>, Tables), Fault> {
        let mut segments = self.segments.clone();
        let mut seen = vec![false; self.frame.components.len()];
        let mut next = Some(self.first_scan.clone());
        while let Some(scan) = next {
            for part in &scan.components {
                seen[part.index] = true;
            }
            segments.at = target.read(self, &segments, &scan)?;
            next = segments.next_scan()?;
        }
        if let Some(missing) = seen.iter().position(|&seen| !seen) {
            let id = self.frame.components[missing].id;
            return Err(Fault::Truncated(format!("expected a scan of component {id}")));
        }
        let tables =
            if segments.late_quantisation { Tables::ChangeBetweenScans } else { Tables::InForceThroughout };
        Ok((target.finish()?, tables))
    }
}

/// Where the blocks of scans go.
#[derive(Debug)]
enum Target {
    Nothing,
    Planes(Planes),
    /// The planes are filled at the end, if any.
    Coefficients(Coefficients, Option<Planes>),
}

impl Target {
    /// Reads the data of `scan`; returns the place of the marker behind it.
    fn read(&mut self, header: &Header<'_>, segments: &Segments<'_>, scan: &Scan) -> Result<usize, Fault> {
        let (bytes, at, frame) = (header.bytes, segments.at, &header.frame);
        if let Self::Planes(planes) | Self::Coefficients(_, Some(planes)) = self {
            planes.latch(frame, scan, |number| segments.tables.quantisation(number))?;
        }
        match self {
            Self::Nothing => {
                let mut reader = SequentialCheck(SequentialCode::new(scan)?);
                read_scan(bytes, at, frame, scan, &mut reader)
            }
            Self::Planes(planes) => {
                let code = SequentialCode::new(scan)?;
                read_scan(bytes, at, frame, scan, &mut SequentialReader { code, scan, into: planes })
            }
            Self::Coefficients(coefficients, _) => {
                coefficients.note(scan);
                let mut reader = ProgressiveReader::new(frame, scan, coefficients)?;
                read_scan(bytes, at, frame, scan, &mut reader)
            }
        }
    }

    fn finish(self) -> Result<Option<Planes>, Fault> {
        match self {
            Self::Nothing => Ok(None),
            Self::Planes(planes) => Ok(Some(planes)),
            Self::Coefficients(coefficients, planes) => {
                if !coefficients.are_complete() {
                    return Err(Fault::Unsupported(
                        "its scans leave out bits of coefficients, as those of a preview or of a file cut between \
                         two scans do"
                            .to_owned(),
                    ));
                }
                Ok(planes.map(|mut planes| {
                    planes.fill(&coefficients);
                    planes
                }))
            }
        }
    }
}
