//! A dataset, or a part of one, shard by shard.

use std::cell::Cell;

use pg_image::Planar;
use pg_shard::format::{MANIFEST_FILE, PART_FILE};
use pg_shard::{
    BuildPlan, DatasetBuilder, EncodedImage, FailedItem, IndexLine, Manifest, Opened, OpenedPart, PartPlan,
    PartSummary, Storage, reopen_failed,
};
use serde_json::Value;

use crate::disk_space::BuildSize;
use crate::host::counted;
use crate::outcome::Stop;
use crate::records::failed_items;
use crate::shards_in_hand::ShardsInHand;
use crate::{Again, BuildError, Counter as _, Destination, Host, Outcome, Part, in_order};

/// An image of a dataset: its finest level and where it comes from.
pub struct Packed {
    /// `[C,R,R]`, R the finest resolution of the plan.
    pub image: Planar<u8>,
    /// Its line of the index.
    pub line: IndexLine,
}

/// Label rows of a dataset being built.
pub struct LabelRows<'a> {
    /// Names of the columns.
    pub names: Vec<String>,
    /// The row of item i.
    pub row: &'a dyn Fn(usize) -> Vec<f32>,
}

/// A dataset, or a part of one, that was built.
pub enum Built {
    /// The whole.
    Dataset(Box<Manifest>),
    /// One part.
    Part(PartSummary),
}

/// A dataset to build.
pub struct DatasetBuild<'a> {
    /// The part to build, or all.
    pub part: Option<Part>,
    /// Its settings must tell other labels.
    pub plan: BuildPlan,
    /// Levels and codec.
    pub storage: Storage,
    /// What its progress is called.
    pub label: &'a str,
    /// Whether the first failed item ends it.
    pub stop_at_failure: bool,
    /// Rows that go with the images.
    pub labels: Option<LabelRows<'a>>,
    /// What of an earlier run is done again.
    pub again: Again<'a>,
}

/// What the output holds.
enum Found {
    Building(Box<DatasetBuilder>),
    Complete(Built),
}

impl DatasetBuild<'_> {
    /// What the output is claimed by.
    #[must_use]
    pub fn claim(&self) -> BuildPlan {
        let of = self.part.map(|_| self.shards_of_part());
        DatasetBuilder::claim_of(&self.plan, &self.storage, of.as_ref())
    }

    /// Builds the dataset at `to`, the part's own folder where there is a part, or goes on with it: item i is `make(i)`,
    /// or fails with a path and reason. `provenance` of the images made and failed is recorded.
    ///
    /// Items are made on the threads of `host`; meanwhile this one writes them, and one more completes the
    /// shard before. Memory: two shards and two images per thread.
    ///
    /// # Errors
    /// [`BuildError`], where it cannot be begun; what breaks it off later is in the outcome.
    pub fn run<H: Host>(
        self,
        host: &H,
        to: &Destination<'_>,
        provenance: impl FnOnce(u64, u64) -> Value,
        make: impl Fn(usize) -> Result<Packed, FailedItem> + Sync,
    ) -> Result<Outcome<Built>, BuildError> {
        let storage = self.storage.clone();
        let encoded = |i: usize| {
            let Packed { image, line } = make(i)?;
            match storage.encode(image) {
                Ok(image) => Ok((image, line)),
                Err(e) => Err(FailedItem::new(line.path, e.to_string())),
            }
        };
        let size = self.size(|i| encoded(i).ok().map(|(image, _)| image));
        // At a URL shards leave this disk as they are finished.
        let is_done = [MANIFEST_FILE, PART_FILE].iter().any(|done| to.name.join(done).is_file());
        if to.remote.is_none() && !is_done {
            size.check(host, to.name, &self.storage)?;
        }
        let builder = match self.open(to)? {
            Found::Building(builder) => builder,
            Found::Complete(built) => {
                to.clean_up()?;
                host.note(format!("{} is complete already, nothing was done", to.name.display()));
                return Ok(Outcome::Complete(built));
            }
        };
        let mut builder = match &self.labels {
            Some(labels) => builder.with_labels(labels.names.clone())?,
            None => *builder,
        };
        self.forget_outdated(&mut builder, host)?;
        to.begin()?;
        let work = Work { build: &self, size, to };
        if let Err(stopped) = work.write(&builder, host, encoded) {
            let (stop, kept, left_bytes) = *stopped;
            return Ok(stop.outcome(kept, left_bytes));
        }
        Ok(work.complete(builder, provenance).unwrap_or_else(|error| Outcome::Failed {
            error,
            kept: "run the same command again to go on".to_owned(),
            left_bytes: Some(0),
        }))
    }

    /// The shards of the part: a contiguous range of those of the plan.
    fn shards_of_part(&self) -> PartPlan {
        let part = self.part.unwrap_or(Part { index: 1, count: 1 });
        PartPlan { part: part.index, parts: part.count, shards: part.range(self.plan.shards()) }
    }

    /// Its first item, and how many there are.
    fn items(&self) -> (usize, usize) {
        let (shards, per_shard) = (self.shards_of_part().shards, self.plan.items_per_shard.max(1));
        let first = (shards.start * per_shard).min(self.plan.items);
        (first, (shards.end * per_shard).min(self.plan.items) - first)
    }

    fn size(&self, encode: impl Fn(usize) -> Option<EncodedImage>) -> BuildSize {
        let (first, items) = self.items();
        let columns = self.labels.as_ref().map_or(0, |labels| labels.names.len());
        BuildSize::of(&BuildPlan { items, ..self.plan.clone() }, &self.storage, columns, |i| {
            encode(first + i)
        })
    }

    fn open(&self, to: &Destination<'_>) -> Result<Found, BuildError> {
        let (folder, plan, storage) = (to.folder(), self.plan.clone(), self.storage.clone());
        if let Some(source_before) = self.again.failed {
            let source_blake3 = source_before(&failed_items(to.name));
            reopen_failed(folder, &BuildPlan { source_blake3, ..plan.clone() }, &plan, &storage)?;
        }
        Ok(if self.part.is_none() {
            match DatasetBuilder::open_stored(folder, plan, storage)? {
                Opened::Building(builder) => Found::Building(builder),
                Opened::Complete(manifest) => Found::Complete(Built::Dataset(manifest)),
            }
        } else {
            match DatasetBuilder::open_part(folder, plan, storage, self.shards_of_part())? {
                OpenedPart::Building(builder) => Found::Building(builder),
                OpenedPart::Complete(summary) => Found::Complete(Built::Part(summary)),
            }
        })
    }

    /// Shards whose sources were written to after they were finished are built again.
    fn forget_outdated(&self, builder: &mut DatasetBuilder, host: &impl Host) -> Result<(), BuildError> {
        let Some(modified) = self.again.modified else { return Ok(()) };
        let mut outdated = 0;
        for shard in builder.shards() {
            let Some(finished) = builder.finished_at(shard) else { continue };
            if builder.items_of(shard).any(|item| modified(item).is_some_and(|time| time > finished)) {
                builder.forget(shard)?;
                outdated += 1;
            }
        }
        if outdated > 0 {
            let s = if outdated == 1 { "" } else { "s" };
            host.note(format!(
                "{outdated} finished shard{s} will be built again: their sources were written to since"
            ));
        }
        Ok(())
    }
}

