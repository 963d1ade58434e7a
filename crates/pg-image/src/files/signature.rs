//! Image formats by their first bytes.

use image::ImageFormat;

/// As many first bytes as telling a format takes.
pub const SIGNATURE_BYTES: usize = 18;

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
    } else if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
        Some(ImageFormat::Tiff)
    } else if head.starts_with(b"BM")
        // "BM" alone may begin a text: the length of the second header tells.
        && matches!(head.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
    {
        Some(ImageFormat::Bmp)
    } else {
        None
    }
}

/// True when `head`, the first [`SIGNATURE_BYTES`] bytes of a file, begins an image of a format that is
/// read.
#[must_use]
pub fn looks_like_image(head: &[u8]) -> bool {
    sniff(head).is_some()
}

/// The usual name of the format that `head`, a file's first bytes, announces: `PNG`, `JPEG`, `GIF`, `WebP`,
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
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        _ => "image",
    }
}

/// True for file names that claim to be an image of a format that is read.
#[must_use]
pub fn has_image_extension(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    matches!(
        extension.as_str(),
        "png" | "jpg" | "jpeg" | "jpe" | "jfif" | "bmp" | "webp" | "tif" | "tiff" | "gif"
    )
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
    fn extensions_count_in_either_case() {
        assert!(has_image_extension("a/B.JPG") && has_image_extension("x.y.webp"));
        assert!(!has_image_extension("png") && !has_image_extension("a.txt"));
    }
}
