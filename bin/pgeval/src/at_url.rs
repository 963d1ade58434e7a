//! Arguments that are URLs: what they name is brought to the scratch folder, and what is written goes from there.
//!
//! Behind the arguments are paths then, as if it had been so typed; whatever is shown or written names the
//! URLs, see [`pg_cli::shown`].

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use pg_cli::{CloudArgs, CommonArgs, Interrupt, StderrNotes, shown};
use pg_cloud::{Cloud, CloudError, Location, Outgoing};
use pg_image::Resolution;
use pg_onnx::ModelFile;
use serde_json::Value;

use crate::args::{Command, FeatureArgs, LatentArgs, NetworkArgs, SwdArgs, TwoSidesArgs};

/// The way to object storage, and what is to be sent once it is written.
pub(crate) struct AtUrls {
    cloud: Cloud,
    outgoing: Vec<Outgoing>,
    common: CommonArgs,
}

impl AtUrls {
    pub(crate) fn new(args: &CloudArgs, interrupt: &Interrupt, common: &CommonArgs) -> Self {
        let cloud = args.connection(interrupt, StderrNotes::new(common.quiet));
        Self { cloud, outgoing: Vec::new(), common: common.clone() }
    }

    /// Puts paths in the place of the URLs of `command`, and brings what is read.
    pub(crate) fn bring(&mut self, command: &mut Command) -> Result<()> {
        match command {
            Command::Swd(swd) => self.two_sides(swd),
            Command::MsSsim(ms_ssim) => self.images("IMAGES", &mut ms_ssim.images),
            Command::Is(is) => {
                self.images("IMAGES", &mut is.set)?;
                self.network(&mut is.shared)
            }
            Command::Fid(fid) => self.features(&mut fid.sides),
            Command::Kid(kid) => self.features(&mut kid.sides),
            Command::Pr(pr) => self.features(&mut pr.sides),
            Command::Ppl(ppl) => {
                self.network_file("--lpips", &mut ppl.lpips)?;
                self.latents(&mut ppl.latents)
            }
            Command::Ls(ls) => {
                for classifier in &mut ls.classifiers {
                    self.network_file("--classifier", classifier)?;
                }
                self.files("--labels", ls.labels.as_mut())?;
                ls.images_to.as_mut().map_or(Ok(()), |folder| self.folder("--images-to", folder))?;
                self.latents(&mut ls.latents)
            }
            Command::All(all) => {
                self.output("-o", &mut all.output)?;
                self.outputs("--report", all.report.as_mut())?;
                self.models(&mut all.network)?;
                self.two_sides(&mut all.swd)
            }
            Command::Stats(stats) => {
                // Each part has a file of its own, beside the whole one's.
                match stats.part.chosen()? {
                    Some(part) if !Location::is_url(&stats.output) => {
                        self.common.try_file(&part.file(&stats.output), "-o")?;
                    }
                    _ => self.output("-o", &mut stats.output)?,
                }
                self.models(&mut stats.network)?;
                for part in &mut stats.merge {
                    self.file("--merge", part)?;
                }
                stats.real.as_mut().map_or(Ok(()), |real| self.images("REAL", real))
            }
            Command::Gate(gate) => {
                self.outputs("--junit", gate.junit.as_mut())?;
                self.file("RESULT", &mut gate.result)?;
                self.file("--baseline", &mut gate.baseline)
            }
        }
    }

    /// Sends what was written.
    pub(crate) fn send(&self) -> Result<()> {
        for outgoing in &self.outgoing {
            let path = outgoing.path().display().to_string();
            outgoing.send().with_context(|| format!("cannot write {path}"))?;
        }
        Ok(())
    }

    fn two_sides(&self, args: &mut SwdArgs) -> Result<()> {
        self.images("REAL", &mut args.real)?;
        self.images("FAKE", &mut args.fake)
    }

    fn features(&self, args: &mut TwoSidesArgs) -> Result<()> {
        self.images("REAL", &mut args.real)?;
        self.images("FAKE", &mut args.fake)?;
        self.network(&mut args.shared)
    }

    fn network(&self, args: &mut FeatureArgs) -> Result<()> {
        self.models(&mut args.network)
    }

    fn models(&self, args: &mut NetworkArgs) -> Result<()> {
        args.model.as_mut().map_or(Ok(()), |model| self.network_file("--model", model))?;
        self.files("--models", args.models.as_mut())
    }

