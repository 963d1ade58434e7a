//! Arguments that may be URLs: sources, datasets and files brought here, outputs sent there.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pg_cloud::{Location, Outgoing, RemoteOutput};
use pg_image::Resolution;
use pg_image::files::NamedCount;
use pg_shard::{BuildPlan, Dataset, Manifest, remove_output};
use pg_sources::{Source, SourceFormat};
use serde_json::json;

use crate::session::{Session, output_context};

/// The images at `path`; their format is told from the content unless it is given.
pub(crate) fn source(session: &Session, path: &Path, format: Option<SourceFormat>) -> anyhow::Result<Source> {
    session.reads(path);
    let source = match (Location::of(path)?, format) {
        (Some(location), format) => session.cloud.source(&location, format)?,
        (None, Some(format)) => Source::open_as(path, format)?,
        (None, None) => Source::open(path)?,
    };
    let left_out = source.left_out();
    if let Some(note) = left_out.note() {
        session.notes.note(format!("{}: {note}", path.display()));
        let counted = |what: &NamedCount| json!({ "count": what.count, "first": what.first });
        let (files, folders) = (counted(&left_out.files), counted(&left_out.folders));
        session.also("left_out", json!({ "files": files, "folders": folders }));
    }
    Ok(source)
}

/// Whether there is a finished dataset at `path`.
pub(crate) fn is_dataset(session: &Session, path: &Path) -> anyhow::Result<bool> {
    match Location::of(path)? {
        Some(location) => Ok(session.cloud.dataset(&location)?.is_some()),
        None => Ok(Manifest::is_in(path)),
    }
}

/// The dataset at `path`; at a URL only the levels that `needed` picks by the manifest.
pub(crate) fn dataset(
    session: &Session,
    path: &Path,
    needed: impl FnOnce(&Manifest) -> anyhow::Result<Vec<Resolution>>,
) -> anyhow::Result<Dataset> {
    session.reads(path);
    let open = || {
        let Some(location) = Location::of(path)? else { return anyhow::Ok(Dataset::open(path)?) };
        let remote = session.cloud.expect_dataset(&location)?;
        Ok(remote.open(&needed(remote.manifest())?)?)
    };
    open().with_context(|| format!("cannot open the dataset {}", path.display()))
}

/// Where to read the file at `path`, which is brought here if it is elsewhere.
pub(crate) fn file<'a>(session: &Session, path: &'a Path) -> anyhow::Result<Cow<'a, Path>> {
    Ok(match Location::of(path)? {
        Some(location) => Cow::Owned(session.cloud.fetch(&location)?),
        None => Cow::Borrowed(path),
    })
}

/// The file to write at `path`, the value of `flag`, which must be free.
pub(crate) fn output_file(session: &Session, path: &Path, flag: &str) -> anyhow::Result<Outgoing> {
    let cannot = || format!("cannot write {} ({flag})", path.display());
    let outgoing = session.cloud.outgoing(path).with_context(cannot)?;
    if Location::of(path)?.is_none() {
        session.common.try_file(path, flag)?;
    } else if outgoing.is_there().with_context(cannot)? {
        session.common.refuse_to_replace(path, flag)?;
    }
    Ok(outgoing)
}

/// Removes the output in the folder `path`, where `--overwrite` asks for another in its place; one begun by `plan` stays.
pub(crate) fn make_room(session: &Session, path: &Path, plan: Option<&BuildPlan>) -> anyhow::Result<()> {
    if !session.common.overwrite {
        return Ok(());
    }
    refuse_url(path, "-o", "--overwrite works on disks only: choose another name, or remove what is there")?;
    if let Some(input) = session.input_in(path) {
        bail!(
            "cannot replace {} (-o, --overwrite): {} is in it, and is read; choose another output",
            path.display(),
            input.display()
        );
    }
    remove_output(path, plan).with_context(|| format!("cannot replace {} (-o, --overwrite)", path.display()))
}

/// The output at `path`, if it is a URL; `done_file` is written last. `plan` is what it will be claimed by.
pub(crate) fn output(
    session: &Session,
    path: &Path,
    plan: &BuildPlan,
    done_file: &str,
) -> anyhow::Result<Option<Arc<RemoteOutput>>> {
    make_room(session, path, Some(plan))?;
    let Some(location) = Location::of(path).with_context(|| output_context(path))? else { return Ok(None) };
    let output = session.cloud.output(&location, done_file).with_context(|| output_context(path))?;
    Ok(Some(Arc::new(output)))
}

/// True when `output` is `folder` or below it; neither need exist.
pub(crate) fn is_inside(output: &Path, folder: &Path) -> anyhow::Result<bool> {
    if let Some((output, folder)) = Location::of(output)?.zip(Location::of(folder)?) {
        return Ok(output.is_within(&folder));
    }
    Ok(resolved(output).starts_with(resolved(folder)))
}

/// The absolute path, with the links of the part that exists resolved.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find_map(|part| Some((part.canonicalize().ok()?, part)));
    match existing {
        Some((canonical, part)) => absolute.strip_prefix(part).map_or_else(
            |_| absolute.clone(),
            // Joining an empty rest would add a slash.
            |rest| if rest.as_os_str().is_empty() { canonical.clone() } else { canonical.join(rest) },
        ),
        None => absolute,
    }
}

/// Refuses a URL for what is only written to disks.
pub(crate) fn refuse_url(path: &Path, flag: &str, remedy: &str) -> anyhow::Result<()> {
    if Location::is_url(path) {
        bail!("{} ({flag}) is a URL: {remedy}", path.display());
    }
    Ok(())
}
