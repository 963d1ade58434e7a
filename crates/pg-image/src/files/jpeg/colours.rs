//! What the components of a JPEG file stand for, and how they become grey or RGB.

use super::segments::Segments;

/// What the components stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    /// Luminance and two differences of colour (JFIF 1.02).
    YCbCr,
    /// Four inks.
    Cmyk,
    /// Four inks, three of them as luminance and differences (Adobe technical note 5116).
    Ycck,
}

impl Colours {
    /// By the rules of libjpeg, which no standard gives in one place: JFIF is always YCbCr; without
    /// it Adobe's segment decides; without both the names of the components, `R`, `G` and `B` being
    /// RGB.
    pub(super) fn of(segments: &Segments<'_>) -> Self {
        let components = segments.frame.as_ref().map_or(0, |frame| frame.components.len());
        match (components, segments.adobe_transform) {
            (1, _) => Self::Grey,
            (4, None | Some(0)) => Self::Cmyk,
            (4, Some(_)) => Self::Ycck,
            _ if segments.jfif => Self::YCbCr,
            (_, Some(0)) => Self::Rgb,
            (_, None) if has_letters(segments) => Self::Rgb,
            _ => Self::YCbCr,
        }
    }

    /// By the rules of the `image` crate's decoder.
    pub(super) fn as_image_takes_them(segments: &Segments<'_>) -> Self {
        match (Self::of(segments), segments.adobe_transform) {
            (Self::Rgb | Self::YCbCr, Some(0)) => Self::Rgb,
            (Self::Rgb | Self::YCbCr, _) if has_letters(segments) => Self::Rgb,
            (Self::Ycck, Some(1)) => Self::YCbCr,
            (colours, _) => colours,
        }
    }

    /// Grey or RGB, from a plane for each component, all of the picture's size.
    ///
    /// R = Y + 1.402 (Cr - 128), G = Y - 0.344136 (Cb - 128) - 0.714136 (Cr - 128), B = Y + 1.772
    /// (Cb - 128), each rounded and limited to 0 .. 255. Inks count as stored inverted, as Adobe's
    /// programs store them: R = C' K' / 255 and so on.
    pub(super) fn to_picture(self, mut planes: Vec<Vec<u8>>) -> Vec<u8> {
        let black = if planes.len() == 4 { planes.pop() } else { None };
        let [first, second, third] = &planes[..] else {
            return planes.swap_remove(0);
        };
        let mut out = Vec::with_capacity(3 * first.len());
        for ((&a, &b), &c) in first.iter().zip(second).zip(third) {
            out.extend(match self {
                Self::YCbCr => rgb(a, b, c),
                // The inks are what is left of the light.
                Self::Ycck => rgb(a, b, c).map(|light| 255 - light),
                _ => [a, b, c],
            });
        }
        for (pixel, &k) in out.as_chunks_mut::<3>().0.iter_mut().zip(black.iter().flatten()) {
            *pixel = pixel.map(|ink| ((u32::from(ink) * u32::from(k) + 127) / 255) as u8);
        }
        out
    }
}

/// Whether the components have the names `R`, `G` and `B`.
fn has_letters(segments: &Segments<'_>) -> bool {
    segments.frame.iter().flat_map(|frame| &frame.components).map(|c| c.id).eq(*b"RGB")
}

fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    // In 65536ths.
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}
