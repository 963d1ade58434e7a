//! What was typed. Parsing touches no disk.

mod gate;
mod images;
mod latents;
mod network;
mod stats;
mod swd;

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};
use pg_cli::{CloudArgs, CommonArgs};

pub(crate) use gate::GateArgs;
pub(crate) use images::ImageArgs;
pub(crate) use latents::{
    AnswersChoice, CropChoice, LatentArgs, LatentChoice, LsArgs, PplArgs, SamplingChoice,
};
pub(crate) use network::{
    FeatureArgs, FidArgs, IsArgs, KidArgs, NetworkArgs, PrArgs, RuntimeArgs, TwoSidesArgs,
};
pub(crate) use stats::StatsArgs;
pub(crate) use swd::{SwdArgs, SwdProtocolArgs};

/// Scores generated images.
#[derive(Debug, Parser)]
#[command(
    name = "pgeval",
    version,
    about = "Scores generated images: how near to real ones, how different from each other",
    max_term_width = 100,
    after_help = "\
Images are given as a folder (searched in depth, in the order of the paths), as a zip of images,
as CIFAR, MNIST, an LMDB or TFRecords, or as a dataset written by pgprep, of which DATASET@64 picks
the level of 64 pixels (default: the finest). REAL may be a statistics file too, made once by `pgeval stats`. Metrics of features need a network, an
ONNX file: --model.

Paths may be URLs (s3://, gs://, http://) where the tool was built with its feature `cloud`; credentials and endpoint
come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT, GOOGLE_SERVICE_ACCOUNT and the like.

Examples:
  pgeval swd celeba-128 samples/
  pgeval ms-ssim samples/ --consecutive
  pgeval swd celeba-128@64 samples-64/ --json
  pgeval all celeba-128 samples/ -o result.json --report report.html
  pgeval fid celeba-128 samples/ --model inception.onnx
  pgeval stats celeba-128 --model inception.onnx -o celeba-128.pgstats
  pgeval swd s3://bucket/faces@64 s3://bucket/samples"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) common: CommonArgs,

    #[command(flatten)]
    pub(crate) cloud: CloudArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sliced Wasserstein distance between two sets of images, per level of detail
    #[command(
        long_about = "\
Sliced Wasserstein distance between two sets of images (ProGAN, arXiv:1710.10196, section 5).

Patches of 7x7 pixels from each level of the images' Laplacian pyramids are compared along random \
directions. Lower is nearer; fine levels see texture, the 16-pixel level sees layout. Two sets of real \
images do not score 0 but the floor of their number of images: --floor measures it. For a floor of the \
score's own number of images REAL needs twice as many; else the result says of how many the floor is, and \
that the two cannot be compared. Images must be square, of \
a side that is a power of two of at least 16, and of one size on both sides; --fit brings others to that. \
Grey counts as RGB.",
        after_help = "\
Examples:
  pgeval swd celeba-128 samples/ --floor
  pgeval swd celeba-128.pgstats samples/
  pgeval swd photos/ samples/ --fit crop --resolution 128 --levels 16..64
  pgeval swd train-128@64 samples-64/ --images 2000 --seed 1 --json > swd.json"
    )]
    Swd(SwdArgs),

    /// Multi-scale structural similarity between images of one set: their diversity
    #[command(
        long_about = "\
Mean multi-scale structural similarity over pairs of images of one set (ProGAN, arXiv:1710.10196, \
section 5; Wang et al. 2003): their diversity.

From 0 to 1; lower means that the images differ more. It says nothing about how good they are: compare \
with the value of the real images. All images must have one size, at least 16 pixels on a side; grey \
counts as RGB. Use --consecutive for samples in no particular order, drawn pairs for the rest.",
        after_help = "\
Examples:
  pgeval ms-ssim samples/ --consecutive
  pgeval ms-ssim celeba-128 --pairs 10000 --seed 1 --json > diversity.json"
    )]
    MsSsim(MsSsimArgs),

    /// Inception score: how sure a network is of each image, and how much images differ in that
    #[command(
        long_about = "\
Inception score (Salimans et al. 2016, arXiv:1606.03498): exp of the mean divergence of an image's class \
probabilities from those of its split. Higher is better. Images count in their order: published scores have \
50000 in 10 splits. The network must have class scores (--logits); for published numbers those without bias.",
        after_help = "\
Examples:
  pgeval is samples/ --model inception.onnx
  pgeval is samples/ --model inception.onnx --splits 1 --json > is.json"
    )]
    Is(IsArgs),

    /// Frechet distance of features between two sets of images (FID)
    #[command(
        long_about = "\
Frechet distance between Gaussians fitted to a network's features of both sides (Heusel et al. 2017, \
arXiv:1706.08500); with the Inception network of 2015-12-05, the Frechet Inception distance (FID). Lower is nearer. It falls \
with the number of images: compare equal numbers, published ones have 10000 to 50000, or see --extrapolate. \
Images of any size; the recipe (--resize) decides whose numbers they are.

