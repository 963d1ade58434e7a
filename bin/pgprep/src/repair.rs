//! `pgprep verify --repair`: damaged files made again, from the finest level or from the sources.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail};
use pg_build::{Packed, in_order};
use pg_shard::format::{FAILED_FILE, MANIFEST_FILE, SEAL_FILE, shard_path};
use pg_shard::{
    BuildPlan, Damage, EncodedImage, FailedItem, IndexLine, Manifest, Repair, Replaced, Storage, reason,
    renew_seal,
};
use serde::Deserialize;

use crate::align_job::AlignJob;
use crate::args::{AlignArgs, PackArgs, VerifyArgs};
use crate::building::stopped;
use crate::pack_job::PackJob;
use crate::session::Session;

/// What a damaged file was repaired from, or why it was not.
pub(crate) type Outcome = Result<&'static str, String>;

/// Repairs what can be; the outcome for every damaged file by its path.
pub(crate) fn repair(
    session: &Session,
    args: &VerifyArgs,
    manifest: &Manifest,
    damaged: &[Damage],
) -> anyhow::Result<BTreeMap<String, Outcome>> {
    let folder = &args.dataset;
    let context = || format!("cannot repair {}", folder.display());
    let mut outcomes = BTreeMap::new();
    let mut shards: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for damage in damaged {
        match Manifest::shard_of_file(&damage.path) {
            Some(shard) if !is_sealed(&damage.path) => {
                shards.entry(shard).or_default().push(damage.path.clone());
            }
            _ => drop(outcomes.insert(damage.path.clone(), sealed_file(damaged, damage, args))),
        }
    }
    if shards.is_empty() {
        return Ok(outcomes);
    }
    let repair = Repair::begin(folder, manifest).with_context(context)?;
    let progress = session.progress("repair", "shards", shards.len());
    let mut sources: Option<Result<Sources, String>> = None;
    let total = shards.len();
    for (done, (shard, mut paths)) in shards.into_iter().enumerate() {
        stopped(session, done, total, "shards")?;
        let finest = manifest.levels().last().map(|&r| shard_path(r, shard));
        if finest.is_some_and(|finest| !paths.contains(&finest)) {
            // Those that come out differently still have the sources to go by.
            let replaced = repair.coarser_levels(shard, &paths).with_context(context)?;
            paths.retain(|path| !replaced.repaired.contains(path));
            outcomes.extend(replaced.repaired.into_iter().map(|path| (path, Ok("the finest level"))));
        }
        if !paths.is_empty() {
            let sources = sources.get_or_insert_with(|| {
                Sources::open(session, args, manifest).map_err(|e| reason(e.as_ref()))
            });
            match sources {
                Ok(sources) => {
                    let replaced = sources.rebuild(session, &repair, shard, &paths).with_context(context)?;
                    outcomes.extend(replaced.repaired.into_iter().map(|path| (path, Ok("the sources"))));
                    outcomes.extend(replaced.different.into_iter().map(|path| {
                        (path, Err("the sources give another content than the manifest tells".to_owned()))
                    }));
                }
                Err(why) => outcomes.extend(paths.into_iter().map(|path| (path, Err(why.clone())))),
            }
        }
        progress.advance(1);
    }
    progress.finish();
    repair.end().with_context(context)?;
    Ok(outcomes)
}

/// A file that belongs to no shard: only the seal itself can be written again.
fn sealed_file(damaged: &[Damage], damage: &Damage, args: &VerifyArgs) -> Outcome {
    let alone = damaged.iter().filter(|d| is_sealed(&d.path)).all(|d| d.path == SEAL_FILE);
    if damage.path == SEAL_FILE && alone {
        return renew_seal(&args.dataset).map(|()| "the files it seals").map_err(|e| reason(&e));
    }
    Err("its content is stored nowhere else".to_owned())
}

/// True for the files that only a seal vouches for.
pub(crate) fn is_sealed(path: &str) -> bool {
    [MANIFEST_FILE, SEAL_FILE, FAILED_FILE].contains(&path)
}

