//! Flags that every command of every tool takes.

use clap::Args;

use crate::ProgressStyle;

/// `--threads` and `--quiet`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Worker threads; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = default_threads(), value_parser = parse_threads, hide_default_value = true, global = true)]
    pub threads: usize,

    /// No progress on stderr (warnings and errors still show)
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

impl CommonArgs {
    /// Bar on a terminal, plain lines elsewhere, nothing with `--quiet`.
    #[must_use]
    pub fn progress_style(&self) -> ProgressStyle {
        ProgressStyle::detect(self.quiet)
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}
