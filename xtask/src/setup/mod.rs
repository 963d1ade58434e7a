//! `cargo xtask setup`: libtorch and ONNX Runtime out of pinned Python wheels into `.deps/`.
//!
//! One wheel at a time is fetched by pip into `.deps/wheels/`, checked against its SHA-256, and what
//! is needed of it is unpacked into `<folder>.partial`, which then takes the place of `<folder>`. So
//! an interrupted setup goes on with the wheels already there, and a folder is whole or not there.

mod apt;
mod failure;
pub(crate) mod lapack;
mod meter;
pub(crate) mod mpi;
mod pip;
pub(crate) mod slurm;
mod stamp;
mod unpack;
mod user_libraries;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::pinned_wheels::{
    CUDA_LIBRARIES, Component, LIBTORCH_CPU, LIBTORCH_CUDA, ONNXRUNTIME_LIBRARY, Wheel,
};
use crate::process::Verdict;
use crate::workspace::Workspace;
use meter::megabytes;
use pip::Python;
use user_libraries::UserLibraries;

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command")]
pub(crate) struct Arguments {
    /// The full set of libraries, for NVIDIA GPUs (2.5 GB to fetch, 4 GB on disk)
    #[arg(long)]
    cuda: bool,
    /// OpenBLAS from Debian's packages, for the cargo feature `lapack` (needs root)
    #[arg(long)]
    lapack: bool,
    /// Slurm from Debian's packages, for the tests of parts under a scheduler (needs root)
    #[arg(long)]
    slurm: bool,
    /// Open MPI from Debian's packages, for the cargo feature `mpi` (needs root)
    #[arg(long)]
    mpi: bool,
    /// Say what would be fetched, and fetch nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave the wheels in .deps/wheels after unpacking them
    #[arg(long)]
    keep_wheels: bool,
    /// Another folder than .deps (for tests)
    #[arg(long, hide = true, value_name = "DIR")]
    deps_dir: Option<PathBuf>,
}

/// Where the native libraries of this checkout are.
#[derive(Debug, Clone)]
pub(crate) struct NativeLibraries {
    onnxruntime_library: PathBuf,
}

impl NativeLibraries {
    /// Tells `command` where ONNX Runtime is. libtorch needs no telling: cargo finds it through
    /// `.cargo/config.toml` or the user's own `$LIBTORCH`, and binaries carry the path.
    pub(crate) fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("ORT_DYLIB_PATH", &self.onnxruntime_library)
    }
}

/// Runs `cargo xtask setup`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    let deps_dir = arguments.deps_dir.clone().unwrap_or_else(|| workspace.deps_dir());
    let user = UserLibraries::from_environment(&workspace.default_libtorch(), &workspace.deps_dir())?;
    let installation = Installation {
        deps_dir,
        python: Python::on_path(),
        keep_wheels: arguments.keep_wheels,
        tell_when_there: true,
    };
    let components = user.left_to_fetch(arguments.cuda);
    for line in user.notes() {
        println!("{line}");
    }
    if arguments.dry_run {
        installation.print_plan(&components)?;
    } else {
        installation.bring(&components)?;
    }
    if arguments.lapack {
        lapack::OPENBLAS.install(arguments.dry_run)?;
    }
    if arguments.slurm {
        slurm::SLURM.install(arguments.dry_run)?;
    }
    if arguments.mpi {
        mpi::OPEN_MPI.install(arguments.dry_run)?;
    }
    Ok(Verdict::Good)
}

/// Brings what is missing, quietly when nothing is. Other commands of xtask call this first.
pub(crate) fn ensure(workspace: &Workspace) -> Result<NativeLibraries> {
    let user = UserLibraries::from_environment(&workspace.default_libtorch(), &workspace.deps_dir())?;
    let installation = Installation {
        deps_dir: workspace.deps_dir(),
        python: Python::on_path(),
        keep_wheels: false,
        tell_when_there: false,
    };
    installation.bring(&user.left_to_fetch(false))?;
    let own = || workspace.deps_dir().join(ONNXRUNTIME_LIBRARY);
    Ok(NativeLibraries { onnxruntime_library: user.onnxruntime.unwrap_or_else(own) })
}

/// One run of setup into one folder.
struct Installation {
    deps_dir: PathBuf,
    python: Python,
    keep_wheels: bool,
    tell_when_there: bool,
}

impl Installation {
    fn wheels_dir(&self) -> PathBuf {
        self.deps_dir.join("wheels")
    }

    fn folder(&self, component: &Component) -> PathBuf {
        self.deps_dir.join(component.folder)
    }

