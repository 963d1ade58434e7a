//! `pgeval ppl` and `pgeval ls`: measures of a generator's latent space.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use pg_image::NetworkResize;
use pg_sources::AnswerKind;

use super::network::{RuntimeArgs, input_size, range, resize};
use super::{at_least_two, count, path_or_url};

/// Where paths and planes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LatentChoice {
    /// What the generator takes: N(0, 1)
    Z,
    /// What the mapping of a style-based generator makes of it
    W,
}

/// Where a path is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SamplingChoice {
    /// Anywhere between its ends
    Full,
    /// At its beginning
    End,
}

/// Which part of the images counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CropChoice {
    /// The middle of an aligned face: rows 3/8 to 7/8, columns 2/8 to 6/8
    Faces,
    /// All of it
    None,
}

/// How a file of labels says its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswersChoice {
    /// Any number: above 0 is yes, and the further from 0 the surer
    LogOdds,
    /// From 0 to 1: above 0.5 is yes
    Probabilities,
}

impl From<AnswersChoice> for AnswerKind {
    fn from(choice: AnswersChoice) -> Self {
        match choice {
            AnswersChoice::LogOdds => Self::LogOdds,
            AnswersChoice::Probabilities => Self::Probabilities,
        }
    }
}

/// What both commands take.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct LatentArgs {
    /// The generator, as `pgtrain export` writes it
    #[arg(value_name = "GENERATOR.onnx", value_parser = path_or_url())]
    pub(crate) generator: PathBuf,

    /// Latent space: z, or w of a style-based generator
    #[arg(long, value_enum, help_heading = "Protocol")]
    pub(crate) space: LatentChoice,

    /// Seed of latents, classes and noise
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Protocol")]
    pub(crate) seed: u64,

    /// Print one JSON object instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Also write what was drawn and found, arrays for numpy
    #[arg(long, value_name = "FILE.npz", help_heading = "Output", value_parser = path_or_url())]
    pub(crate) save: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
}

/// `pgeval ppl`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PplArgs {
    /// The distance between two images, an ONNX file: tools/export_lpips.py makes it
    #[arg(long, value_name = "LPIPS.onnx", help_heading = "Network", value_parser = path_or_url())]
    pub(crate) lpips: PathBuf,

    /// Where paths are looked at
    #[arg(long, value_enum, help_heading = "Protocol")]
    pub(crate) sampling: SamplingChoice,

    /// Which part of the images counts
    #[arg(long, value_enum, default_value_t = CropChoice::None, help_heading = "Protocol")]
    pub(crate) crop: CropChoice,

    /// Number of paths
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_two, help_heading = "Protocol")]
    pub(crate) samples: usize,

    /// Length of the step along a path, as a share of it
    #[arg(long, value_name = "E", default_value_t = 1e-4, value_parser = epsilon, help_heading = "Protocol")]
    pub(crate) epsilon: f64,

    #[command(flatten)]
    pub(crate) latents: LatentArgs,
}

/// `pgeval ls`
#[derive(Debug, Clone, ClapArgs)]
#[command(group = ArgGroup::new("answers_of").required(true).args(["classifiers", "labels", "images_to"]))]
pub(crate) struct LsArgs {
    /// What tells attributes, ONNX files: images in, one number for each attribute out, above 0 for yes
    #[arg(long = "classifier", value_name = "C.onnx", num_args = 1.., help_heading = "Attributes", value_parser = path_or_url())]
    pub(crate) classifiers: Vec<PathBuf>,

    /// Attributes that another program told of the images of --images-to
    #[arg(long, value_name = "FILE.csv", help_heading = "Attributes", value_parser = path_or_url())]
    pub(crate) labels: Option<PathBuf>,

    /// What the numbers in that file are
    #[arg(long, value_enum, default_value_t = AnswersChoice::LogOdds, requires = "labels", help_heading = "Attributes")]
    pub(crate) answers: AnswersChoice,

    /// Only write the images of the latents there, for another program to label
    #[arg(long, value_name = "DIR", help_heading = "Attributes", value_parser = path_or_url())]
    pub(crate) images_to: Option<PathBuf>,

    /// Side of the classifiers' input, in pixels [default: pg.input_size of the model]
    #[arg(long, value_name = "N", value_parser = input_size, requires = "classifiers", help_heading = "Attributes")]
    pub(crate) input_size: Option<usize>,

    /// How images get that size [default: pg.resize of the model]
    #[arg(long, value_name = "RECIPE", value_parser = resize, requires = "classifiers", help_heading = "Attributes")]
    pub(crate) resize: Option<NetworkResize>,

    /// What pixel values 0 and 255 become [default: pg.range of the model]
    #[arg(long, value_name = "LO,HI", value_parser = range, requires = "classifiers", allow_hyphen_values = true, help_heading = "Attributes")]
    pub(crate) range: Option<(f32, f32)>,

    /// Output of the classifiers that answers [default: pg.logits of the model]
    #[arg(long, value_name = "NAME", requires = "classifiers", help_heading = "Attributes")]
    pub(crate) logits: Option<String>,

    /// Number of latents
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = at_least_two, help_heading = "Protocol")]
    pub(crate) samples: usize,

    /// How many of them count for an attribute: the surest [default: half]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Protocol")]
    pub(crate) keep: Option<usize>,

    #[command(flatten)]
    pub(crate) latents: LatentArgs,
}

fn epsilon(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(step) if step > 0.0 && step < 1.0 => Ok(step),
        _ => Err("expected a number above 0 and below 1, such as 1e-4".to_owned()),
    }
}
