//! How the image files of a set are encoded. JPEG leaves traces that every metric sees: sets that
//! differ in it differ in score, whatever they show.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use pg_image::files::format_name;

use super::ImageSet;

/// What is told apart; a file counts as lossy when its pixels are not those that were encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    Png = 1,
    Jpeg,
    LossyWebp,
    LosslessWebp,
    Gif,
    Tiff,
    Bmp,
    Avif,
}

const ALL: [Encoding; 8] = [
    Encoding::Png,
    Encoding::Jpeg,
    Encoding::LossyWebp,
    Encoding::LosslessWebp,
    Encoding::Gif,
    Encoding::Tiff,
    Encoding::Bmp,
    Encoding::Avif,
];

impl Encoding {
    /// The encoding that the bytes of a whole image file announce.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        Some(match format_name(file)? {
            "PNG" => Self::Png,
            "JPEG" => Self::Jpeg,
            "GIF" => Self::Gif,
            "TIFF" => Self::Tiff,
            "BMP" => Self::Bmp,
            "AVIF" => Self::Avif,
            "WebP" if holds_lossless_webp(file) => Self::LosslessWebp,
            "WebP" => Self::LossyWebp,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::LossyWebp => "WebP",
            Self::LosslessWebp => "lossless WebP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::Avif => "AVIF",
        }
    }

    /// GIF counts as lossy: it keeps 256 colours. TIFF may hold JPEG, but hardly ever does; nor is AVIF often lossless.
    fn is_lossy(self) -> bool {
        matches!(self, Self::Jpeg | Self::LossyWebp | Self::Gif | Self::Avif)
    }
}

/// Looks for the chunk of lossless pixels; an extended file has others before it.
fn holds_lossless_webp(file: &[u8]) -> bool {
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, length @ ..] = *head;
        match &[a, b, c, d] {
            b"VP8L" => return true,
            b"VP8 " => return false,
            _ => {}
        }
        // Chunks fill an even number of bytes.
        let length = u32::from_le_bytes(length) as usize;
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    false
}

/// The encodings of the images read so far; several threads may note at once, and an image that is
/// read twice counts once.
#[derive(Debug)]
pub(super) struct SeenEncodings(Vec<AtomicU8>);

impl SeenEncodings {
    pub(super) fn new(images: usize) -> Self {
        Self((0..images).map(|_| AtomicU8::new(0)).collect())
    }

    /// Notes the encoding of image `index`, whose file is `file`.
    pub(super) fn note(&self, index: usize, file: &[u8]) {
        if let (Some(seen), Some(encoding)) = (self.0.get(index), Encoding::of(file)) {
            seen.store(encoding as u8, Ordering::Relaxed);
        }
    }

    /// Files per encoding, without those that there are none of.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let counted = ALL.map(|encoding| (encoding.name(), self.count(|e| e == encoding)));
        counted.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn count(&self, wanted: impl Fn(Encoding) -> bool) -> usize {
        let seen = self.0.iter().filter_map(|seen| {
            let seen = seen.load(Ordering::Relaxed);
            ALL.into_iter().find(|encoding| *encoding as u8 == seen)
        });
        seen.filter(|encoding| wanted(*encoding)).count()
    }

    /// Numbers of lossless and lossy files.
    fn lossless_and_lossy(&self) -> (usize, usize) {
        (self.count(|e| !e.is_lossy()), self.count(Encoding::is_lossy))
    }
}

/// What is to be said of how the images of `sets`, each with its argument's name, are encoded, after
/// they have been read: sets that mix lossy and lossless files, and sets that differ in that. Sets
/// whose encodings are not known (datasets) are left out.
pub(crate) fn encoding_warnings(sets: &[(&str, &ImageSet)]) -> Vec<String> {
    let known: Vec<_> = sets
        .iter()
        .filter_map(|(role, set)| Some((format!("{role} {}", set.argument()), set.encodings.as_ref()?)))
        .collect();
    warnings(&known)
}

fn warnings(sets: &[(String, &SeenEncodings)]) -> Vec<String> {
    const REMEDY: &str = "compression changes every score; encode all images alike, best without loss";
    let listed = |seen: &SeenEncodings| {
        let counts = seen.counts();
        counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    let mut found = Vec::new();
    for (name, seen) in sets {
        if let (1.., 1..) = seen.lossless_and_lossy() {
            found.push(format!("{name} mixes lossless and lossy files ({}): {REMEDY}", listed(seen)));
        }
    }
    for (i, (name, seen)) in sets.iter().enumerate() {
        for (other_name, other) in &sets[i + 1..] {
            if let ((1.., 0), (0, 1..)) | ((0, 1..), (1.., 0)) =
                (seen.lossless_and_lossy(), other.lossless_and_lossy())
            {
                found.push(format!(
                    "{name} holds {}, {other_name} {}: {REMEDY}",
                    listed(seen),
                    listed(other)
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0";

    fn seen(files: &[&[u8]]) -> SeenEncodings {
        let seen = SeenEncodings::new(files.len());
        for (index, file) in files.iter().enumerate() {
            seen.note(index, file);
        }
        seen
    }

    #[test]
    fn webp_is_told_apart_by_its_chunks() {
        assert_eq!(Encoding::of(b"RIFF....WEBPVP8 ...."), Some(Encoding::LossyWebp));
        assert_eq!(Encoding::of(b"RIFF....WEBPVP8L...."), Some(Encoding::LosslessWebp));
        let extended = b"RIFF....WEBPVP8X\x03\0\0\0abc\0VP8L\x01\0\0\0";
        assert_eq!(Encoding::of(extended), Some(Encoding::LosslessWebp));
        let endless = b"RIFF....WEBPVP8X\xff\xff\xff\xffabc";
        assert_eq!(Encoding::of(endless), Some(Encoding::LossyWebp));
    }

    #[test]
    fn an_image_read_twice_counts_once() {
        let seen = seen(&[PNG, JPEG, PNG, b"?"]);
        seen.note(0, PNG);
        assert_eq!(seen.counts().into_iter().collect::<Vec<_>>(), [("JPEG", 1), ("PNG", 2)]);
    }

    #[test]
    fn mixtures_and_differences_are_warned_of() {
        let (png, jpeg, mixed) = (seen(&[PNG, PNG]), seen(&[JPEG]), seen(&[PNG, JPEG, JPEG]));
        let said = |sets: &[(&str, &SeenEncodings)]| {
            warnings(&sets.iter().map(|(name, seen)| ((*name).to_owned(), *seen)).collect::<Vec<_>>())
        };
        assert_eq!(said(&[("REAL a", &png), ("FAKE b", &png)]), [""; 0]);
        assert_eq!(said(&[("REAL a", &jpeg), ("FAKE b", &jpeg)]), [""; 0]);
        let differ = said(&[("REAL a", &jpeg), ("FAKE b", &png)]);
        assert_eq!(differ.len(), 1);
        assert!(
            differ[0].starts_with("REAL a holds 1 JPEG, FAKE b 2 PNG: compression changes"),
            "{differ:?}"
        );
        let mixes = said(&[("IMAGES c", &mixed)]);
        assert!(
            mixes[0].starts_with("IMAGES c mixes lossless and lossy files (2 JPEG, 1 PNG): "),
            "{mixes:?}"
        );
    }
}