REAL may be a .npz of mu and sigma, as pytorch-fid writes it.",
        after_help = "\
Examples:
  pgeval fid celeba-128 samples/ --model inception.onnx
  pgeval fid celeba-128.pgstats samples/ --model inception.onnx --extrapolate
  pgeval fid real.npz samples/ --model inception.onnx --resize torch-bilinear --json > fid.json"
    )]
    Fid(FidArgs),

    /// Kernel distance of features between two sets of images (KID)
    #[command(
        long_about = "\
Unbiased squared maximum mean discrepancy of features with a cubic kernel (Binkowski et al. 2018, \
arXiv:1801.01401), the mean over subsets. Lower is nearer; it does not depend on the number of images, and may \
be below 0.",
        after_help = "\
Examples:
  pgeval kid celeba-128 samples/ --model inception.onnx
  pgeval kid celeba-128.pgstats samples/ --model inception.onnx --subsets 50 --subset-size 500"
    )]
    Kid(KidArgs),

    /// Precision and recall of features: fakes that look real, real ones that are covered
    #[command(
        long_about = "\
Precision, the share of FAKE among the nearest neighbours' balls of REAL, and recall, the reverse \
(Kynkaanniemi et al. 2019, arXiv:1904.06991). From 0 to 1, higher is better. Both depend on the number of \
images: compare equal numbers.",
        after_help = "\
Examples:
  pgeval pr celeba-128 samples/ --model vgg16.onnx
  pgeval pr celeba-128 samples/ --model inception.onnx --neighbours 5 --json > pr.json"
    )]
    Pr(PrArgs),

    /// Perceptual path length: how evenly images change on paths through a latent space
    #[command(
        override_usage = "pgeval ppl [OPTIONS] <GENERATOR.onnx> --lpips <LPIPS.onnx> --space z|w --sampling full|end",
        long_about = "\
Perceptual path length (StyleGAN, arXiv:1812.04948, section 4.1): the mean distance by LPIPS of images that \
are a small step apart on a path through a generator's latent space, over the square of the step. Lower is \
smoother. Paths are great circles in z, and straight in w; --sampling full looks anywhere on them, end at \
their beginnings only. Published numbers of faces have --crop faces and 100000 paths.",
        after_help = "\
Examples:
  pgeval ppl g.onnx --lpips lpips.onnx --space w --sampling end --crop faces
  pgeval ppl g.onnx --lpips lpips.onnx --space z --sampling full --samples 10000 --json > ppl.json
  # g.onnx is of `pgtrain export runs/faces -o g.onnx`, lpips.onnx of tools/export_lpips.py"
    )]
    Ppl(PplArgs),

    /// Linear separability: how well planes in a latent space tell attributes of images
    #[command(
        override_usage = "\
pgeval ls [OPTIONS] <GENERATOR.onnx> --space z|w --classifier <C.onnx>...
       pgeval ls [OPTIONS] <GENERATOR.onnx> --space z|w --labels <FILE.csv>
       pgeval ls [OPTIONS] <GENERATOR.onnx> --space z|w --images-to <DIR>",
        long_about = "\
Linear separability (StyleGAN, arXiv:1812.04948, section 4.2): 2 to the sum, over attributes, of the bits that \
are still needed to tell an attribute of an image once a linear support vector machine has looked at its \
latent. From 1 up, lower is better. Attributes come from classifiers, or from a file of labels: a column \
named index (or of the images' file names) and one for each attribute.",
        after_help = "\
Examples:
  pgeval ls g.onnx --space w --classifier attributes.onnx
  pgeval ls g.onnx --space z --classifier hair.onnx glasses.onnx --samples 20000 --json > ls.json
  pgeval ls g.onnx --space w --images-to drawn/ --samples 20000
  pgeval ls g.onnx --space w --labels labels.csv --samples 20000"
    )]
    Ls(LsArgs),

    /// Every metric in one pass over the images, as a file
    #[command(
        long_about = "\
The sliced Wasserstein distance of FAKE from REAL and the diversity (MS-SSIM of consecutive pairs) of \
FAKE, and with --model also is, fid, kid, precision and recall; every image decoded once. The result file is what `pgeval gate` compares; --report makes a page to \
look at: scores, levels, pictures, the nearest real images of some fakes. A metric that cannot be computed is \
listed with its reason under `failed`, the others are written, and the exit status is 1.",
        after_help = "\
Examples:
  pgeval all celeba-128 samples/ -o result.json
  pgeval all celeba-128 samples/ --model inception.onnx -o result.json
  pgeval all train-128@64 samples-64/ -o result.json --report report.html"
    )]
    All(AllArgs),

    /// Statistics of the real images as a file, to be used in place of REAL
    #[command(
        long_about = "\
Describes the images of REAL once and keeps that as a file, a fraction of the images' size, which takes the \
place of REAL. With --model it holds the network's features too. It is used only under the protocol that it was \
made by: resolution, levels, patches per image, seed; network and recipe.

