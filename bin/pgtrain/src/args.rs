//! What can be typed.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use pg_cli::{CommonArgs, local_path};
use pg_schedule::Loss;
use pg_schedule::{KeepBest, PRESETS};
use pg_training::Truncation;
use pg_training::toy::ToyDataset;

/// Trains progressively grown GANs on pgkit datasets, resumes them exactly, and samples
#[derive(Debug, Parser)]
#[command(name = "pgtrain", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Resume(ResumeArgs),
    Plan(PlanArgs),
    Bench(BenchArgs),
    Sample(SampleArgs),
    Toy(ToyArgs),
    Grid(GridArgs),
    Interpolate(InterpolateArgs),
    Mix(MixArgs),
    Generate(GenerateArgs),
    Noise(NoiseArgs),
    Export(ExportArgs),
}

/// Train on a dataset; the same command on a run folder that is not finished goes on with it
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain run celeba64/ -o runs/first --preset tiny
  pgtrain run celebahq/ -o runs/hq --preset paper-celebahq --device cuda:0
  pgtrain run celeba64/ -o runs/long --preset tiny --kimg 200 --set minibatch=32
  pgtrain run celeba64/ -o runs/scored --preset tiny --eval-every 4 --keep-last 2 --keep-best swd
  mpirun -n 2 pgtrain run celeba64/ -o runs/two --preset tiny    (built with --features mpi)")]
pub(crate) struct RunArgs {
    /// The dataset, made by pgprep
    #[arg(value_name = "DATASET", value_parser = local_path())]
    pub(crate) dataset: PathBuf,
    /// The run folder to write
    #[arg(short, long, value_name = "RUN", value_parser = local_path())]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", value_name = "DEVICE", help_heading = "Run")]
    pub(crate) device: String,
    /// Score the averaged generator every so many thousand images, by SWD and MS-SSIM (eval_kimg)
    #[arg(long, value_name = "KIMG", help_heading = "Run")]
    pub(crate) eval_every: Option<f64>,
    /// Keep only the N newest of the snapshots that snapshot_kimg asks for (keep_last)
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub(crate) keep_last: Option<u32>,
    /// Keep the snapshot that scored best, too (keep_best); needs --eval-every
    #[arg(long, value_name = "METRIC", help_heading = "Run")]
    pub(crate) keep_best: Option<BestMetric>,
    /// Go on with a run folder although its settings differ
    #[arg(long, help_heading = "Run")]
    pub(crate) force: bool,
    /// Sum gradients over ranks after the backward pass instead of meanwhile (for measurements)
    #[arg(long, hide = true)]
    pub(crate) sum_after_backward: bool,
}

/// Go on with a run, exactly as if it had never stopped
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain resume runs/first
  pgtrain resume runs/first --dataset /mnt/fast/celeba64
  pgtrain resume runs/first --from 000400")]
pub(crate) struct ResumeArgs {
    /// The run folder
    #[arg(value_name = "RUN", value_parser = local_path())]
    pub(crate) run: PathBuf,
    /// The dataset's folder, when it has moved
    #[arg(long, value_name = "DATASET", value_parser = local_path())]
    pub(crate) dataset: Option<PathBuf>,
    /// Go on from this snapshot instead of the newest: those after it are put aside as KKKKKK.aside
    #[arg(long, value_name = "KKKKKK")]
    pub(crate) from: Option<String>,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: String,
}

