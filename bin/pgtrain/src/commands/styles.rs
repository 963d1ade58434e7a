//! `pgtrain mix`, `pgtrain generate` and `pgtrain noise`: what styles and noise of a style-based generator do
//! (arXiv:1812.04948, figures 3, 8 and 4).

use anyhow::{Context as _, ensure};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, StderrNotes};
use pg_training::{ImageSheet, Sampler, StyledImage, Truncation};

use crate::args::{GenerateArgs, MixArgs, NoiseArgs};
use crate::labelled_sheet::{SheetLabels, labelled_picture};
use crate::opened_snapshot::open;
use crate::pictures;

/// Images drawn and held at a time.
const CHUNK: usize = 64;

/// Styles of the rows' seeds with some layers of the columns' seeds.
pub(crate) fn mix(args: &MixArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    common.try_file(&args.output, "-o")?;
    let sampler = open_styled(&args.snapshot, common, notes)?;
    let layers = layers_within(&sampler, &args.layers, "--layers")?;
    let (rows, columns) = (args.rows.seeds(), args.cols.seeds());
    let styles = |seeds: &[u64]| -> anyhow::Result<Vec<Vec<f32>>> {
        let styles = sampler.styles_of_seeds(seeds)?;
        styles.iter().map(|w| Ok(sampler.by_layer(w)?)).collect()
    };
    let (of_rows, of_columns) = (styles(&rows)?, styles(&columns)?);
    let size = sampler.latent_size();
    // The columns' own images, then each row's and its mixtures; all of a row with the noise of its seed.
    let mut images: Vec<StyledImage> = columns
        .iter()
        .zip(&of_columns)
        .map(|(&seed, styles)| StyledImage { styles: styles.clone(), noise_seed: Some(seed) })
        .collect();
    for (&seed, row) in rows.iter().zip(&of_rows) {
        images.push(StyledImage { styles: row.clone(), noise_seed: Some(seed) });
        for column in &of_columns {
            let mut styles = row.clone();
            for &layer in &layers {
                let part = layer * size..(layer + 1) * size;
                styles[part.clone()].copy_from_slice(&column[part]);
            }
            images.push(StyledImage { styles, noise_seed: Some(seed) });
        }
    }
    let sheet = draw(&sampler, &images, common)?;
    let places: Vec<_> = std::iter::once(None).chain((0..images.len()).map(Some)).collect();
    let seed_names = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect::<Vec<_>>();
    let labels = SheetLabels {
        columns: [String::new()].into_iter().chain(seed_names(&columns)).collect(),
        rows: [String::new()].into_iter().chain(seed_names(&rows)).collect(),
    };
    pictures::write_bytes(&args.output, &pictures::encode(&labelled_picture(&sheet, &places, &labels))?)?;
    notes.note(format_args!(
        "layers {} come from the columns' seeds, all others from the rows'",
        list(&layers)
    ));
    Ok(ExitStatus::Done)
}

/// Each seed's image with its styles at several distances from their mean.
pub(crate) fn generate(
    args: &GenerateArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    common.try_file(&args.output, "-o")?;
    let mut sampler = open_styled(&args.snapshot, common, notes)?;
    let seeds = args.seeds.seeds();
    let styles = sampler.styles_of_seeds(&seeds)?;
    let mut by_psi = Vec::new();
    for &psi in &args.psi_sweep {
        sampler = sampler.truncated(Truncation::by_layers(vec![(args.layers.clone(), psi)]))?;
        by_psi.push(styles.iter().map(|w| sampler.by_layer(w)).collect::<Result<Vec<_>, _>>()?);
    }
    let images: Vec<StyledImage> = seeds
        .iter()
        .enumerate()
        .flat_map(|(row, &seed)| {
            by_psi
                .iter()
                .map(move |styles| StyledImage { styles: styles[row].clone(), noise_seed: Some(seed) })
        })
        .collect();
    let sheet = draw(&sampler, &images, common)?;
    let labels = SheetLabels {
        columns: args.psi_sweep.iter().map(|psi| format!("{psi}")).collect(),
        rows: seeds.iter().map(u64::to_string).collect(),
    };
    let places: Vec<_> = (0..images.len()).map(Some).collect();
    pictures::write_bytes(&args.output, &pictures::encode(&labelled_picture(&sheet, &places, &labels))?)?;
    notes.note(format_args!("psi for layers {}-{}", args.layers.start(), args.layers.end()));
    Ok(ExitStatus::Done)
}

