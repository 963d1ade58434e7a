//! `align`: what is aligned, and how: landmarks and their photos, settings, and one face at a time.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use pg_align::landmark_file::{self, LandmarkFile, LandmarkRow};
use pg_align::{AlignSettings, Aligned, FinalFilter, RandomShift, align, check_inside, check_layout};
use pg_build::Packed;
use pg_cli::Provenance;
use pg_image::files::read_text;
use pg_image::{Planar, Resolution};
use pg_shard::format::default_images_per_shard;
use pg_shard::{BuildPlan, FailedItem, IndexLine, Preparation, Storage, reason};
use pg_sources::{Item, Source};
use rayon::prelude::*;
use serde_json::{Map, json};

use crate::args::{AlignArgs, Filter, Format, Preset};
use crate::at_url::{self, is_inside};
use crate::image_items::{Loader, Photo, lengths, list_blake3, load, modified};
use crate::session::{Session, TOOL, count, resolution, storage};

/// Photos opened to see whether the landmarks lie in them.
const PHOTOS_LOOKED_AT: usize = 32;

/// A landmark row and where its photo is.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) row: LandmarkRow,
    /// Position in the source; `None` when the photo is not there.
    pub(crate) item: Option<usize>,
}

/// The folder of FFHQ's photos, as its JSON names it.
const FFHQ_PHOTOS: &str = "in-the-wild-images/";

/// Everything that is fixed before the first photo is read.
pub(crate) struct AlignJob {
    pub(crate) source: Source,
    pub(crate) faces: Vec<Face>,
    without_landmarks: usize,
    pub(crate) size: Resolution,
    pub(crate) storage: Storage,
    /// Of all faces; each has its own shift, see [`AlignJob::settings_of`].
    pub(crate) settings: AlignSettings,
    random_shift: Option<RandomShift>,
    pub(crate) loader: Loader,
}

impl AlignJob {
    /// Reads landmarks and finds their photos. Landmarks that cannot be used are an error; with `--preview`
    /// they are there to be seen, and what is wrong comes along.
    pub(crate) fn prepare(
        session: &Session,
        args: &AlignArgs,
    ) -> anyhow::Result<(Self, Option<anyhow::Error>)> {
        let size = resolution(args.size, "--size")?;
        let storage = storage(size, &args.storage)?;
        if args.format == Format::Png && storage != Storage::whole(size) {
            bail!(
                "--levels and --codec cannot be used: they say what a dataset stores, give --format shards"
            );
        }
        let filter = match args.filter {
            Filter::Box => FinalFilter::Box,
            Filter::Lanczos => FinalFilter::Lanczos,
        };
        let preset = match args.preset {
            Preset::Celeba => pg_align::Preset::Celeba,
            Preset::Ffhq => pg_align::Preset::Ffhq,
        };
        let file = read_landmarks(session, &args.landmarks)?;
        let layout = file.layout;
        check_points(&file, args)?;
        // With --preview a wrong layout is there to be seen.
        let mut wrong = match check_layout(&file) {
            Ok(odd) => {
                if let Some(&first) = odd.first() {
                    session.notes.warning(format!(
                        "{} of {} (--landmarks) {} like no face, the first is {}",
                        count(odd.len() as u64, "row"),
                        args.landmarks.display(),
                        if odd.len() == 1 { "looks" } else { "look" },
                        layout.name_of(&file.rows[first])
                    ));
                }
                None
            }
            Err(error) => Some(anyhow::Error::new(error)),
        };
        if !args.preview
            && let Some(error) = wrong
        {
            return Err(error.context(not_usable(&args.landmarks)));
        }
        let source = at_url::source(session, &args.photos, None)
            .with_context(|| format!("cannot use {} as PHOTOS", args.photos.display()))?;
        if !args.preview && is_inside(&args.output, &args.photos)? {
            bail!(
                "{} (-o) lies inside {}: what is written there would be taken for photos, choose a folder outside",
                args.output.display(),
                args.photos.display()
            );
        }
        let (faces, without_landmarks) = match_photos(session, &source, file.rows, args)?;
        if without_landmarks > 0 {
            let photos = count(without_landmarks as u64, "photo");
            session.notes.note(format!("{photos} without a landmark row left aside"));
        }
        let job = AlignJob {
            source,
            faces,
            without_landmarks,
            size,
            storage,
            settings: AlignSettings {
                rotation: !args.no_rotation,
                padding: !args.no_padding,
                ..AlignSettings::new(size.pixels(), filter, preset)
            },
            // Shifts by nothing are none, whatever the seed.
            random_shift: args
                .random_shift
                .filter(|&deviation| deviation > 0.0)
                .map(|deviation| RandomShift { deviation, seed: args.seed.unwrap_or(0) }),
            loader: session.loader(&args.limits),
        };
        if wrong.is_none() {
            wrong = check_inside(layout, &job.sizes_of_some_photos()).err().map(anyhow::Error::new);
        }
        if !args.preview
            && let Some(error) = wrong
        {
            return Err(error.context(not_usable(&args.landmarks)));
        }
        Ok((job, wrong))
    }
}