/// Print the schedule; needs no data
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain plan --preset paper-celebahq --set resolution=1024
  pgtrain plan --preset tiny --json
  pgtrain plan --preset paper-lsun --probe --device cuda:0")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Measure a few steps of each phase on random images: time of each phase and in all, memory
    #[arg(long)]
    pub(crate) probe: bool,
    /// Where to measure: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: String,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measure training steps at every resolution on random images: images per second
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain bench --preset paper-celebahq --set resolution=64
  pgtrain bench --preset paper-celebahq --levels 256,1024 --device cuda:0 --precision bf16 --json")]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Only these resolutions, separated by commas
    #[arg(long, value_name = "PX", value_delimiter = ',')]
    pub(crate) levels: Vec<u32>,
    /// Where to measure: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: String,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which generator draws.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct SnapshotArgs {
    /// A run folder (its newest snapshot) or a snapshot folder
    #[arg(value_name = "RUN|SNAPSHOT", value_parser = local_path())]
    pub(crate) source: PathBuf,
    /// The best snapshot of a run folder, as --keep-best chose it
    #[arg(long)]
    pub(crate) best: bool,
    /// Images of this class only, for generators with labels [default: drawn from each seed]
    #[arg(long, value_name = "K")]
    pub(crate) class: Option<u32>,
    /// Pull the styles of a style-based generator towards their mean: 0.7 for layers 0-7 (4 to 32 px), or by layers,
    /// 0-3=0.5,4-7=0.7
    #[arg(long, value_name = "PSI", value_parser = parse_truncation, allow_negative_numbers = true)]
    pub(crate) truncation: Option<Truncation>,
    /// Where to compute: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: String,
}

/// Draw images from a run or a snapshot, with the averaged generator
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain sample runs/first -o fakes/ --count 1000
  pgtrain sample runs/first --best -o fakes.zip --count 50000
  pgtrain sample runs/first -o fakes --format shards --count 10000
  pgtrain sample runs/style -o fakes/ --count 1000 --truncation 0.7
  pgtrain sample runs/first/snapshots/000040 -o sheet.png --seeds 0-63 --grid 8x8")]
#[command(group(clap::ArgGroup::new("which").required(true).args(["count", "seeds"])))]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// A folder for PNG files, a .zip of them, a dataset's folder, or with --grid one PNG file
    #[arg(short, long, value_name = "OUT", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// What OUT becomes [default: zip where its name ends so, else folder]
    #[arg(long, value_name = "FORMAT", conflicts_with = "grid")]
    pub(crate) format: Option<SampleFormat>,
    /// This many images, seeds 0 and up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MAX_IMAGES))]
    pub(crate) count: Option<u64>,
    /// Images of these seeds: 7, 0-63, 1,5,9-12
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub(crate) seeds: Option<SeedList>,
    /// One picture of COLUMNSxROWS images instead of a file each, as `pgtrain grid` makes
    #[arg(long, value_name = "CxR", value_parser = parse_grid)]
    pub(crate) grid: Option<Grid>,
}

/// What `pgtrain sample` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleFormat {
    /// PNG files named by their seeds
    Folder,
    /// The same in a zip
    Zip,
    /// A dataset, as pgprep makes them
    Shards,
}

/// Draw a picture of many images from a run or a snapshot
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain grid runs/first -o sheet.png
  pgtrain grid runs/first --best -o sheet.png --grid 12x6 --seeds 100-171")]
pub(crate) struct GridArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// The PNG file to write
    #[arg(short, long, value_name = "OUT.png", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Columns and rows of images
    #[arg(long, value_name = "CxR", default_value = "8x4", value_parser = parse_grid)]
    pub(crate) grid: Grid,
    /// Images of these seeds, row by row [default: 0 and up]
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub(crate) seeds: Option<SeedList>,
    /// A column for each class and a row for each seed; --grid is not used
    #[arg(long, conflicts_with = "class")]
    pub(crate) by_class: bool,
}

/// Let the images of a run or a snapshot wander smoothly, back to where they began
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain interpolate runs/first -o walk.gif
  pgtrain interpolate runs/first --best -o walk.gif --grid 4x2 --frames 240 --fps 25
  pgtrain interpolate runs/first -o frames --frames 1800 --fps 30 --smoothing 2")]
pub(crate) struct InterpolateArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// A .gif file, or a new folder for 000000.png and so on
    #[arg(short, long, value_name = "OUT", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Frames until the first one comes again
    #[arg(long, value_name = "N", default_value = "120", value_parser = parse_frames)]
    pub(crate) frames: usize,
    /// Frames per second; a GIF is shown at 50 at most
    #[arg(long, value_name = "F", default_value_t = 20.0, value_parser = parse_fps)]
    pub(crate) fps: f64,
    /// Seed of the walk
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Columns and rows of images, each on a walk of its own
    #[arg(long, value_name = "CxR", default_value = "1x1", value_parser = parse_grid)]
    pub(crate) grid: Grid,
    /// How slowly images change: standard deviation of the smoothing over time
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_smoothing)]
    pub(crate) smoothing: f64,
    /// Where the walk goes: through latents, or through styles of a style-based generator
    #[arg(long, value_name = "SPACE", default_value = "z")]
    pub(crate) space: Space,
}