/// A build that was begun.
struct Work<'a> {
    build: &'a DatasetBuild<'a>,
    size: BuildSize,
    to: &'a Destination<'a>,
}

/// Why it stopped, what is kept, and how many bytes are still to be written.
type Stopped = (Stop, String, Option<u64>);

impl Work<'_> {
    /// Makes and writes what is missing.
    fn write<H: Host>(
        &self,
        builder: &DatasetBuilder,
        host: &H,
        encoded: impl Fn(usize) -> Result<(EncodedImage, IndexLine), FailedItem> + Sync,
    ) -> Result<(), Box<Stopped>> {
        let (build, (_, items)) = (self.build, self.build.items());
        let shards = builder.shards().len();
        let progress = host.progress(build.label, "images", items);
        let unfinished: Vec<usize> = builder.shards().filter(|&s| !builder.is_finished(s)).collect();
        let todo: Vec<usize> = unfinished.iter().flat_map(|&s| builder.items_of(s)).collect();
        let resumed = items - todo.len();
        if resumed > 0 {
            host.note(format!("going on after {resumed} of {items} images"));
            progress.resume_at(resumed as u64);
        }
        let mut in_hand = ShardsInHand::new(builder, self.to.remote.clone());
        let failures = Cell::new(0);
        let made = |i: usize| counted(host, &progress, || encoded(i));
        let written = in_order(host.threads(), &todo, made, |item, made| {
            let Some(made) = made else { return Err(Stop::Ending) };
            match made {
                Ok((image, line)) => {
                    let row = build.labels.as_ref().map_or_else(Vec::new, |labels| (labels.row)(item));
                    in_hand.writer(item)?.push_encoded(&image, &line, &row)?;
                }
                Err(failed) => {
                    failures.set(failures.get() + 1);
                    host.failure(&progress, failures.get(), &failed);
                    if build.stop_at_failure {
                        return Err(Stop::Failure);
                    }
                    in_hand.writer(item)?.fail(failed);
                }
            }
            Ok(())
        });
        // What is in hand is dropped, the shard before it completed.
        let (written, done) = match written {
            Ok(()) => {
                let (completed, done) = in_hand.complete();
                (completed.map_err(Stop::Error), done)
            }
            Err(stop) => (Err(stop), in_hand.abandon()),
        };
        written.map_err(|stop| {
            let finished = shards - unfinished.len() + done;
            let kept =
                format!("{finished} of {shards} shards are finished; run the same command again to go on");
            let left_bytes = self.size.after(resumed + done * builder.plan().items_per_shard);
            Box::new((stop, kept, Some(left_bytes)))
        })?;
        progress.finish();
        Ok(())
    }

    /// Writes what says that all is there; of a dataset without any image nothing stays.
    fn complete(
        &self,
        builder: DatasetBuilder,
        provenance: impl FnOnce(u64, u64) -> Value,
    ) -> Result<Outcome<Built>, BuildError> {
        let (images, failed) = builder.counts();
        if images == 0 && self.build.part.is_none() {
            builder.discard()?;
            self.to.clean_up()?;
            return Ok(Outcome::Nothing { items: self.build.items().1, unit: "images" });
        }
        let provenance = provenance(images, failed);
        let built = match self.build.part {
            Some(_) => Built::Part(builder.complete_part(provenance)?),
            None => Built::Dataset(Box::new(builder.complete(provenance)?)),
        };
        self.to.complete(MANIFEST_FILE)?;
        Ok(Outcome::Complete(built))
    }
}
