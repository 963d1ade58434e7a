//! The commands, one file each.

mod all;
mod fid;
mod gate;
mod is;
mod kid;
mod ls;
mod ms_ssim;
mod ppl;
mod pr;
mod stats;
mod swd;

use anyhow::{Context as _, Result};
use pg_cli::{ExitStatus, Interrupt};

use crate::args::{Args, Command};
use crate::at_url::AtUrls;
use crate::features::library;
use crate::interruption::nothing_kept;

/// Runs the command that was typed.
pub(crate) fn run(mut args: Args) -> Result<ExitStatus> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.common.threads)
        .build_global()
        .with_context(|| format!("start {} worker threads; try a smaller --threads", args.common.threads))?;
    let interrupt = Interrupt::install().context("install the handlers of signals")?;
    let mut at_urls = AtUrls::new(&args.cloud, &interrupt, &args.common);
    let ended = at_urls.bring(&mut args.command).and_then(|()| carry_out(&args, &interrupt));
    let ended = ended.and_then(|status| at_urls.send().map(|()| status));
    interrupt.of_transfer(ended, nothing_kept)
}

fn carry_out(args: &Args, interrupt: &Interrupt) -> Result<ExitStatus> {
    match &args.command {
        Command::Swd(swd) => swd::run(swd, &args.common, interrupt),
        Command::MsSsim(ms_ssim) => ms_ssim::run(ms_ssim, &args.common, interrupt),
        Command::Is(is) => is::run(is, &args.common, interrupt),
        Command::Fid(fid) => fid::run(fid, &args.common, interrupt),
        Command::Kid(kid) => kid::run(kid, &args.common, interrupt),
        Command::Pr(pr) => pr::run(pr, &args.common, interrupt),
        Command::Ppl(ppl) => ppl::run(ppl, &args.common, interrupt),
        Command::Ls(ls) => ls::run(ls, &args.common, interrupt),
        Command::All(all) => all::run(all, &args.common, interrupt),
        Command::Stats(stats) => stats::run(stats, &args.common, interrupt),
        Command::Gate(gate) => gate::run(gate),
    }
}

/// `pgeval --version`
pub(crate) fn version() -> Result<ExitStatus> {
    let library = match library::find() {
        Ok(path) => format!("ONNX Runtime: {}", path.canonicalize().unwrap_or(path).display()),
        Err(_) => format!("ONNX Runtime: not found, {}", library::REMEDY),
    };
    let features = [("cloud", pg_cloud::IS_BUILT_IN), ("lapack", cfg!(feature = "lapack"))];
    let tool = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    pg_cli::print_version(tool, &features, &[library])?;
    Ok(ExitStatus::Done)
}