/// Where an interpolation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Space {
    /// Latents
    Z,
    /// Styles, one for all layers
    W,
}

/// Mix styles: images of the rows' seeds with some layers' styles of the columns' seeds
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain mix runs/style -o coarse.png --rows 0-4 --cols 10-15 --layers 0-3
  pgtrain mix runs/style -o fine.png --rows 0-4 --cols 10-15 --layers 6-9 --truncation 0.7")]
pub(crate) struct MixArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// The PNG file to write
    #[arg(short, long, value_name = "OUT.png", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Seeds of the rows: 7, 0-4, 1,5,9-12
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub(crate) rows: SeedList,
    /// Seeds of the columns
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub(crate) cols: SeedList,
    /// Layers whose styles come from the columns: two for each resolution, 0-3 are 4 and 8 px
    #[arg(long, value_name = "A-B", value_parser = parse_layers)]
    pub(crate) layers: RangeInclusive<usize>,
}

/// Draw seeds with their styles at several distances from the mean, side by side
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain generate runs/style -o sweep.png --seeds 0-5
  pgtrain generate runs/style -o sweep.png --seeds 0-5 --psi-sweep 1,0.5,0,-0.5,-1 --layers 0-9")]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// The PNG file to write
    #[arg(short, long, value_name = "OUT.png", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Seeds, one for each row
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds, default_value = "0-5")]
    pub(crate) seeds: SeedList,
    /// Psi, one for each column: 1 is the style itself, 0 the mean, below 0 the opposite
    #[arg(
        long,
        value_name = "PSI,...",
        value_delimiter = ',',
        default_value = "1,0.7,0.5,0,-0.5,-1",
        value_parser = parse_psi,
        allow_hyphen_values = true,
        conflicts_with = "truncation"
    )]
    pub(crate) psi_sweep: Vec<f32>,
    /// Layers that psi is for
    #[arg(long, value_name = "A-B", value_parser = parse_layers, default_value = "0-7")]
    pub(crate) layers: RangeInclusive<usize>,
}

/// Draw the same styles under other noise: a few images, their mean, their standard deviation
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain noise runs/style -o noise.png --seeds 0-3
  pgtrain noise runs/style -o noise.png --seeds 7 --count 500 --show 2")]
pub(crate) struct NoiseArgs {
    #[command(flatten)]
    pub(crate) snapshot: SnapshotArgs,
    /// The PNG file to write
    #[arg(short, long, value_name = "OUT.png", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Seeds, one for each row
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds, default_value = "0-3")]
    pub(crate) seeds: SeedList,
    /// Images for mean and deviation
    #[arg(long, value_name = "N", default_value = "100", value_parser = parse_frames)]
    pub(crate) count: usize,
    /// How many of them are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) show: usize,
}

/// Write the averaged generator as a file that other programs run: ONNX or TorchScript
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain export runs/first -o faces.onnx
  pgtrain export runs/first --best -o faces.pt
  pgtrain export runs/first/snapshots/000040 -o faces.onnx --opset 13 --examples expected.safetensors")]