    /// Makes every component whole; does nothing for those that are.
    fn bring(&self, components: &[&'static Component]) -> Result<()> {
        if self.missing(components, self.tell_when_there, false).is_empty() {
            return Ok(());
        }
        user_libraries::require_supported_platform(std::env::consts::OS, std::env::consts::ARCH)?;
        fs::create_dir_all(&self.deps_dir)
            .with_context(|| format!("could not make the folder {}", self.deps_dir.display()))?;
        let _lock = self.lock()?;
        self.clear_leftovers()?;
        // Another setup may have finished while this one waited for the lock.
        let missing = self.missing(components, false, true);
        let result = self.bring_missing(&missing);
        // Nothing half-fetched stays, whatever happened: whole wheels are in `wheels/` by now.
        let _ = fs::remove_dir_all(self.deps_dir.join("tmp"));
        result
    }

    fn bring_missing(&self, missing: &[&'static Component]) -> Result<()> {
        for (position, component) in missing.iter().enumerate() {
            let start = Instant::now();
            let later = &missing[position + 1..];
            self.bring_one(component, &missing[position..]).map_err(|error| {
                failure::explain(error, &self.deps_dir, &self.wheels_still_needed(&missing[position..]))
            })?;
            if !self.keep_wheels {
                for piece in component.pieces {
                    let wanted_later = wheels_of(later).contains(&piece.wheel);
                    if !wanted_later {
                        let _ = fs::remove_file(self.wheels_dir().join(piece.wheel.file_name));
                    }
                }
                let _ = fs::remove_dir(self.wheels_dir());
            }
            let seconds = start.elapsed().as_secs_f64();
            println!("{}: ready in {} ({seconds:.1} s)", component.title, self.folder(component).display());
        }
        Ok(())
    }

    fn bring_one(&self, component: &Component, remaining: &[&'static Component]) -> Result<()> {
        fs::create_dir_all(self.wheels_dir())
            .with_context(|| format!("could not make the folder {}", self.wheels_dir().display()))?;
        for piece in component.pieces {
            pip::fetch(&self.python, &self.deps_dir, piece.wheel)?;
        }
        let needed = remaining.iter().map(|c| c.unpacked_bytes).sum::<u64>();
        unpack::install(component, &self.deps_dir).with_context(|| {
            format!("could not unpack {} (about {} on disk)", component.title, megabytes(needed))
        })
    }

    /// The components that are not whole in their folder.
    fn missing(
        &self,
        components: &[&'static Component],
        tell_there: bool,
        tell_replace: bool,
    ) -> Vec<&'static Component> {
        let mut missing = Vec::new();
        for component in components {
            let folder = self.folder(component);
            match stamp::check(component, &folder) {
                stamp::State::Whole => {
                    if tell_there {
                        println!("{}: already there, {}", component.title, folder.display());
                    }
                }
                // The CUDA set does all that the CPU set does: never go back by accident.
                _ if component.id == LIBTORCH_CPU.id && self.has_cuda_set() => {
                    if tell_there {
                        println!("{}: already there, {}", LIBTORCH_CUDA.title, folder.display());
                    }
                }
                stamp::State::Absent => missing.push(*component),
                stamp::State::Replace(reason) => {
                    if tell_replace {
                        println!("{}: {} {reason}: it will be replaced", component.title, folder.display());
                    }
                    missing.push(*component);
                }
            }
        }
        missing
    }

    fn has_cuda_set(&self) -> bool {
        [&LIBTORCH_CUDA, &CUDA_LIBRARIES]
            .into_iter()
            .all(|component| stamp::check(component, &self.folder(component)) == stamp::State::Whole)
    }

    /// One setup at a time in one folder. The lock goes with the process, however that ends.
    fn lock(&self) -> Result<File> {
        let path = self.deps_dir.join(".setup-lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("could not open the lock {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                println!("another setup is at work in {}: waiting for it", self.deps_dir.display());
                file.lock().with_context(|| format!("could not lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("could not lock {}", path.display()));
            }
        }
        Ok(file)
    }

    /// Removes what a killed setup left: half a download, half an unpacked folder, a folder on its way
    /// out. Holding the lock, no living setup can own them.
    fn clear_leftovers(&self) -> Result<()> {
        for name in ["tmp", "libtorch.partial", "onnxruntime.partial", "nvidia.partial"] {
            remove_folder(&self.deps_dir.join(name))?;
        }
        for name in ["libtorch", "onnxruntime", "nvidia"] {
            let (folder, old) = (self.deps_dir.join(name), self.deps_dir.join(format!("{name}.old")));
            if old.exists() && !folder.exists() {
                // Killed between the two renames: the old folder is still the best there is.
                fs::rename(&old, &folder)
                    .with_context(|| format!("could not move {} back", old.display()))?;
            }
            remove_folder(&old)?;
        }
        Ok(())
    }

    fn wheels_still_needed(&self, components: &[&'static Component]) -> Vec<&'static Wheel> {
        let mut wheels = wheels_of(components);
        wheels.retain(|wheel| !pip::is_there(&self.wheels_dir(), wheel).unwrap_or(false));
        wheels
    }

    fn print_plan(&self, components: &[&'static Component]) -> Result<()> {
        let missing = self.missing(components, true, true);
        let mut fetch_bytes = 0;
        for wheel in wheels_of(&missing) {
            let there = pip::is_there(&self.wheels_dir(), wheel)?;
            let what = if there { "have " } else { "fetch" };
            println!(
                "{what} {:>8}  {}  sha256 {}",
                megabytes(wheel.size_bytes),
                wheel.file_name,
                wheel.sha256
            );
            fetch_bytes += if there { 0 } else { wheel.size_bytes };
        }
        for component in &missing {
            println!(
                "make  {:>8}  {}  from {} wheels",
                megabytes(component.unpacked_bytes),
                self.folder(component).display(),
                component.pieces.len()
            );
        }
        println!("dry run: {} to fetch, nothing was changed", megabytes(fetch_bytes));
        Ok(())
    }
}

/// The wheels of `components`, each once, in the order they are fetched.
fn wheels_of(components: &[&'static Component]) -> Vec<&'static Wheel> {
    let mut wheels: Vec<&'static Wheel> = Vec::new();
    for piece in components.iter().flat_map(|component| component.pieces) {
        if !wheels.contains(&piece.wheel) {
            wheels.push(piece.wheel);
        }
    }
    wheels
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
