//! AVIF files (AV1 Image File Format 1.1.0): one picture, or the first of a film, perhaps in tiles,
//! with transparency, cropped, turned and mirrored as the file says.
//!
//! `zenavif-parse` reads the boxes, `re_rav1d` decodes AV1; what is here joins them.

mod colours;
mod planes;

use std::borrow::Cow;

use image::DynamicImage;
use zenavif_parse::{
    AvifParser, CleanAperture, ColorInformation, DecodeConfig, Error as ParseError, GridConfig, Unstoppable,
};

use super::FilesError;
use colours::{ColourSpace, Matrix};
use planes::Planes;

/// Whether a picture of so many columns and rows may be decoded.
type SizeCheck<'c> = dyn Fn(u32, u32) -> Result<(), FilesError> + 'c;

/// Why an AVIF file is not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// It ends early.
    Truncated,
    /// It is not as the standards have it.
    Damaged(String),
    /// It is of a kind that is not read.
    Unsupported(String),
    /// It has more pixels than allowed.
    TooLarge(FilesError),
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::UnexpectedEOF => Self::Truncated,
            ParseError::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Self::Truncated,
            ParseError::Unsupported(what) => Self::Unsupported(what.to_owned()),
            ParseError::ResourceLimitExceeded(what) => {
                Self::Damaged(format!("{what}, far more than its size explains"))
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// The picture in the AVIF file `bytes`, 8 bits, grey or RGB, opaque and upright.
///
/// # Errors
/// As [`Fault`] says; nothing of the size of a picture is allocated before `check` allows it.
pub(super) fn decode(bytes: &[u8], check: &SizeCheck<'_>) -> Result<DynamicImage, Fault> {
    let limits = DecodeConfig::default()
        .with_peak_memory_limit((bytes.len() as u64).saturating_mul(2).saturating_add(1 << 20))
        .with_total_megapixels_limit(u32::MAX)
        .lenient(true);
    let file = AvifParser::from_bytes_with_config(bytes, &limits, &Unstoppable)?;
    let (colour, alpha) = match (file.grid_config(), file.alpha_data()) {
        (Some(_), Some(_)) => {
            return Err(Fault::Unsupported("it has transparency and is stored in tiles".to_owned()));
        }
        (Some(grid), None) => (in_tiles(&file, grid, check)?, None),
        (None, alpha) => {
            let alpha = alpha.transpose()?.map(|data| Planes::decode(&data, check)).transpose()?;
            (Planes::decode(&primary(&file)?, check)?, alpha)
        }
    };
    if let Some(alpha) = &alpha
        && (alpha.width, alpha.height) != (colour.width, colour.height)
    {
        return Err(Fault::Damaged(format!(
            "its transparency has {}x{} pixels, its colours {}x{}",
            alpha.width, alpha.height, colour.width, colour.height
        )));
    }
    let space = match file.color_info() {
        Some(&ColorInformation::Nclx { matrix_coefficients, full_range, .. }) => {
            ColourSpace { matrix: Matrix::of(matrix_coefficients)?, full_range }
        }
        _ => ColourSpace { matrix: Matrix::of(colour.matrix)?, full_range: colour.full_range },
    };
    let alpha = alpha.as_ref().map(|planes| (planes, file.premultiplied_alpha()));
    upright(colours::picture(&colour, space, alpha)?, &file)
}

/// The data of the picture itself, or of a film's first one.
fn primary<'f>(file: &'f AvifParser<'_>) -> Result<Cow<'f, [u8]>, Fault> {
    let data = file.primary_data()?;
    if data.is_empty() && file.animation_info().is_some() { Ok(file.frame(0)?.data) } else { Ok(data) }
}

/// A picture stored in tiles of one size, row by row (ISO/IEC 23008-12, 6.6.2.3).
fn in_tiles(file: &AvifParser<'_>, grid: &GridConfig, check: &SizeCheck<'_>) -> Result<Planes, Fault> {
    let (rows, columns) = (usize::from(grid.rows), usize::from(grid.columns));
    if rows * columns == 0 || file.grid_tile_count() != rows * columns {
        let found = file.grid_tile_count();
        return Err(Fault::Damaged(format!("expected {rows}x{columns} tiles, found {found}")));
    }
    check(grid.output_width, grid.output_height).map_err(Fault::TooLarge)?;
    let tile = |index: usize| Planes::decode(&file.tile_data(index)?, check);
    let first = tile(0)?;
    let whole =
        |given: u32, tiles: usize, each: usize| if given == 0 { tiles * each } else { given as usize };
    let width = whole(grid.output_width, columns, first.width);
    let height = whole(grid.output_height, rows, first.height);
    check(width as u32, height as u32).map_err(Fault::TooLarge)?;
    if width > columns * first.width || height > rows * first.height {
        return Err(Fault::Damaged(format!(
            "{rows}x{columns} tiles of {}x{} pixels do not cover {width}x{height}",
            first.width, first.height
        )));
    }
    let mut picture = first.blank(width, height);
    picture.put(&first, 0, 0)?;
    for index in 1..rows * columns {
        picture.put(&tile(index)?, index % columns, index / columns)?;
    }
    Ok(picture)
}

/// Cropped, then turned, then mirrored (MIAF, ISO/IEC 23000-22, 7.3.6.7).
fn upright(picture: DynamicImage, file: &AvifParser<'_>) -> Result<DynamicImage, Fault> {
    let cropped = match file.clean_aperture() {
        Some(aperture) => {
            let (x, y, width, height) =
                window(*aperture, picture.width(), picture.height()).ok_or_else(|| {
                    Fault::Unsupported(
                        "its clean aperture is no window of whole pixels within the picture".to_owned(),
                    )
                })?;
            picture.crop_imm(x, y, width, height)
        }
        None => picture,
    };
    // Anticlockwise in the file.
    let turned = match file.rotation().map_or(0, |r| r.angle) {
        90 => cropped.rotate270(),
        180 => cropped.rotate180(),
        270 => cropped.rotate90(),
        _ => cropped,
    };
    Ok(match file.mirror().map(|m| m.axis) {
        Some(0) => turned.flipv(),
        Some(_) => turned.fliph(),
        None => turned,
    })
}

/// First column and row, columns and rows of a clean aperture (ISO/IEC 14496-12, 12.1.4), if whole
/// and within `width` x `height`.
fn window(aperture: CleanAperture, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let a = aperture;
    let (x, columns) = line((a.width_n, a.width_d), (a.horiz_off_n, a.horiz_off_d), width)?;
    let (y, rows) = line((a.height_n, a.height_d), (a.vert_off_n, a.vert_off_d), height)?;
    Some((x, y, columns, rows))
}

/// Of a line of `whole` samples: the first one and the number of `size` of them, the middle of which
/// lies `offset` from the middle of the line.
fn line(size: (u32, u32), offset: (i32, u32), whole: u32) -> Option<(u32, u32)> {
    let (size_over, offset_over) = (u64::from(size.1), i128::from(offset.1));
    let length = u64::from(size.0).checked_div(size_over).filter(|&n| n * size_over == u64::from(size.0))?;
    if offset_over == 0 || length == 0 || length > u64::from(whole) {
        return None;
    }
    // Twice the first place, times the offset's denominator.
    let twice = (i128::from(whole) - i128::from(length)) * offset_over + 2 * i128::from(offset.0);
    if twice < 0 || twice % (2 * offset_over) != 0 {
        return None;
    }
    let first = u32::try_from(twice / (2 * offset_over)).ok()?;
    (u64::from(first) + length <= u64::from(whole)).then_some((first, length as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_aperture_lies_around_the_middle() {
        assert_eq!(line((31, 1), (-2, 1), 41), Some((3, 31)));
        assert_eq!(line((42, 2), (1, 1), 27), Some((4, 21)));
        assert_eq!(line((40, 1), (1, 2), 41), Some((1, 40)));
        assert_eq!(line((41, 1), (0, 1), 41), Some((0, 41)));
        // Half a pixel; beyond the edge; denominators of 0; nothing.
        for (size, offset) in [
            ((40, 1), (0, 1)),
            ((41, 1), (1, 1)),
            ((41, 1), (-1, 1)),
            ((41, 0), (0, 1)),
            ((41, 1), (0, 0)),
            ((0, 1), (0, 1)),
        ] {
            assert_eq!(line(size, offset, 41), None);
        }
    }
}