pub(crate) struct ExportArgs {
    /// A run folder (its newest snapshot) or a snapshot folder
    #[arg(value_name = "RUN|SNAPSHOT", value_parser = local_path())]
    pub(crate) source: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// What FILE becomes [default: onnx where its name ends so, torchscript for .pt and .ts]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormatName>,
    /// The best snapshot of a run folder, as --keep-best chose it
    #[arg(long)]
    pub(crate) best: bool,
    /// Version of ONNX's operators: 13 to 22 [default: 17]
    #[arg(long, value_name = "N")]
    pub(crate) opset: Option<u32>,
    /// Also write latents and images of the seeds 0 to 7, to hold another program's results against
    #[arg(long, value_name = "FILE.safetensors", value_parser = local_path())]
    pub(crate) examples: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `pgtrain export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormatName {
    /// A module for torch.jit.load
    Torchscript,
    /// A model for ONNX Runtime and its like
    Onnx,
}

/// See a loss at work: small networks on points in the plane, drawn with the discriminator's level sets
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  pgtrain toy --dataset 8gaussians --loss wgan-gp -o wgan-gp.png
  pgtrain toy --dataset 25gaussians --loss hinge -o hinge.png --steps 10000 --json
  pgtrain toy --dataset swissroll --loss wgan -o critic.png --fixed-generator")]
pub(crate) struct ToyArgs {
    /// 8gaussians, 25gaussians or swissroll
    #[arg(long, value_name = "NAME", value_parser = parse_dataset)]
    pub(crate) dataset: ToyDataset,
    /// A loss, as for --set loss=NAME of a run
    #[arg(long, value_name = "NAME", value_parser = parse_loss)]
    pub(crate) loss: Loss,
    /// The picture to write: data orange, samples green
    #[arg(short, long, value_name = "OUT.png", value_parser = local_path())]
    pub(crate) output: PathBuf,
    /// Generator steps
    #[arg(long, default_value_t = 3000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: u64,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1000, value_name = "S")]
    pub(crate) seed: u64,
    /// Points per minibatch
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub(crate) minibatch: u32,
    /// Units of each of the three hidden layers (512 in the paper)
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) width: u32,
    /// One setting of the loss, its regularisers or its optimiser, e.g. gp_lambda=1; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Train the discriminator only, against the data with Gaussian noise
    #[arg(long)]
    pub(crate) fixed_generator: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where settings come from, in order: preset, file, assignments, --kimg, --seed.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingsArgs {
    /// Where settings start from
    #[arg(long, default_value = "paper-celebahq", value_name = "NAME", help = preset_help())]
    pub(crate) preset: String,
    /// A TOML file laid over the preset
    #[arg(long, value_name = "FILE.toml", value_parser = local_path())]
    pub(crate) config: Option<PathBuf>,
    /// One setting, e.g. minibatch=16; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Number format (precision): fp32, tf32 (on a GPU) or bf16
    #[arg(long, value_name = "FORMAT")]
    pub(crate) precision: Option<String>,
    /// Thousands of images to show in all (total_kimg)
    #[arg(long, value_name = "K")]
    pub(crate) kimg: Option<f64>,
    /// Seed of all random choices
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
}

/// The metric of `--keep-best`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BestMetric {
    /// Sliced Wasserstein distance, lowest first
    Swd,
}

impl BestMetric {
    pub(crate) fn setting(self) -> KeepBest {
        match self {
            Self::Swd => KeepBest::Swd,
        }
    }
}

/// Seeds as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeedList(pub(crate) Vec<RangeInclusive<u64>>);

impl SeedList {
    /// One by one.
    pub(crate) fn seeds(&self) -> Vec<u64> {
        self.0.iter().cloned().flatten().collect()
    }
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Every preset with its summary.
fn preset_help() -> String {
    let lines = PRESETS.map(|preset| format!("  {:<20} {}", preset.name(), preset.summary()));
    format!("Where settings start from:\n{}", lines.join("\n"))
}

/// Most images that one command draws: their seeds are listed before the first is drawn.
const MAX_IMAGES: u64 = 100_000_000;

fn parse_seeds(text: &str) -> Result<SeedList, String> {
    let wrong = |part: &str| format!("`{part}` is no seed or range: expected e.g. 7 or 0-63");
    let ranges = text.split(',').map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
            _ => Err(wrong(part)),
        }
    });
    let ranges: Vec<RangeInclusive<u64>> = ranges.collect::<Result<_, String>>()?;
    let count = ranges.iter().fold(0_u128, |sum, range| sum + u128::from(range.end() - range.start()) + 1);
    if count > u128::from(MAX_IMAGES) {
        return Err(format!("{count} seeds: expected {MAX_IMAGES} at most"));
    }
    Ok(SeedList(ranges))
}

fn parse_layers(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("expected layers, e.g. 3 or 0-7".to_owned()),
    }
}

fn parse_psi(text: &str) -> Result<f32, String> {
    let in_range = |psi: &f32| (-10.0..=10.0).contains(psi);
    text.trim().parse().ok().filter(in_range).ok_or("expected a number from -10 to 10".to_owned())
}

fn parse_truncation(text: &str) -> Result<Truncation, String> {
    if !text.contains('=') {
        return parse_psi(text).map(Truncation::coarse);
    }
    let part = |part: &str| {
        let (layers, psi) = part.split_once('=').ok_or("expected layers=psi, e.g. 0-3=0.5".to_owned())?;
        Ok((parse_layers(layers)?, parse_psi(psi)?))
    };
    text.split(',').map(part).collect::<Result<_, String>>().map(Truncation::by_layers)
}

fn parse_dataset(text: &str) -> Result<ToyDataset, String> {
    let known = ToyDataset::ALL.map(ToyDataset::name).join(", ");
    ToyDataset::named(text).ok_or_else(|| format!("expected one of {known}"))
}

fn parse_loss(text: &str) -> Result<Loss, String> {
    let known = Loss::ALL.map(Loss::name).join(", ");
    Loss::named(text).ok_or_else(|| format!("expected one of {known}"))
}

fn parse_grid(text: &str) -> Result<Grid, String> {
    let parsed = text.split_once('x').and_then(|(c, r)| Some((c.parse().ok()?, r.parse().ok()?)));
    match parsed {
        Some((columns @ 1..=1000, rows @ 1..=1000)) => Ok(Grid { columns, rows }),
        _ => Err("expected COLUMNSxROWS, 1 to 1000 of each, e.g. 8x4".to_owned()),
    }
}

fn parse_frames(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=1_000_000).contains(n))
        .ok_or("expected a number from 1 to 1000000".to_owned())
}

fn parse_fps(text: &str) -> Result<f64, String> {
    let in_range = |fps: &f64| (0.1..=50.0).contains(fps);
    text.parse().ok().filter(in_range).ok_or("expected a number from 0.1 to 50".to_owned())
}

fn parse_smoothing(text: &str) -> Result<f64, String> {
    let in_range = |seconds: &f64| (0.0..=1000.0).contains(seconds);
    text.parse().ok().filter(in_range).ok_or("expected a number of seconds from 0 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use pg_cli::{path_flags, url_complaints};

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_url_for_a_path() {
        let command = Args::command();
        let urls = ["s3://b/x", "GS://b", "http://h/x", "https://h"];
        assert_eq!(url_complaints(&command, &urls), [""; 0]);
        assert!(path_flags(&command) >= 20, "{}", path_flags(&command));
    }

    #[test]
    fn seeds_are_numbers_and_ranges() {
        assert_eq!(parse_seeds("1,5,9-12"), Ok(SeedList(vec![1..=1, 5..=5, 9..=12])));
        assert!(parse_seeds("9-1").is_err() && parse_seeds("x").is_err() && parse_seeds("").is_err());
        for many in ["0-18446744073709551615", "0-18446744073709551615,0-18446744073709551615", "1-100000001"]
        {
            assert!(parse_seeds(many).unwrap_err().contains("expected 100000000 at most"), "{many}");
        }
        assert_eq!(parse_seeds("18446744073709551615").unwrap().seeds(), [u64::MAX]);
    }

    #[test]
    fn truncation_is_one_number_or_one_for_each_range_of_layers() {
        assert_eq!(parse_truncation("0.7"), Ok(Truncation::coarse(0.7)));
        let ranges = vec![(0..=3, 0.5), (4..=4, -1.0)];
        assert_eq!(parse_truncation("0-3=0.5,4=-1"), Ok(Truncation::by_layers(ranges)));
        for wrong in ["", "x", "0-3=", "3-0=1", "0-3=0.5,0.7", "nan"] {
            assert!(parse_truncation(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn grids_are_columns_by_rows() {
        assert_eq!(parse_grid("8x4"), Ok(Grid { columns: 8, rows: 4 }));
        assert!(parse_grid("8").is_err() && parse_grid("0x4").is_err());
    }
}
