//! AV1 data to planes of samples.

use re_rav1d::dav1d::{
    Decoder, Error as Av1Error, Picture, PixelLayout, PlanarImageComponent, Settings, pixel,
};

use super::{Fault, SizeCheck};

/// The samples of a picture: luminance, or luminance and two planes of colour.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bits of a sample: 8, 10 or 12.
    pub(super) depth: u32,
    /// Columns of the picture to one of the planes of colour: 1 or 2.
    pub(super) across: usize,
    /// Rows, likewise.
    pub(super) down: usize,
    /// Whether samples use all values.
    pub(super) full_range: bool,
    /// What AV1 says of the matrix (ITU-T H.273, table 4).
    pub(super) matrix: u16,
    /// Row by row, without padding; 1 or 3 of them.
    pub(super) samples: Vec<Vec<u16>>,
}

impl Planes {
    /// The first picture in `data`, units of AV1.
    ///
    /// # Errors
    /// As [`Fault`] says.
    pub(super) fn decode(data: &[u8], check: &SizeCheck<'_>) -> Result<Self, Fault> {
        let largest = check_size(data, check)?;
        let mut settings = Settings::new();
        // Images are decoded side by side: a thread each, and no more.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_frame_size_limit(largest);
        let mut decoder = Decoder::with_settings(&settings).map_err(of_decoder)?;
        match decoder.send_data(data.to_vec(), None, None, None) {
            Ok(()) | Err(Av1Error::Again) => {}
            Err(error) => return Err(of_decoder(error)),
        }
        loop {
            match decoder.get_picture() {
                Ok(picture) => return Self::of(&picture),
                Err(Av1Error::Again) => {}
                Err(error) => return Err(of_decoder(error)),
            }
            match decoder.send_pending_data() {
                // All of it was taken, and there is no picture.
                Ok(()) => {
                    return decoder.get_picture().map_err(|_| Fault::Truncated).and_then(|p| Self::of(&p));
                }
                Err(Av1Error::Again) => {}
                Err(error) => return Err(of_decoder(error)),
            }
        }
    }

    fn of(picture: &Picture) -> Result<Self, Fault> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (across, down) = match picture.pixel_layout() {
            PixelLayout::I420 => (2, 2),
            PixelLayout::I422 => (2, 1),
            PixelLayout::I400 | PixelLayout::I444 => (1, 1),
        };
        let mut planes = Self {
            width,
            height,
            depth: picture.bits_per_component().map_or(8, |bits| bits.0 as u32),
            across,
            down,
            full_range: picture.color_range() == pixel::YUVRange::Full,
            matrix: matrix_of(picture.matrix_coefficients()),
            samples: Vec::new(),
        };
        let components = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];
        let many = if picture.pixel_layout() == PixelLayout::I400 { 1 } else { 3 };
        for (i, &component) in components.iter().take(many).enumerate() {
            let (columns, rows) = planes.size_of(i);
            let plane = picture.plane(component);
            let stride = picture.stride(component) as usize;
            let mut samples = Vec::with_capacity(columns * rows);
            for line in plane.chunks(stride.max(1)).take(rows) {
                if picture.bit_depth() == 8 {
                    samples.extend(line.iter().take(columns).map(|&v| u16::from(v)));
                } else {
                    samples.extend(line.as_chunks().0.iter().take(columns).map(|&v| u16::from_ne_bytes(v)));
                }
            }
            if samples.len() != columns * rows {
                return Err(Fault::Damaged("a plane of it is short".to_owned()));
            }
            planes.samples.push(samples);
        }
        Ok(planes)
    }

    /// Columns and rows of plane `index`.
    pub(super) fn size_of(&self, index: usize) -> (usize, usize) {
        match index {
            0 => (self.width, self.height),
            _ => (self.width.div_ceil(self.across), self.height.div_ceil(self.down)),
        }
    }

    /// Planes of the same kind and another size, all 0.
    pub(super) fn blank(&self, width: usize, height: usize) -> Self {
        let mut blank = Self { width, height, samples: Vec::new(), ..*self };
        blank.samples = (0..self.samples.len())
            .map(|i| {
                let (columns, rows) = blank.size_of(i);
                vec![0; columns * rows]
            })
            .collect();
        blank
    }

    /// Puts `tile` where it belongs, in a grid of tiles of its size; what lies beyond is left out.
    pub(super) fn put(&mut self, tile: &Self, column: usize, row: usize) -> Result<(), Fault> {
        let kind = |p: &Self| (p.depth, p.across, p.down, p.samples.len());
        let (x, y) = (column * tile.width, row * tile.height);
        if kind(self) != kind(tile) || !x.is_multiple_of(self.across) || !y.is_multiple_of(self.down) {
            return Err(Fault::Unsupported("its tiles are not of one kind or of odd sizes".to_owned()));
        }
        for i in 0..self.samples.len() {
            let (x, y) = if i == 0 { (x, y) } else { (x / self.across, y / self.down) };
            let ((columns, rows), (tile_columns, tile_rows)) = (self.size_of(i), tile.size_of(i));
            let wide = tile_columns.min(columns.saturating_sub(x));
            for line in 0..tile_rows.min(rows.saturating_sub(y)) {
                let to = (y + line) * columns + x;
                self.samples[i][to..to + wide]
                    .copy_from_slice(&tile.samples[i][line * tile_columns..][..wide]);
            }
        }
        Ok(())
    }
}

/// Refuses what the first header says is too large, with its size: the decoder would say less. The pixels that it claims.
fn check_size(data: &[u8], check: &SizeCheck<'_>) -> Result<u32, Fault> {
    let header = zenavif_parse::AV1Metadata::parse_av1_bitstream(data)?;
    let (width, height) = (header.max_frame_width.get(), header.max_frame_height.get());
    check(width, height).map_err(Fault::TooLarge)?;
    Ok(u32::try_from(u64::from(width) * u64::from(height)).unwrap_or(u32::MAX))
}

fn of_decoder(error: Av1Error) -> Fault {
    match error {
        Av1Error::Again => Fault::Truncated,
        Av1Error::UnsupportedBitstream => Fault::Unsupported("AV1 data of an unknown kind".to_owned()),
        Av1Error::NotEnoughMemory => Fault::Damaged("it needs far more memory than there is".to_owned()),
        _ => Fault::Damaged("its AV1 data is not valid".to_owned()),
    }
}

/// The number of H.273 for what the decoder names.
fn matrix_of(matrix: pixel::MatrixCoefficients) -> u16 {
    use pixel::MatrixCoefficients as M;
    match matrix {
        M::Identity => 0,
        M::BT709 => 1,
        M::BT470M => 4,
        M::BT470BG | M::ST170M => 6,
        M::ST240M => 7,
        M::YCgCo => 8,
        M::BT2020NonConstantLuminance => 9,
        M::BT2020ConstantLuminance => 10,
        M::ST2085 => 11,
        M::ChromaticityDerivedNonConstantLuminance => 12,
        M::ChromaticityDerivedConstantLuminance => 13,
        M::ICtCp => 14,
        M::Reserved | M::Unspecified => 2,
    }
}