/// The command that made a dataset, as its manifest tells.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MadeBy {
    Pack(Box<PackArgs>),
    Align(Box<AlignArgs>),
}

/// What the dataset was made of, ready to make any item of it again.
enum Job {
    Pack(Box<PackJob>),
    Align(Box<AlignJob>),
}

struct Sources {
    job: Job,
    plan: BuildPlan,
    storage: Storage,
}

impl Sources {
    /// Prepares the command that made the dataset, if it still finds the same sources.
    fn open(session: &Session, args: &VerifyArgs, manifest: &Manifest) -> anyhow::Result<Self> {
        let arguments = manifest.provenance.get("arguments").cloned().ok_or_else(|| {
            anyhow!("the manifest does not say how the dataset was made, as those of older versions: build it again")
        })?;
        let made_by: MadeBy = serde_json::from_value(arguments).map_err(|_| {
            anyhow!("the manifest does not say how the dataset was made in a way that this version knows")
        })?;
        let (job, mut plan, storage) = match made_by {
            MadeBy::Pack(mut pack) => {
                if let Some(source) = &args.source {
                    pack.source.clone_from(source);
                }
                let job =
                    PackJob::prepare(session, &pack).context("the sources cannot be used (--source)")?;
                let (plan, storage) = (job.plan.clone(), job.storage.clone());
                (Job::Pack(Box::new(job)), plan, storage)
            }
            MadeBy::Align(mut align) => {
                if let Some(source) = &args.source {
                    align.photos.clone_from(source);
                }
                if let Some(landmarks) = &args.landmarks {
                    align.landmarks.clone_from(landmarks);
                }
                let (job, _) = AlignJob::prepare(session, &align)
                    .context("the sources cannot be used (--source, --landmarks)")?;
                let (plan, storage) = (job.dataset_plan(&align), job.storage.clone());
                (Job::Align(Box::new(job)), plan, storage)
            }
        };
        // Another version may well make the same bytes; the manifest's checksums will tell.
        if let Some(version) = manifest.provenance.get("version") {
            plan.settings.insert("version".to_owned(), version.clone());
        }
        if plan.blake3() != manifest.plan_blake3 {
            bail!(
                "the sources are not those that the dataset was made of: files were added, removed or changed"
            );
        }
        Ok(Self { job, plan, storage })
    }

    fn make(&self, i: usize) -> Result<(EncodedImage, IndexLine), FailedItem> {
        let Packed { image, line } = match &self.job {
            Job::Pack(job) => job.make(i)?,
            Job::Align(job) => job.make(i)?,
        };
        match self.storage.encode(image) {
            Ok(image) => Ok((image, line)),
            Err(e) => Err(FailedItem::new(line.path, e.to_string())),
        }
    }

    fn label_columns(&self) -> Option<usize> {
        match &self.job {
            Job::Pack(job) => job.label_names().map(|names| names.len()),
            Job::Align(_) => None,
        }
    }

    fn row(&self, i: usize) -> Vec<f32> {
        match &self.job {
            Job::Pack(job) => job.row(i),
            Job::Align(_) => Vec::new(),
        }
    }

    /// Makes all files of `shard` again and puts them in the place of the damaged ones.
    fn rebuild(
        &self,
        session: &Session,
        repair: &Repair<'_>,
        shard: usize,
        damaged: &[String],
    ) -> anyhow::Result<Replaced> {
        let per_shard = self.plan.items_per_shard.max(1);
        let items: Vec<usize> = (shard * per_shard..((shard + 1) * per_shard).min(self.plan.items)).collect();
        let mut writer = repair.shard(shard, items.len(), &self.storage, self.label_columns())?;
        in_order(
            session.threads(),
            &items,
            |i| (!session.interrupted()).then(|| self.make(i)),
            |i, made| {
                match made {
                    None => stopped(session, i - items[0], items.len(), "images of a shard")?,
                    Some(Ok((image, line))) => writer.push_encoded(&image, &line, &self.row(i))?,
                    Some(Err(failed)) => writer.fail(failed),
                }
                anyhow::Ok(())
            },
        )?;
        Ok(repair.finish(writer, damaged)?)
    }
}
