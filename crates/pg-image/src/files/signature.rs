//! Image formats by their first bytes.

use image::ImageFormat;

/// As many first bytes as telling a format takes.
pub const SIGNATURE_BYTES: usize = 40;

/// The format that `head`, a file's first bytes, announces.
pub(super) fn sniff(head: &[u8]) -> Option<ImageFormat> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageFormat::Png)
    } else if head.starts_with(b"\xff\xd8\xff") {
        Some(ImageFormat::Jpeg)
    } else if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        Some(ImageFormat::Gif)
    } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        Some(ImageFormat::WebP)
    } else if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|start| head.starts_with(*start)) {
        // With a plus, BigTIFF.
        Some(ImageFormat::Tiff)
    } else if brands(head).any(|brand| brand == b"avif" || brand == b"avis") {
        Some(ImageFormat::Avif)
    } else if head.starts_with(b"BM")
        // "BM" alone may begin a text: the length of the second header tells.
        && matches!(head.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
    {
        Some(ImageFormat::Bmp)
    } else {
        None
    }
}

/// The brands that a file of ISO's base media format announces, its main one first (ISO/IEC 14496-12, 4.3).
fn brands(head: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let box_bytes = match head {
        [a, b, c, d, b'f', b't', b'y', b'p', ..] => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => 0,
    };
    let brands = head.get(8..head.len().min(box_bytes)).unwrap_or_default();
    // The second word is a version.
    brands.as_chunks().0.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, brand)| brand)
}

/// The format of a portable map: its first bytes are too short to tell it from a text, so its name must say so too.
pub(super) fn sniff_portable_map(name: &str, head: &[u8]) -> Option<ImageFormat> {
    let by_name = matches!(extension(name).as_str(), "ppm" | "pgm" | "pbm" | "pnm" | "pam");
    let by_content = matches!(head, [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..]);
    (by_name && by_content).then_some(ImageFormat::Pnm)
}

/// An image format that is known and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnreadFormat {
    pub(super) name: &'static str,
    /// How to make a file of it that is read.
    pub(super) remedy: &'static str,
    extensions: &'static [&'static str],
}

const BY_IMAGE_MAGICK: &str = "convert it, for one with ImageMagick: `magick IN OUT.png`";
const HEIC: UnreadFormat = UnreadFormat {
    name: "HEIC",
    remedy: "convert it, for one with libheif: `heif-convert IN OUT.png`",
    extensions: &["heic", "heif", "hif", "heics"],
};
const JPEG_2000: UnreadFormat = UnreadFormat {
    name: "JPEG 2000",
    remedy: "convert it, for one with OpenJPEG: `opj_decompress -i IN -o OUT.png`",
    extensions: &["jp2", "j2k", "j2c", "jpc", "jpf", "jpx"],
};
const JPEG_XL: UnreadFormat = UnreadFormat {
    name: "JPEG XL",
    remedy: "convert it with libjxl: `djxl IN OUT.png`",
    extensions: &["jxl"],
};
const PFM: UnreadFormat =
    UnreadFormat { name: "a portable map of floating point", remedy: BY_IMAGE_MAGICK, extensions: &["pfm"] };
const PSD: UnreadFormat = UnreadFormat {
    name: "PSD",
    remedy: "export it as PNG, or `magick 'IN[0]' OUT.png`",
    extensions: &["psd", "psb"],
};
const QOI: UnreadFormat = UnreadFormat { name: "QOI", remedy: BY_IMAGE_MAGICK, extensions: &["qoi"] };
const DDS: UnreadFormat = UnreadFormat { name: "DDS", remedy: BY_IMAGE_MAGICK, extensions: &["dds"] };
const TGA: UnreadFormat = UnreadFormat { name: "TGA", remedy: BY_IMAGE_MAGICK, extensions: &["tga"] };
const HDR: UnreadFormat = UnreadFormat {
    name: "a picture of high dynamic range (OpenEXR, Radiance)",
    remedy: "map its range to 8 bits and save it as PNG",
    extensions: &["exr", "hdr"],
};
/// Most of them are TIFF files, in which a reader of TIFF finds the thumbnail.
const CAMERA_RAW: UnreadFormat = UnreadFormat {
    name: "a camera's raw file",
    remedy: "develop it, for one with darktable: `darktable-cli IN OUT.png`",
    extensions: &["dng", "nef", "cr2", "cr3", "arw", "orf", "rw2", "raf", "pef", "srw"],
};

const UNREAD: [UnreadFormat; 10] = [HEIC, JPEG_2000, JPEG_XL, PFM, PSD, QOI, DDS, TGA, HDR, CAMERA_RAW];

/// The unread format that `head`, a file's first bytes, announces, or else the file's name. What begins as a format that
/// is read is that, but for raw files.
pub(super) fn unread_format(name: &str, head: &[u8]) -> Option<UnreadFormat> {
    let extension = extension(name);
    let by_name = UNREAD.into_iter().find(|format| format.extensions.contains(&extension.as_str()));
    if by_name == Some(CAMERA_RAW) {
        return by_name;
    }
    unread_by_content(head).or_else(|| by_name.filter(|_| sniff(head).is_none() && !head.is_empty()))
}

