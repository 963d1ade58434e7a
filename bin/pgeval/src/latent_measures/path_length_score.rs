//! `ppl-z-full`, `ppl-z-end`, `ppl-w-full`, `ppl-w-end`

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, Array4, ArrayD, ArrayView1, ArrayView4, Axis, concatenate, s};
use pg_cli::{CommonArgs, Interrupt, Progress};
use pg_metrics::{
    IMAGES_OF_ONE_NOISE, LatentPath, PathLength, PathSampling, averaged_down, draw_layer_noise, face_region,
    path_length,
};
use pg_onnx::{ImageDistance, Lanes, PathGenerator, Provider};
use rayon::prelude::*;

use super::finite_outputs::{NetworkOutput, check_finite};
use super::{Networks, OpenedGenerator, groups_of_one_noise};
use crate::args::{CropChoice, LatentChoice, PplArgs, SamplingChoice};
use crate::interruption::nothing_kept;
use crate::metric_result::Warning;

/// Smaller images have no place in the distance's coarsest level.
const SMALLEST_PX: usize = 16;
/// Pairs in a batch on a processor: more only take memory.
const CPU_PAIRS: usize = 4;
/// Below, the interval says how much a number is worth, and no published number is of as few.
const FEW_PATHS: usize = 1000;

/// What was measured.
pub(crate) struct PathScore {
    pub(crate) length: PathLength,
    pub(crate) generator: OpenedGenerator,
    /// Of the distance's file.
    pub(crate) distance: serde_json::Value,
    pub(crate) networks: serde_json::Value,
    pub(crate) side_px: usize,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) kept: Kept,
    pub(crate) pace: Pace,
}

/// Of each path.
pub(crate) struct Kept {
    pub(crate) distances: Vec<f64>,
    /// The two points, where `--save` asks for them: latents for z, styles for w.
    pub(crate) points: Option<[Array2<f32>; 2]>,
}

/// How fast it went; of no effect on numbers.
pub(crate) struct Pace {
    pub(crate) images_per_second: f64,
    /// Share of the time that threads spent in the two networks.
    pub(crate) share_in_networks: f64,
}

/// A generator and the distance, for one thread.
struct Pair {
    generator: PathGenerator,
    distance: ImageDistance,
}

/// Paths with one noise: their points and the distances of their images.
struct Group {
    points: [Array2<f32>; 2],
    distances: Vec<f32>,
}

/// What all groups share.
struct Walk<'a> {
    args: &'a PplArgs,
    opened: &'a OpenedGenerator,
    pairs_at_once: usize,
    in_networks_ns: AtomicU64,
    in_all_ns: AtomicU64,
}