Parts of a set may be described on many machines; --merge makes one file of theirs, the same as one run over \
all parts in that order would have given. Patches are drawn by an image's file name and content, not by its \
place.

From a .npz of mu and sigma (pytorch-fid --save-stats) it makes a statistics file for `pgeval fid`, and of one with \
features a .npz, by the name of the output.",
        after_help = "\
Examples:
  pgeval stats celeba-128 -o celeba-128.pgstats
  pgeval stats celeba-128 --model inception.onnx -o celeba-128.pgstats
  pgeval stats published.npz --model inception.onnx -o published.pgstats
  pgeval stats celeba-128.pgstats -o celeba-128.npz
  pgeval stats part-0/ -o 0.pgstats
  pgeval stats --merge 0.pgstats 1.pgstats 2.pgstats -o all.pgstats"
    )]
    Stats(StatsArgs),

    /// Whether a result is worse than a baseline, for CI: exit status 1 when a metric got worse
    #[command(
        long_about = "\
Compares a result with a baseline, metric by metric. Exit status 0 when none is worse than allowed, none \
is missing and none failed, 1 when one is or did, 2 when the two cannot be compared.

Worse means: moved to the bad side (up, where lower is better) by more than allowed. Unless \
--max-increase says otherwise, that is sqrt(b^2 + r^2), with b and r the half-widths of both 95 % \
intervals on the bad side: what the draw of images alone explains. Both results must have been measured \
in the same way: same unit, levels, protocol and counts.",
        after_help = "\
Examples:
  pgeval swd train-128@64 samples-64/ --json > swd.json
  pgeval gate swd.json --baseline baselines/swd.json
  pgeval gate result.json --baseline baseline.json --max-increase swd=5%,ms-ssim=0.01
  pgeval gate result.json --baseline baseline.json --github --junit gate.xml"
    )]
    Gate(GateArgs),
}

/// `pgeval all`
#[derive(Debug, ClapArgs)]
pub(crate) struct AllArgs {
    #[command(flatten)]
    pub(crate) swd: SwdArgs,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    /// The result, JSON
    #[arg(short, long, value_name = "FILE", help_heading = "Output", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// Also write a page with figures and pictures, one HTML file
    #[arg(long, value_name = "FILE", help_heading = "Output", value_parser = path_or_url())]
    pub(crate) report: Option<PathBuf>,
}

/// `pgeval ms-ssim`
#[derive(Debug, ClapArgs)]
pub(crate) struct MsSsimArgs {
    /// A folder or zip of images, or a dataset (DATASET@64 for its level of 64 pixels)
    #[arg(value_name = "IMAGES", value_parser = path_or_url())]
    pub(crate) images: PathBuf,

    /// Number of different pairs [default: 10000, or as many as there are]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Protocol")]
    pub(crate) pairs: Option<usize>,

    /// Seed by which pairs are drawn [default: 0]
    #[arg(long, value_name = "S", conflicts_with = "consecutive", help_heading = "Protocol")]
    pub(crate) seed: Option<u64>,

    /// Pair neighbours instead of drawing: images 0/1, 2/3, ...
    #[arg(long, help_heading = "Protocol")]
    pub(crate) consecutive: bool,

    /// Print one JSON object instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) input: ImageArgs,
}

/// A path, or a URL where this build reaches object storage.
fn path_or_url() -> impl TypedValueParser<Value = PathBuf> {
    pg_cli::path_or_url(&pg_cloud::SCHEMES, pg_cloud::IS_BUILT_IN)
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err("expected a number of at least 1".to_owned()),
    }
}

fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n >= 2 => Ok(n),
        _ => Err("expected a number of at least 2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use pg_cli::{path_flags, url_complaints};

    #[test]
    fn the_definition_of_the_arguments_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_url_for_a_path() {
        let command = Args::command();
        // Without object storage those that are known are refused too; with it, `pg_cloud` reads them.
        let known: &[&str] =
            if pg_cloud::IS_BUILT_IN { &[] } else { &["s3://b/x", "GS://b", "http://h/x", "https://h"] };
        assert_eq!(url_complaints(&command, known), [""; 0]);
        assert!(path_flags(&command) >= 49, "{}", path_flags(&command));
    }
}