fn not_usable(path: &Path) -> String {
    format!("{} (--landmarks) is no landmark file that can be used", path.display())
}

/// Refuses 68 points where five belong, and the other way round.
fn check_points(file: &LandmarkFile, args: &AlignArgs) -> anyhow::Result<()> {
    let (expected, name, other) = match args.preset {
        Preset::Celeba => (5, "celeba", "ffhq"),
        Preset::Ffhq => (68, "ffhq", "celeba"),
    };
    let found = file.layout.points();
    if found != expected {
        bail!(
            "{} (--landmarks) holds {found} points per face, expected {expected} for --preset {name}: use --preset {other}, or landmarks of {expected} points",
            args.landmarks.display()
        );
    }
    Ok(())
}

fn read_landmarks(session: &Session, path: &Path) -> anyhow::Result<LandmarkFile> {
    let read = || anyhow::Ok(read_text(&at_url::file(session, path)?)?);
    let text = read().with_context(|| {
        format!(
            "cannot read {} (--landmarks): give the file with the five points of each photo",
            path.display()
        )
    })?;
    landmark_file::parse(&text).with_context(|| not_usable(path))
}

/// The faces to align, sorted by file name, and the number of photos without a row.
fn match_photos(
    session: &Session,
    source: &Source,
    rows: Vec<LandmarkRow>,
    args: &AlignArgs,
) -> anyhow::Result<(Vec<Face>, usize)> {
    let positions: HashMap<&str, usize> =
        source.items().iter().enumerate().map(|(i, item)| (item.name.as_str(), i)).collect();
    let mut faces: Vec<Face> = rows
        .into_iter()
        .map(|row| {
            let name = row.file.strip_prefix("./").unwrap_or(&row.file);
            // FFHQ's JSON names the photos from the folder above theirs.
            let below = || name.strip_prefix(FFHQ_PHOTOS).and_then(|name| positions.get(name));
            Face { item: positions.get(name).or_else(below).copied(), row }
        })
        .collect();
    let named: HashSet<usize> = faces.iter().filter_map(|face| face.item).collect();
    if named.is_empty() {
        bail!(
            "none of the {} photos in {} is named in {} (--landmarks): the first row names {:?}, the first photo is {:?}",
            source.items().len(),
            args.photos.display(),
            args.landmarks.display(),
            faces.first().map_or("", |f| &f.row.file),
            source.items().first().map_or("", |i| &i.name),
        );
    }
    let without_landmarks = source.items().len() - named.len();
    faces.sort_by(|a, b| a.row.file.as_bytes().cmp(b.row.file.as_bytes()));
    if let Some(path) = &args.ids {
        keep_ids(session, &mut faces, path)?;
    }
    if let Some(limit) = args.limit {
        if limit == 0 {
            bail!("--limit 0 leaves nothing to do: give 1 or more");
        }
        faces.truncate(limit);
    }
    Ok((faces, without_landmarks))
}