    fn latents(&mut self, args: &mut LatentArgs) -> Result<()> {
        self.outputs("--save", args.save.as_mut())?;
        self.network_file("GENERATOR", &mut args.generator)
    }

    fn files(&self, role: &str, path: Option<&mut PathBuf>) -> Result<()> {
        path.map_or(Ok(()), |path| self.file(role, path))
    }

    fn file(&self, role: &str, path: &mut PathBuf) -> Result<()> {
        if let Some(location) = Location::of(path)? {
            *path = self.cloud.fetch(&location).with_context(|| format!("read {role}"))?;
        }
        Ok(())
    }

    /// An ONNX file, and the files beside it that hold its weights.
    fn network_file(&self, role: &str, path: &mut PathBuf) -> Result<()> {
        let Some(location) = Location::of(path)? else { return Ok(()) };
        let context = || format!("read {role}");
        *path = self.cloud.fetch(&location).with_context(context)?;
        let url = location.to_string();
        let folder = url.rsplit_once('/').map_or(url.as_str(), |(folder, _)| folder);
        for weights in ModelFile::locations(path).with_context(context)? {
            if let Some(location) = Location::of(Path::new(&format!("{folder}/{weights}")))? {
                self.cloud.fetch(&location).with_context(context)?;
            }
        }
        Ok(())
    }

    /// A dataset, of which one level is enough, a file, or a folder.
    fn images(&self, role: &str, path: &mut PathBuf) -> Result<()> {
        let Some(location) = Location::of(path)? else { return Ok(()) };
        let brought = self.level(path).and_then(|level| match level {
            Some(level) => Ok(level),
            None if self.finest(&location)? => self.cloud.scratch_path(&location),
            None => self.cloud.fetch_all(&location),
        });
        *path = brought.with_context(|| format!("read {role}"))?;
        Ok(())
    }

    /// Brings the finest level; false where there is no dataset.
    fn finest(&self, location: &Location) -> Result<bool, CloudError> {
        let Some(dataset) = self.cloud.dataset(location)? else { return Ok(false) };
        let finest = dataset.manifest().levels().last().copied();
        dataset.open(finest.as_slice())?;
        Ok(true)
    }

    /// Brings the level of DATASET@R; `None` where there is no such dataset.
    fn level(&self, argument: &Path) -> Result<Option<PathBuf>, CloudError> {
        let named = argument.to_str().and_then(|text| text.rsplit_once('@'));
        let Some((folder, level)) = named else { return Ok(None) };
        let Ok(Ok(resolution)) = level.parse().map(Resolution::new) else { return Ok(None) };
        let Some(location) = Location::of(Path::new(folder))? else { return Ok(None) };
        let Some(dataset) = self.cloud.dataset(&location)? else { return Ok(None) };
        dataset.open(&[resolution])?;
        let mut path = self.cloud.scratch_path(&location)?.into_os_string();
        path.push(format!("@{level}"));
        Ok(Some(path.into()))
    }

    fn outputs(&mut self, flag: &str, path: Option<&mut PathBuf>) -> Result<()> {
        path.map_or(Ok(()), |path| self.output(flag, path))
    }

    /// A file to write, which must be free.
    fn output(&mut self, flag: &str, path: &mut PathBuf) -> Result<()> {
        if !Location::is_url(path) {
            return self.common.try_file(path, flag);
        }
        let typed = path.clone();
        self.folder(flag, path)?;
        let is_there = self.outgoing.last().map_or(Ok(false), Outgoing::is_there);
        if is_there.with_context(|| format!("cannot write {} ({flag})", typed.display()))? {
            self.common.refuse_to_replace(&typed, flag)?;
        }
        Ok(())
    }

    /// A folder to write into, which the command looks at itself.
    fn folder(&mut self, flag: &str, path: &mut PathBuf) -> Result<()> {
        if Location::is_url(path) {
            let context = || format!("cannot write {} ({flag})", path.display());
            let outgoing = self.cloud.outgoing(path).with_context(context)?;
            outgoing.path().clone_into(path);
            self.outgoing.push(outgoing);
        }
        Ok(())
    }
}

/// `value` with URLs in the place of paths in the scratch folder.
pub(crate) fn shown_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(shown_value).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, shown_value(value))).collect()
        }
        other => other,
    }
}