/// Each seed's styles under other noise: a few images, their mean and their standard deviation.
pub(crate) fn noise(args: &NoiseArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    common.try_file(&args.output, "-o")?;
    let sampler = open_styled(&args.snapshot, common, notes)?;
    let seeds = args.seeds.seeds();
    let styles = sampler.styles_of_seeds(&seeds)?;
    let shown = args.show.min(args.count);
    let (channels, side) = (sampler.channels(), sampler.resolution_px() as usize);
    let mut sheet = ImageSheet { bytes: Vec::new(), count: 0, channels, resolution_px: side };
    let mut deviations = Vec::new();
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let progress =
        Progress::new(common.progress_style(), "noise", "images", (seeds.len() * args.count) as u64);
    for w in &styles {
        let styles = sampler.by_layer(w)?;
        let mut moments = Moments::new(channels * side * side);
        // The same styles without any noise first.
        let plain = sampler.sample_styled(&[StyledImage { styles: styles.clone(), noise_seed: None }])?;
        sheet.bytes.extend_from_slice(&plain.bytes);
        for first in (0..args.count).step_by(CHUNK) {
            interrupt.check(|| "nothing is kept".to_owned())?;
            let numbers = first..(first + CHUNK).min(args.count);
            let images: Vec<_> = numbers
                .clone()
                .map(|k| StyledImage { styles: styles.clone(), noise_seed: Some(k as u64) })
                .collect();
            let drawn = sampler.sample_styled(&images)?;
            for (number, image) in numbers.zip(drawn.images()) {
                moments.add(image);
                if number < shown {
                    sheet.bytes.extend_from_slice(image);
                }
            }
            progress.advance(images.len() as u64);
        }
        sheet.bytes.extend(moments.mean());
        deviations.push(moments.deviation(channels));
        sheet.count += shown + 2;
    }
    progress.finish();
    let largest = deviations.iter().flatten().fold(0.0_f64, |largest, &value| largest.max(value));
    let columns = shown + 3;
    let mut places = Vec::new();
    for (row, deviation) in deviations.iter().enumerate() {
        places.extend((0..shown + 2).map(|column| Some(row * (shown + 2) + column)));
        places.push(Some(seeds.len() * (shown + 2) + row));
        let grey = deviation.iter().map(|value| (255.0 * value / largest.max(1e-9)).round() as u8);
        sheet.bytes.extend(std::iter::repeat_n(grey.collect::<Vec<u8>>(), channels).flatten());
        sheet.count += 1;
    }
    let mut names = vec!["none".to_owned()];
    names.extend((0..shown).map(|k| format!("noise {k}")));
    names.extend(["mean".to_owned(), format!("sd/{largest:.0}")]);
    debug_assert_eq!(names.len(), columns);
    let labels = SheetLabels { columns: names, rows: seeds.iter().map(u64::to_string).collect() };
    pictures::write_bytes(&args.output, &pictures::encode(&labelled_picture(&sheet, &places, &labels))?)?;
    notes.note(format_args!(
        "mean and standard deviation of {} images each; white is a deviation of {largest:.1} of 255",
        args.count
    ));
    Ok(ExitStatus::Done)
}

fn open_styled(
    args: &crate::args::SnapshotArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<Sampler> {
    let sampler = open(args, common, notes)?;
    sampler.require_styles().with_context(|| args.source.display().to_string())?;
    Ok(sampler)
}

/// The layers of `range` that the generator has; none is an error.
fn layers_within(
    sampler: &Sampler,
    range: &std::ops::RangeInclusive<usize>,
    flag: &str,
) -> anyhow::Result<Vec<usize>> {
    let layers = sampler.style_layers()?;
    ensure!(
        *range.end() < layers,
        "{flag} {}-{}: the generator has layers 0 to {} at {} px",
        range.start(),
        range.end(),
        layers - 1,
        sampler.resolution_px()
    );
    Ok(range.clone().collect())
}

fn list(layers: &[usize]) -> String {
    match layers {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => "none".to_owned(),
    }
}

fn draw(sampler: &Sampler, images: &[StyledImage], common: &CommonArgs) -> anyhow::Result<ImageSheet> {
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let progress = Progress::new(common.progress_style(), "sample", "images", images.len() as u64);
    let mut all = ImageSheet {
        bytes: Vec::new(),
        count: 0,
        channels: sampler.channels(),
        resolution_px: sampler.resolution_px() as usize,
    };
    for chunk in images.chunks(CHUNK) {
        interrupt.check(|| "nothing is kept".to_owned())?;
        let sheet = sampler.sample_styled(chunk)?;
        all.bytes.extend_from_slice(&sheet.bytes);
        all.count += sheet.count;
        progress.advance(chunk.len() as u64);
    }
    progress.finish();
    Ok(all)
}

/// Sums of values and squares by pixel.
struct Moments {
    count: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(len: usize) -> Self {
        Self { count: 0.0, sums: vec![0.0; len], squares: vec![0.0; len] }
    }

    fn add(&mut self, image: &[u8]) {
        self.count += 1.0;
        for ((sum, square), &value) in self.sums.iter_mut().zip(&mut self.squares).zip(image) {
            let value = f64::from(value);
            *sum += value;
            *square += value * value;
        }
    }

    fn mean(&self) -> impl Iterator<Item = u8> {
        self.sums.iter().map(|sum| (sum / self.count).round() as u8)
    }

    /// By pixel, the root of the mean variance of the channels.
    fn deviation(&self, channels: usize) -> Vec<f64> {
        let pixels = self.sums.len() / channels.max(1);
        let variance = |index: usize| {
            let mean = self.sums[index] / self.count;
            (self.squares[index] / self.count - mean * mean).max(0.0)
        };
        let of_pixel = |pixel: usize| (0..channels).map(|c| variance(c * pixels + pixel)).sum::<f64>();
        (0..pixels).map(|pixel| (of_pixel(pixel) / channels as f64).sqrt()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_values() {
        let mut moments = Moments::new(4);
        for image in [[0, 10, 100, 7], [4, 10, 106, 7], [8, 10, 112, 7]] {
            moments.add(&image);
        }
        assert_eq!(moments.mean().collect::<Vec<u8>>(), [4, 10, 106, 7]);
        // Two channels of two pixels: variances 32/3 and 24 at the first.
        let expected = f64::midpoint(32.0 / 3.0, 24.0).sqrt();
        let found = moments.deviation(2);
        assert!((found[0] - expected).abs() < 1e-9 && found[1] == 0.0, "{found:?}");
    }
}
