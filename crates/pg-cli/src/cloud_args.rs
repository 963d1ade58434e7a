//! Where object storage is reached, and what is done on the way: flag and environment.

use std::env;
use std::path::PathBuf;

use clap::Args;

use crate::local_path;

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
    /// Where to make the scratch folder.
    #[must_use]
    pub fn scratch_folder(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(env::temp_dir)
    }

    /// The variables that begin with `AWS_` or `GOOGLE_`: names in lower case, and values.
    #[must_use]
    pub fn options(&self) -> Vec<(String, String)> {
        let texts = env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        texts
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| name.starts_with("aws_") || name.starts_with("google_"))
            .collect()
    }

    /// How often a request is tried again: `$PGKIT_RETRIES`, or 8.
    #[must_use]
    pub fn retries(&self) -> usize {
        env::var("PGKIT_RETRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(RETRIES)
    }
}
