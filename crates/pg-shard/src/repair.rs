//! Putting damaged files of a finished dataset back, if they come out as the manifest says.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pg_image::level_of_detail::pyramid;
use pg_image::{Planar, Resolution};

use crate::format::{BUILD_FOLDER, LABELS_FOLDER, REPAIR_FOLDER, level_folder, shard_path};
use crate::level_file::LevelFile;
use crate::output_folder::{clean_up, gone, lock};
use crate::shard_writer::{ShardLayout, ShardWriter};
use crate::{EncodedImage, Level, Manifest, ShardError, Storage};

/// A finished dataset under repair. Holds its lock, as a build does, until dropped.
///
/// Everything is first written in a folder of its own below the dataset; a file takes the place of a
/// damaged one only when its length and BLAKE3 are those of the manifest.
#[derive(Debug)]
pub struct Repair<'a> {
    folder: &'a Path,
    manifest: &'a Manifest,
    workshop: PathBuf,
    _lock: File,
}

/// What became of the damaged files of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Paths of those that are as the manifest says again.
    pub repaired: Vec<String>,
    /// Paths of those that came out otherwise and were left alone.
    pub different: Vec<String>,
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl<'a> Repair<'a> {
    /// Takes the dataset in `folder`.
    ///
    /// # Errors
    /// [`ShardError::Locked`]; [`ShardError::Io`].
    pub fn begin(folder: &'a Path, manifest: &'a Manifest) -> Result<Self, ShardError> {
        let lock = lock(folder)?;
        let workshop = folder.join(REPAIR_FOLDER);
        // Left by a repair that was killed.
        gone(fs::remove_dir_all(&workshop), &workshop)?;
        let mut names: Vec<String> = manifest.levels().into_iter().map(level_folder).collect();
        names.push("index".to_owned());
        names.extend(manifest.label_names.is_some().then(|| LABELS_FOLDER.to_owned()));
        let of_workshop = names.iter().map(String::as_str).chain([BUILD_FOLDER]);
        let paths = of_workshop.map(|name| workshop.join(name));
        for path in paths.chain(names.iter().map(|name| folder.join(name))) {
            fs::create_dir_all(&path).map_err(failure("create", &path))?;
        }
        Ok(Self { folder, manifest, workshop, _lock: lock })
    }

    /// Makes damaged coarser levels of `shard` from its finest one, which must be intact: they follow from
    /// its bytes. `damaged` are paths of the manifest; those that are no coarser level of `shard` are left
    /// out of the answer.
    ///
    /// # Errors
    /// [`ShardError::Io`]; [`ShardError::DamagedImage`] when the finest level is damaged after all.
    pub fn coarser_levels(&self, shard: usize, damaged: &[String]) -> Result<Replaced, ShardError> {
        let levels = self.manifest.levels();
        let Some((&finest, coarser)) = levels.split_last() else { return Ok(Replaced::default()) };
        let wanted: Vec<Resolution> =
            coarser.iter().copied().filter(|&r| damaged.contains(&shard_path(r, shard))).collect();
        let Some(&lowest) = wanted.first() else { return Ok(Replaced::default()) };
        let source = Level::open_shard(self.folder, self.manifest, finest, shard)?;
        let codec = self.manifest.codec;
        let mut files = wanted
            .iter()
            .rev()
            .map(|&r| {
                let path = self.workshop.join(shard_path(r, shard));
                if codec.compresses(r) {
                    LevelFile::of_compressed(path, r)
                } else {
                    LevelFile::of_raw(path, r, source.channels(), source.len())
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        for index in 0..source.len() {
            let side = finest.pixels();
            let pixels = source.image(index)?.into_owned();
            let Some(image) = Planar::from_data(source.channels(), side, side, pixels) else { continue };
            let of_wanted = pyramid(&image, lowest.pixels())
                .into_iter()
                .filter(|level| wanted.iter().any(|r| r.pixels() == level.width()));
            for (file, level) in files.iter_mut().zip(EncodedImage::new(codec, of_wanted)?.levels) {
                file.push(&level.bytes)?;
            }
        }
        let mut made = Vec::new();
        for file in files {
            let path = shard_path(file.resolution(), shard);
            made.push(file.finish(path)?);
        }
        self.replace(&made, damaged)
    }

    /// Begins to make `shard` anew from its sources. `storage` and `label_columns` are those of the plan
    /// that built it, `items` the number of items that the shard covers.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn shard(
        &self,
        shard: usize,
        items: usize,
        storage: &Storage,
        label_columns: Option<usize>,
    ) -> Result<ShardWriter, ShardError> {
        let layout = ShardLayout {
            channels: self.manifest.channels,
            finest_first: storage.finest_first(),
            codec: storage.codec,
            label_columns,
        };
        ShardWriter::create(&self.workshop, shard, items, &layout)
    }

    /// Completes a shard begun with [`shard`](Self::shard) and puts its files in the place of `damaged`
    /// ones, paths of the manifest.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn finish(&self, mut writer: ShardWriter, damaged: &[String]) -> Result<Replaced, ShardError> {
        let made = writer.finish_files()?;
        let mut replaced = self.replace(&made, damaged)?;
        // Of a shard that should have images and got none there is no level to compare.
        let number = Some(writer.number());
        for path in damaged.iter().filter(|path| Manifest::shard_of_file(path) == number) {
            if !replaced.repaired.contains(path) && !replaced.different.contains(path) {
                replaced.different.push(path.clone());
            }
        }
        Ok(replaced)
    }

    fn replace(&self, made: &[crate::FileEntry], damaged: &[String]) -> Result<Replaced, ShardError> {
        let mut replaced = Replaced::default();
        for file in made.iter().filter(|file| damaged.contains(&file.path)) {
            let (from, to) = (self.workshop.join(&file.path), self.folder.join(&file.path));
            if self.manifest.files.contains(file) {
                fs::rename(&from, &to).map_err(failure("write", &to))?;
                if let Some(parent) = to.parent() {
                    File::open(parent).and_then(|f| f.sync_all()).map_err(failure("sync", parent))?;
                }
                replaced.repaired.push(file.path.clone());
            } else {
                replaced.different.push(file.path.clone());
            }
        }
        Ok(replaced)
    }

    /// Removes what the repair needed.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn end(self) -> Result<(), ShardError> {
        fs::remove_dir_all(&self.workshop).map_err(failure("remove", &self.workshop))?;
        clean_up(self.folder)
    }
}

impl Drop for Repair<'_> {
    fn drop(&mut self) {
        // After an error; after `end` there is nothing left.
        let _ = fs::remove_dir_all(&self.workshop);
    }
}