pub(crate) fn measure_paths(args: &PplArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<PathScore> {
    let networks = Networks::load(&args.latents.runtime, common)?;
    let (generator, opened) = OpenedGenerator::open(&networks, &args.latents)?;
    let distance =
        ImageDistance::open(&networks.runtime, &args.lpips, &networks.settings).context("--lpips")?;
    let side_px = compared_side(args, &opened, &distance)?;
    let described = serde_json::json!({
        "path": args.lpips.display().to_string(),
        "sha256": distance.model().sha256(),
        "metric": distance.model().metadata("pg.metric"),
        "weights": distance.model().metadata("pg.weights"),
        "weights_sha256": distance.model().metadata("pg.weights_sha256"),
    });
    let warnings = warnings(args, &distance);

    let lanes = Lanes::new(networks.side_by_side(Pair { generator, distance }, |first| {
        let generator = OpenedGenerator::another(&networks, &first.generator)?;
        let distance = first.distance.another(&networks.runtime, &networks.settings).context("--lpips")?;
        Ok(Pair { generator, distance })
    })?);
    let most = match args.latents.runtime.provider {
        Provider::Cpu => CPU_PAIRS,
        Provider::Cuda(_) => IMAGES_OF_ONE_NOISE,
    };
    let walk = Walk {
        args,
        opened: &opened,
        pairs_at_once: args.latents.runtime.batch.unwrap_or(most).min(IMAGES_OF_ONE_NOISE),
        in_networks_ns: AtomicU64::new(0),
        in_all_ns: AtomicU64::new(0),
    };
    let progress = Progress::new(common.progress_style(), "paths", "paths", args.samples as u64);
    let started = Instant::now();
    let groups: Vec<Group> = groups_of_one_noise(args.samples)
        .map(|indices| {
            interrupt.check(nothing_kept)?;
            let count = indices.len();
            let mut group = lanes.with(|pair| walk.group(pair, indices))?;
            if args.latents.save.is_none() {
                group.points = [(); 2].map(|()| Array2::zeros((0, 0)));
            }
            progress.advance(count as u64);
            Ok(group)
        })
        .collect::<Result<_>>()?;
    progress.finish();
    let seconds = started.elapsed().as_secs_f64();

    let distances: Vec<f64> =
        groups.iter().flat_map(|group| &group.distances).map(|&d| f64::from(d)).collect();
    let length = path_length(&distances, args.epsilon)
        .with_context(|| format!("the distances of {}", args.lpips.display()))?;
    let points = args.latents.save.as_ref().map(|_| gathered(&groups)).transpose()?;
    let pace = Pace {
        images_per_second: 2.0 * args.samples as f64 / seconds,
        share_in_networks: walk.in_networks_ns.into_inner() as f64 / walk.in_all_ns.into_inner() as f64,
    };
    Ok(PathScore {
        length,
        generator: opened,
        distance: described,
        networks: networks.describe(),
        side_px,
        warnings,
        kept: Kept { distances, points },
        pace,
    })
}

/// Side of the images that are compared.
fn compared_side(args: &PplArgs, opened: &OpenedGenerator, distance: &ImageDistance) -> Result<usize> {
    let side = opened.resolution_px;
    let shown = ArrayD::<f32>::zeros(vec![1, 1, side, side]).into_dimensionality()?;
    let side_px = seen(args.crop, &shown.view()).len_of(Axis(2));
    if side_px < SMALLEST_PX {
        bail!(
            "GENERATOR {} draws images of {side} pixels, of which {side_px} are compared: the distance needs at least {SMALLEST_PX}; {}",
            opened.argument,
            if args.crop == CropChoice::Faces { "leave --crop out" } else { "take a generator of more" }
        );
    }
    if let Some(wanted) = distance.side_px().filter(|&wanted| wanted != side_px) {
        bail!(
            "--lpips {} takes images of {wanted} pixels only, and those of GENERATOR {} have {side_px} once cropped and averaged; export one that takes any size",
            args.lpips.display(),
            opened.argument
        );
    }
    Ok(side_px)
}

fn warnings(args: &PplArgs, distance: &ImageDistance) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if distance.model().metadata("pg.weights").as_deref() == Some("random") {
        let text = format!(
            "--lpips {} has random weights: its distances are no perceptual ones, and compare with nobody's",
            args.lpips.display()
        );
        warnings.push(Warning::new("random-weights", text));
    }
    if args.samples < FEW_PATHS {
        let text = format!(
            "{} paths are few: the mean has a wide interval; published numbers have 100000",
            args.samples
        );
        warnings.push(Warning::new("few-paths", text));
    }
    warnings
}

/// What of images `[N,C,R,R]` is compared.
fn seen(crop: CropChoice, images: &ArrayView4<'_, f32>) -> Array4<f32> {
    match crop {
        CropChoice::Faces => averaged_down(&face_region(images)),
        CropChoice::None => averaged_down(images),
    }
}

