//! Where object storage is reached, and what is done on the way: flag and environment.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use pg_cloud::{Cloud, Settings};

use crate::scratch_names::hide_scratch;
use crate::{Interrupt, StderrNotes, local_path};

/// How often a request is tried again when `$PGKIT_RETRIES` does not say it.
const RETRIES: usize = 8;

/// `--scratch`, and the environment of object storage.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct CloudArgs {
    /// Folder for what is brought from or goes to a URL; gone at the end [default: that for temporary files]
    #[arg(long, value_name = "DIR", global = true, value_parser = local_path())]
    pub scratch: Option<PathBuf>,
}

impl CloudArgs {
    /// The way to object storage; nothing happens before a URL is met. A signal ends what waits for it, and paths in its
    /// scratch folder are shown as the URLs that they stand for.
    #[must_use]
    pub fn connection(&self, interrupt: &Interrupt, notes: StderrNotes) -> Cloud {
        let interrupt = interrupt.clone();
        Cloud::new(Settings {
            options: Self::options(),
            scratch: self.scratch.clone().unwrap_or_else(env::temp_dir),
            retries: Self::retries(),
            stop: Settings::stop_when(move || interrupt.requested()),
            note: Arc::new(move |text| notes.note(text)),
            scratch_made: Arc::new(hide_scratch),
        })
    }

    /// The variables that begin with `AWS_` or `GOOGLE_`: names in lower case, and values.
    fn options() -> Vec<(String, String)> {
        let texts = env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        texts
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| name.starts_with("aws_") || name.starts_with("google_"))
            .collect()
    }

    /// How often a request is tried again: `$PGKIT_RETRIES`, or 8.
    fn retries() -> usize {
        env::var("PGKIT_RETRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(RETRIES)
    }
}