/// Keeps the faces named in the file, by file name or by its stem.
fn keep_ids(session: &Session, faces: &mut Vec<Face>, path: &Path) -> anyhow::Result<()> {
    let read = || anyhow::Ok(read_text(&at_url::file(session, path)?)?);
    let text = read().with_context(|| format!("cannot read {} (--ids)", path.display()))?;
    let known: HashSet<&str> = faces.iter().flat_map(|f| [f.row.file.as_str(), stem(&f.row.file)]).collect();
    let mut wanted = HashSet::new();
    for (i, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        if !known.contains(line) {
            bail!("{} (--ids), line {}: {line:?} has no landmark row", path.display(), i + 1);
        }
        wanted.insert(line);
    }
    if wanted.is_empty() {
        bail!("{} (--ids) names no photo: expected one name per line", path.display());
    }
    faces.retain(|f| wanted.contains(f.row.file.as_str()) || wanted.contains(stem(&f.row.file)));
    Ok(())
}

/// At most `wanted` numbers below `n`, evenly spread, ascending.
pub(crate) fn spread(n: usize, wanted: usize) -> Vec<usize> {
    let taken = n.min(wanted);
    (0..taken).map(|i| i * n / taken).collect()
}

/// The name of the file without folders and extension.
pub(crate) fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

impl AlignJob {
    /// Width and height of photos spread evenly over the faces; those that cannot be read are left out.
    fn sizes_of_some_photos(&self) -> Vec<(&LandmarkRow, [usize; 2])> {
        let with_photo: Vec<(&LandmarkRow, usize)> =
            self.faces.iter().filter_map(|face| Some((&face.row, face.item?))).collect();
        spread(with_photo.len(), PHOTOS_LOOKED_AT)
            .into_par_iter()
            .filter_map(|i| {
                let (row, item) = with_photo[i];
                let photo = load(&self.source, item, &self.loader).ok()?.raster;
                Some((row, [photo.width(), photo.height()]))
            })
            .collect()
    }

    /// The list of photos and landmarks, when `failed` had other lengths or were not there.
    pub(crate) fn source_blake3(&self, failed: &[FailedItem]) -> String {
        let absent = Item { name: String::new(), bytes: 0 };
        let were_absent: HashSet<&str> =
            failed.iter().filter(|item| item.bytes.is_none()).map(|item| item.path.as_str()).collect();
        let list = self.faces.iter().map(|face| {
            let row = &face.row;
            let there = face.item.filter(|_| !were_absent.contains(row.file.as_str()));
            let item = there.and_then(|i| self.source.items().get(i)).unwrap_or(&absent);
            (item, format!("{} {:?}", row.file, row.landmarks))
        });
        let by_row = lengths(failed);
        let named = self.faces.iter().filter_map(|face| {
            let bytes = by_row.get(face.row.file.as_str())?;
            Some((self.source.items().get(face.item?)?.name.as_str(), *bytes))
        });
        list_blake3(list, &named.collect())
    }

    /// The plan of a dataset.
    pub(crate) fn dataset_plan(&self, args: &AlignArgs) -> BuildPlan {
        let fitting = || default_images_per_shard(3, self.size);
        self.plan(args, args.images_per_shard.map_or_else(fitting, |n| n as usize))
    }

