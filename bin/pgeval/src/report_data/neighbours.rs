//! The real images nearest to some fakes, by their pixels at 64 px: a generator that copies its training
//! data shows here.

use anyhow::Result;
use pg_image::Planar;
use pg_metrics::Side;
use pg_results::{FakeAndNearest, Neighbour};
use rayon::prelude::*;

use super::pictures::{ReportPictures, thumbnail};
use super::sheets::picture;

const FAKES: usize = 8;
const NEAREST: usize = 3;

/// The first eight fakes with the three nearest of all real images, equally near ones in their order.
/// Empty where the sides' thumbnails differ in size.
pub(super) fn neighbours(pictures: &ReportPictures) -> Result<Vec<FakeAndNearest>> {
    let reals = pictures.real_thumbnails();
    let mut rows = Vec::new();
    for (index, image) in pictures.shown(Side::Fake).take(FAKES) {
        let fake = thumbnail(image);
        let mut ranked: Vec<(u64, usize)> = reals
            .par_iter()
            .enumerate()
            .filter(|(_, (_, real))| (real.width(), real.height()) == (fake.width(), fake.height()))
            .map(|(place, (_, real))| (squared_distance(&fake, real), place))
            .collect();
        ranked.sort_unstable();
        if ranked.is_empty() {
            return Ok(Vec::new());
        }
        let nearest = ranked.iter().take(NEAREST).map(|&(squared, place)| {
            let (real_index, real) = reals[place];
            anyhow::Ok(Neighbour {
                picture: picture(real, format!("real image {real_index}"))?,
                distance: (squared as f64 / real.data().len() as f64).sqrt(),
            })
        });
        rows.push(FakeAndNearest {
            fake: picture(&fake, format!("fake image {index}"))?,
            nearest: nearest.collect::<Result<_>>()?,
        });
    }
    Ok(rows)
}

/// Sum of squared differences of two images of one shape.
fn squared_distance(a: &Planar<u8>, b: &Planar<u8>) -> u64 {
    // A row of differences fits u32 many times over.
    a.data()
        .chunks(1024)
        .zip(b.data().chunks(1024))
        .map(|(a, b)| {
            let squares = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2));
            u64::from(squares.sum::<u32>())
        })
        .sum()
}
