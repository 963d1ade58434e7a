//! Unpacking a component's part of its wheels into a new folder that then takes the place of the old.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use zip::ZipArchive;

use super::meter::Meter;
use super::{remove_folder, stamp};
use crate::pinned_wheels::{Component, Piece, Take};

const COPY_STEP_BYTES: usize = 1 << 16;
/// Files up to this size are not synced one by one: ten thousand headers would take a minute. A power
/// cut could leave some of them empty, which the sizes in the stamp reveal at the next setup.
const SYNCED_FROM_BYTES: u64 = 1 << 20;

/// Builds `<folder>.partial` from the wheels in `<deps_dir>/wheels` and moves it into place.
pub(super) fn install(component: &Component, deps_dir: &Path) -> Result<()> {
    let folder = deps_dir.join(component.folder);
    let partial = deps_dir.join(format!("{}.partial", component.folder));
    remove_folder(&partial)?;
    make_folder(&partial)?;
    let built = build(component, deps_dir, &partial);
    if built.is_err() {
        // Leave room: a full disk is the likeliest reason to be here.
        let _ = fs::remove_dir_all(&partial);
    }
    built?;
    swap(&partial, &folder)
}

fn build(component: &Component, deps_dir: &Path, partial: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    let mut meter = Meter::new(format!("unpacking {}", component.title), component.unpacked_bytes);
    let mut done_bytes = 0;
    for piece in component.pieces {
        unpack_piece(piece, &deps_dir.join("wheels"), partial, &mut files, &mut |bytes| {
            done_bytes += bytes;
            meter.set(done_bytes);
        })?;
    }
    for (path, text) in component.written {
        write_file(&partial.join(path), &mut text.as_bytes(), &mut |_| {})?;
        files.insert((*path).to_owned(), text.len() as u64);
    }
    let stamp = stamp::text(component, &files);
    let stamp_path = partial.join(stamp::FILE_NAME);
    write_file(&stamp_path, &mut stamp.as_bytes(), &mut |_| {})?;
    sync(&stamp_path)?;
    sync(partial)
}

fn unpack_piece(
    piece: &Piece,
    wheels_dir: &Path,
    partial: &Path,
    files: &mut BTreeMap<String, u64>,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<()> {
    let path = wheels_dir.join(piece.wheel.file_name);
    let in_wheel = || format!("could not read {}", path.display());
    let reader = BufReader::new(File::open(&path).with_context(in_wheel)?);
    let mut archive = ZipArchive::new(reader).with_context(in_wheel)?;
    let mut used = vec![false; piece.take.len()];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).with_context(in_wheel)?;
        if !entry.is_file() {
            continue;
        }
        let name = entry.name().with_context(in_wheel)?.into_owned();
        let Some((which, to)) = destination(piece, &name) else { continue };
        if Path::new(&to).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            bail!("{} has an entry that leads out of its folder: {name}", path.display());
        }
        used[which] = true;
        let size_bytes = write_file(&partial.join(&to), &mut entry, on_bytes)
            .with_context(|| format!("could not unpack {name} of {}", path.display()))?;
        if size_bytes >= SYNCED_FROM_BYTES {
            sync(&partial.join(&to))?;
        }
        files.insert(to, size_bytes);
    }
    let unused = used.iter().zip(piece.take).find(|(used, take)| !**used && !matches!(take, Take::Licences));
    if let Some((_, take)) = unused {
        bail!("{} holds nothing for {take:?}", path.display());
    }
    Ok(())
}

/// Which rule takes the entry, and to where; `None` when no rule wants it.
fn destination(piece: &Piece, name: &str) -> Option<(usize, String)> {
    piece.take.iter().enumerate().find_map(|(which, take)| {
        let to = match take {
            Take::File { from, to } => (name == *from).then(|| (*to).to_owned()),
            Take::Folder { from, to } => name.strip_prefix(from).map(|rest| format!("{to}{rest}")),
            Take::SharedLibraries { from, to } => name
                .strip_prefix(from)
                .filter(|rest| rest.contains("/lib/") && is_shared_library(rest))
                .map(|rest| format!("{to}{rest}")),
            Take::Licences => name
                .split_once(".dist-info/")
                .map(|(_, rest)| rest.strip_prefix("licenses/").unwrap_or(rest))
                .filter(|rest| {
                    rest.to_lowercase().starts_with("licen") || rest.to_lowercase().starts_with("notice")
                })
                .map(|rest| format!("licences/{}/{rest}", piece.wheel.project)),
        };
        to.map(|to| (which, to))
    })
}

/// `libx.so` or `libx.so.1.2`.
fn is_shared_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once(".so").is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('.'))
}

fn write_file(path: &Path, source: &mut dyn io::Read, on_bytes: &mut dyn FnMut(u64)) -> Result<u64> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    let writing = || format!("could not write {}", path.display());
    let mut file = File::create(path).with_context(writing)?;
    let mut buffer = vec![0; COPY_STEP_BYTES];
    let mut size_bytes = 0;
    loop {
        let read = source.read(&mut buffer).context("could not read the entry")?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).with_context(writing)?;
        size_bytes += read as u64;
        on_bytes(read as u64);
    }
    Ok(size_bytes)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("could not make the folder {}", path.display()))
}

fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("could not write {} to the disk", path.display()))
}

/// Puts `partial` in the place of `folder`. A folder cannot be renamed over a full one, so the old one
/// steps aside first; a setup killed in between finds it and moves it back.
fn swap(partial: &Path, folder: &Path) -> Result<()> {
    let old = folder.with_extension("old");
    let moving = || format!("could not move {} into place", partial.display());
    if folder.exists() {
        remove_folder(&old)?;
        fs::rename(folder, &old).with_context(moving)?;
    }
    fs::rename(partial, folder).with_context(moving)?;
    if let Some(parent) = folder.parent() {
        sync(parent)?;
    }
    remove_folder(&old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_libraries_are_told_from_their_likes() {
        assert!(is_shared_library("cu13/lib/libcudart.so.13"));
        assert!(is_shared_library("cu13/lib/libnvblas.so"));
        assert!(!is_shared_library("cu13/lib/libcudart_static.a"));
        assert!(!is_shared_library("cu13/lib/notes.sort"));
    }
}
