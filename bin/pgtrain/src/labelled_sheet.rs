//! Sheets of images whose columns and rows have names.

use font8x8::UnicodeFonts as _;
use pg_image::Planar;
use pg_training::ImageSheet;

/// Side of a letter before it is enlarged.
const LETTER_PX: usize = 8;
/// Space around a name, in letters' pixels.
const MARGIN_PX: usize = 4;
const PAPER: u8 = 255;
const INK: u8 = 0;

/// Names of what a sheet shows; empty ones leave their margin out where all are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SheetLabels {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<String>,
}

/// The images row by row, as many in a row as there are names of columns, on white, names above and on the left. A
/// place without an image is `None`.
pub(crate) fn labelled_picture(
    cells: &ImageSheet,
    places: &[Option<usize>],
    labels: &SheetLabels,
) -> Planar<u8> {
    let (columns, rows) = (labels.columns.len().max(1), labels.rows.len().max(1));
    let side = cells.resolution_px;
    // Letters of about a tenth of an image, and whole pixels.
    let zoom = (side / 96).max(1);
    let longest = labels.rows.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let text = |letters: usize| if letters == 0 { 0 } else { (letters * LETTER_PX + 2 * MARGIN_PX) * zoom };
    let left = text(longest);
    let top = text(usize::from(labels.columns.iter().any(|name| !name.is_empty())));
    let gap = side / 32;
    let (width, height) = (left + columns * (side + gap), top + rows * (side + gap));
    let mut picture = Planar::filled(cells.channels, height, width, PAPER);
    let images: Vec<&[u8]> = cells.images().collect();
    for (place, image) in places.iter().enumerate() {
        let Some(image) = image.and_then(|index| images.get(index)) else { continue };
        let (x, y) = (left + place % columns * (side + gap), top + place / columns * (side + gap));
        for (channel, plane) in image.chunks_exact(side * side).enumerate() {
            let target = picture.plane_mut(channel);
            for (row, source) in plane.chunks_exact(side).enumerate() {
                target[(y + row) * width + x..][..side].copy_from_slice(source);
            }
        }
    }
    for (column, name) in labels.columns.iter().enumerate() {
        // As much of a name as its column has room for.
        let fitting = (side / (LETTER_PX * zoom)).max(1);
        let shown: String = name.chars().take(fitting).collect();
        let from = left + column * (side + gap) + (side.saturating_sub(shown.len() * LETTER_PX * zoom)) / 2;
        write(&mut picture, &shown, (from, MARGIN_PX * zoom), zoom);
    }
    for (row, name) in labels.rows.iter().enumerate() {
        let y = top + row * (side + gap) + side.saturating_sub(LETTER_PX * zoom) / 2;
        write(&mut picture, name, (MARGIN_PX * zoom, y), zoom);
    }
    picture
}

/// Letters from the upper left corner on, `zoom` pixels for each of theirs.
fn write(picture: &mut Planar<u8>, text: &str, (x, y): (usize, usize), zoom: usize) {
    let (width, height) = (picture.width(), picture.height());
    for (index, letter) in text.chars().enumerate() {
        let Some(rows) = font8x8::BASIC_FONTS.get(letter) else { continue };
        for (row, bits) in rows.into_iter().enumerate() {
            for column in (0..LETTER_PX).filter(|column| bits >> column & 1 == 1) {
                for (dy, dx) in (0..zoom).flat_map(|dy| (0..zoom).map(move |dx| (dy, dx))) {
                    let (px, py) = (x + (index * LETTER_PX + column) * zoom + dx, y + row * zoom + dy);
                    if px < width && py < height {
                        for channel in 0..picture.channels() {
                            picture.plane_mut(channel)[py * width + px] = INK;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(count: usize, side: usize) -> ImageSheet {
        let bytes = (0..count).flat_map(|k| vec![10 * (k as u8 + 1); side * side]).collect();
        ImageSheet { bytes, count, channels: 1, resolution_px: side }
    }

    #[test]
    fn images_stand_in_their_places_below_and_beside_their_names() {
        let labels = SheetLabels { columns: vec!["a".into(), "b".into()], rows: vec!["x1".into()] };
        let picture = labelled_picture(&sheet(2, 32), &[Some(1), None], &labels);
        // Names of two letters on the left, of one above; a gap of a pixel.
        assert_eq!((picture.width(), picture.height()), (24 + 2 * 33, 16 + 33));
        let at = |x: usize, y: usize| picture.plane(0)[y * picture.width() + x];
        assert_eq!((at(24, 16), at(55, 47), at(56, 16), at(57, 16)), (20, 20, PAPER, PAPER));
        let ink = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| {
            x.flat_map(|x| y.clone().map(move |y| (x, y))).filter(|&(x, y)| at(x, y) == INK).count()
        };
        assert!(ink(24..56, 0..16) > 5 && ink(57..89, 0..16) > 5 && ink(0..24, 16..48) > 10);
        assert_eq!(ink(0..24, 0..16), 0);
    }

    #[test]
    fn without_names_there_are_no_margins() {
        let labels = SheetLabels { columns: vec![String::new(); 3], rows: vec![String::new()] };
        let picture = labelled_picture(&sheet(3, 8), &[Some(0), Some(1), Some(2)], &labels);
        assert_eq!((picture.width(), picture.height()), (24, 8));
    }
}