    pub(crate) fn plan(&self, args: &AlignArgs, items_per_shard: usize) -> BuildPlan {
        let mut settings = Map::new();
        let format = if args.format == Format::Png { "png" } else { "shards" };
        for (name, value) in [
            ("command", json!("align")),
            ("version", json!(TOOL.1)),
            (Preparation::Preset.key(), json!(self.settings.preset)),
            (Preparation::Filter.key(), json!(self.settings.filter)),
            (Preparation::Rotation.key(), json!(self.settings.rotation)),
            (Preparation::Padding.key(), json!(self.settings.padding)),
            (Preparation::RandomShift.key(), json!(self.random_shift.map(|random| random.deviation))),
            (Preparation::ShiftSeed.key(), json!(self.random_shift.map(|random| random.seed))),
            ("format", json!(format)),
            ("max_pixels", json!(self.loader.limits.max_pixels)),
            ("max_bytes", json!(self.loader.limits.max_bytes)),
        ] {
            settings.insert(name.to_owned(), value);
        }
        for (name, value) in self.storage.settings() {
            settings.insert(name.to_owned(), value);
        }
        BuildPlan {
            settings,
            source_blake3: self.source_blake3(&[]),
            items: self.faces.len(),
            items_per_shard,
            channels: 3,
            resolution: self.size.into(),
        }
    }

    pub(crate) fn provenance(
        &self,
        args: &AlignArgs,
        plan: &BuildPlan,
        done: u64,
        failed: u64,
    ) -> Provenance {
        let seed = self.random_shift.map(|random| random.seed);
        let mut provenance = Provenance::of_this_process(TOOL.0, TOOL.1, seed)
            .arguments("align", args)
            .setting(Preparation::Size.key(), args.size)
            .setting("images_per_shard", plan.items_per_shard)
            .count("landmark_rows_used", self.faces.len())
            .count("photos_without_landmarks", self.without_landmarks)
            .count("aligned", done)
            .count("failed", failed);
        for (name, value) in &plan.settings {
            provenance = provenance.setting(name, value.clone());
        }
        provenance
    }

    /// The settings of one face.
    pub(crate) fn settings_of(&self, face: &Face) -> AlignSettings {
        let shift = self.random_shift.map_or([0.0; 2], |random| random.of(&face.row.file));
        AlignSettings { shift, ..self.settings }
    }

    pub(crate) fn modified(&self, i: usize, args: &AlignArgs) -> Option<SystemTime> {
        modified(&self.source, self.faces[i].item?, &args.photos)
    }

    /// Face `i`, aligned, RGB.
    pub(crate) fn aligned(&self, i: usize) -> Result<(Aligned, String), FailedItem> {
        let face = &self.faces[i];
        let bytes = face.item.and_then(|item| Some(self.source.items().get(item)?.bytes));
        let failed = |reason: String| FailedItem { path: face.row.file.clone(), reason, bytes };
        let Some(item) = face.item else {
            return Err(failed(
                "the landmark file names this photo, but it is not among the photos".to_owned(),
            ));
        };
        let Photo { raster, blake3 } = load(&self.source, item, &self.loader).map_err(failed)?;
        let aligned = align(raster.into_rgb(), &face.row.landmarks, self.settings_of(face))
            .map_err(|e| failed(reason(&e)))?;
        Ok((aligned, blake3))
    }

    /// Face `i` for a dataset.
    pub(crate) fn make(&self, i: usize) -> Result<Packed, FailedItem> {
        let (aligned, blake3) = self.aligned(i)?;
        let path = self.faces[i].row.file.clone();
        Ok(Packed {
            image: Planar::from_raster(&aligned.image),
            line: IndexLine { path, blake3, geometry: json!(aligned.geometry) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{spread, stem};

    #[test]
    fn some_of_many_are_spread_evenly_and_few_are_all_taken() {
        assert_eq!(spread(10, 4), [0, 2, 5, 7]);
        assert_eq!(spread(2, 4), [0, 1]);
        assert!(spread(0, 4).is_empty());
    }

    #[test]
    fn stems_lose_folders_and_the_last_extension() {
        assert_eq!(["a/b.c.jpg", "x", ".hidden", "d/"].map(stem), ["b.c", "x", ".hidden", ""]);
    }
}