fn unread_by_content(head: &[u8]) -> Option<UnreadFormat> {
    if head.get(4..8) == Some(b"ftyp") && sniff(head).is_none() {
        return match head.get(8..12) {
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => Some(HEIC),
            Some(b"crx ") => Some(CAMERA_RAW),
            // A film, for one.
            _ => None,
        };
    }
    let starts: [(&[u8], UnreadFormat); 9] = [
        (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
        (b"\xff\x4f\xff\x51", JPEG_2000),
        (b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
        (b"\xff\x0a", JPEG_XL),
        (b"8BPS", PSD),
        (b"qoif", QOI),
        (b"DDS ", DDS),
        (b"\x76\x2f\x31\x01", HDR),
        (b"#?RADIANCE", HDR),
    ];
    starts.into_iter().find(|(start, _)| head.starts_with(start)).map(|(_, format)| format)
}

fn extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase()
}

/// True when `head`, the first [`SIGNATURE_BYTES`] bytes of a file, begins an image: of a format that is read, or
/// that decoding refuses by name.
#[must_use]
pub fn looks_like_image(head: &[u8]) -> bool {
    sniff(head).is_some() || unread_by_content(head).is_some()
}

/// The usual name of the format that `head`, a file's first bytes, announces: `PNG`, `JPEG`, `GIF`, `WebP`, `AVIF`,
/// `TIFF` or `BMP`.
#[must_use]
pub fn format_name(head: &[u8]) -> Option<&'static str> {
    sniff(head).map(name)
}

/// The format's usual name.
pub(super) fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Avif => "AVIF",
        ImageFormat::Pnm => "portable map",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        _ => "image",
    }
}

/// True for file names that claim to be an image: of a format that is read, or that decoding refuses by name.
#[must_use]
pub fn has_image_extension(name: &str) -> bool {
    let extension = extension(name);
    let is_read = matches!(
        extension.as_str(),
        "png"
            | "jpg"
            | "jpeg"
            | "jpe"
            | "jfif"
            | "bmp"
            | "webp"
            | "tif"
            | "tiff"
            | "gif"
            | "avif"
            | "avifs"
            | "ppm"
            | "pgm"
            | "pbm"
            | "pnm"
            | "pam"
    );
    is_read || UNREAD.iter().any(|format| format.extensions.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_with_bm_is_no_bitmap() {
        assert_eq!(sniff(b"BMW sales figures of 2019"), None);
        assert_eq!(sniff(b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"), Some(ImageFormat::Bmp));
    }

    #[test]
    fn other_formats_are_told_by_content_and_else_by_name() {
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        for (name, head, expected) in [
            ("a.jpg", &heic[..], Some(HEIC)),
            ("a", heic, Some(HEIC)),
            ("a.HEIC", b"\0\0\0\x18ftypheic\0\0", Some(HEIC)),
            ("a.heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", None),
            ("a.mov", b"\0\0\0\x14ftypqt  \0\0", None),
            ("a.pfm", b"PF\n2 2\n-1\n", Some(PFM)),
            ("a.dng", b"II*\0\x08\0\0\0", Some(CAMERA_RAW)),
            ("a.tif", b"II*\0\x08\0\0\0", None),
            ("a.heic", b"\x89PNG\r\n\x1a\n", None),
            ("a.jxl", b"\xff\x0a\x00", Some(JPEG_XL)),
            ("a.heic", b"", None),
            ("a.ppm/b", b"hello", None),
        ] {
            assert_eq!(unread_format(name, head), expected, "{name}");
        }
        assert!(has_image_extension("a.Heic") && looks_like_image(heic) && !looks_like_image(b"P6\n2"));
    }

    #[test]
    fn avif_is_told_by_any_of_its_brands() {
        for brands in ["avif\0\0\0\0mif1miaf", "mif1\0\0\0\0heicavif", "msf1\0\0\0\0avisiso8"] {
            let head = format!("\0\0\0\x18ftyp{brands}meta");
            assert_eq!(sniff(head.as_bytes()), Some(ImageFormat::Avif), "{brands}");
        }
        // Beyond the box, and as a version.
        assert_eq!(sniff(b"\0\0\0\x14ftypheic\0\0\0\0mif1avif"), None);
        assert_eq!(sniff(b"\0\0\0\x14ftypheicavifmif1"), None);
    }

    #[test]
    fn a_portable_map_has_its_name_and_its_first_bytes() {
        assert_eq!(sniff_portable_map("a/B.PPM", b"P6\n2 2\n255\n"), Some(ImageFormat::Pnm));
        assert_eq!(sniff_portable_map("a.txt", b"P6\n2 2\n255\n"), None);
        assert_eq!(sniff_portable_map("a.ppm", b"P60"), None);
    }

    #[test]
    fn extensions_count_in_either_case() {
        assert!(has_image_extension("a/B.JPG") && has_image_extension("x.y.webp"));
        assert!(!has_image_extension("png") && !has_image_extension("a.txt"));
    }
}