impl Walk<'_> {
    fn group(&self, pair: &mut Pair, indices: std::ops::Range<usize>) -> Result<Group> {
        let started = Instant::now();
        let latents = &self.args.latents;
        let first_of_group = indices.start;
        let noise = draw_layer_noise(latents.seed, first_of_group, &self.opened.noise_sides_px);
        let paths: Vec<LatentPath> = indices
            .map(|index| {
                let sampling = match self.args.sampling {
                    SamplingChoice::Full => PathSampling::Full,
                    SamplingChoice::End => PathSampling::End,
                };
                LatentPath::draw(latents.seed, index, self.opened.latents, sampling)
            })
            .collect();
        let mut points = Vec::new();
        let mut distances = Vec::with_capacity(paths.len());
        let mut first_path = first_of_group;
        for paths in paths.chunks(self.pairs_at_once) {
            let (ends, images) = match latents.space {
                LatentChoice::Z => {
                    let rows = self.steps_in_z(paths);
                    let images = self.timed(|| pair.generator.images_of_latents(&rows.view(), &noise))?;
                    (rows, images)
                }
                LatentChoice::W => {
                    let rows = self.steps_in_w(paths, pair)?;
                    let images = self.timed(|| pair.generator.images_of_styles(&rows.view(), &noise))?;
                    (rows, images)
                }
            };
            let count = paths.len();
            let path_of = |row: usize| first_path + row % count;
            check_finite(&ends.view(), self.of_generator("w"), path_of)?;
            check_finite(&images.view(), self.of_generator("images"), path_of)?;
            let [first, second] = [0..count, count..2 * count]
                .map(|rows| seen(self.args.crop, &images.slice(s![rows, .., .., ..])));
            let found = self.timed(|| pair.distance.distances(&first.view(), &second.view()))?;
            let name = pair.distance.model().outputs().first().map_or("", |output| &output.name);
            let path = self.args.lpips.display().to_string();
            let output = NetworkOutput { role: "--lpips", path: &path, name };
            check_finite(&ArrayView1::from(&found), output, path_of)?;
            distances.extend(found);
            points.push(ends);
            first_path += count;
        }
        let points = [0, 1].map(|half| {
            let halves = points.iter().map(|rows| {
                let count = rows.nrows() / 2;
                rows.slice(s![half * count..(half + 1) * count, ..])
            });
            concatenate(Axis(0), &halves.collect::<Vec<_>>())
        });
        let [first, second] = points;
        self.in_all_ns.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        Ok(Group { points: [first?, second?], distances })
    }

    fn of_generator<'a>(&'a self, name: &'a str) -> NetworkOutput<'a> {
        NetworkOutput { role: "GENERATOR", path: &self.opened.argument, name }
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.in_networks_ns.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    /// Where `paths` are looked at, then a step further: `[2N, latents + labels]`.
    fn steps_in_z(&self, paths: &[LatentPath]) -> Array2<f32> {
        let steps: Vec<_> = paths.iter().map(|path| path.step_in_z(self.args.epsilon)).collect();
        let (here, further): (Vec<_>, Vec<_>) =
            steps.into_iter().map(|[here, further]| (here, further)).unzip();
        self.opened.latents.rows(&[here, further].concat())
    }

    /// The same in w: `[2N, styles]`.
    fn steps_in_w(&self, paths: &[LatentPath], pair: &mut Pair) -> Result<Array2<f32>> {
        let ends =
            paths.iter().map(|path| path.first.clone()).chain(paths.iter().map(|path| path.second.clone()));
        let ends = self.opened.latents.rows(&ends.collect::<Vec<_>>());
        let w = self.timed(|| pair.generator.map(&ends.view()))?;
        let w = w.as_standard_layout();
        let mut steps = Array2::zeros(w.raw_dim());
        let count = paths.len();
        for (k, path) in paths.iter().enumerate() {
            let (first, second) = (w.row(k), w.row(count + k));
            let [here, further] = path.step_in_w(
                first.as_slice().unwrap_or_default(),
                second.as_slice().unwrap_or_default(),
                self.args.epsilon,
            );
            for (row, step) in [(k, here), (count + k, further)] {
                for (place, number) in steps.row_mut(row).iter_mut().zip(step) {
                    *place = number;
                }
            }
        }
        Ok(steps)
    }
}

fn gathered(groups: &[Group]) -> Result<[Array2<f32>; 2]> {
    let half = |half: usize| {
        let points: Vec<_> = groups.iter().map(|group| group.points[half].view()).collect();
        concatenate(Axis(0), &points)
    };
    Ok([half(0)?, half(1)?])
}
