//! `pgeval is`, `fid`, `kid`, `pr`, and the flags of the network that they rest on.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use pg_cli::local_path;
use pg_image::NetworkResize;
use pg_onnx::{PartialRecipe, Provider, RESIZES, parse_input_size, parse_range};

use super::{ImageArgs, at_least_two, count, path_or_url};

/// The network and how it is fed; what a flag says goes before the model's own metadata.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct NetworkArgs {
    /// The feature network, an ONNX file; docs/guide tells how to get the Inception network
    #[arg(long, value_name = "M.onnx", help_heading = "Network", value_parser = path_or_url())]
    pub(crate) model: Option<PathBuf>,

    /// Side of the network's input, in pixels [default: pg.input_size of the model]
    #[arg(long, value_name = "N", value_parser = input_size, requires = "model", help_heading = "Network")]
    pub(crate) input_size: Option<usize>,

    /// How images get that size: tf1-bilinear, torch-bilinear, pil-bilinear, pil-bicubic, pil-lanczos, none [default:
    /// pg.resize of the model]
    #[arg(long, value_name = "RECIPE", value_parser = resize, requires = "model", help_heading = "Network")]
    pub(crate) resize: Option<NetworkResize>,

    /// What pixel values 0 and 255 become [default: pg.range of the model]
    #[arg(long, value_name = "LO,HI", value_parser = range, requires = "model", allow_hyphen_values = true, help_heading = "Network")]
    pub(crate) range: Option<(f32, f32)>,

    /// Output of features [default: pg.features of the model]
    #[arg(long, value_name = "NAME", requires = "model", help_heading = "Network")]
    pub(crate) features: Option<String>,

    /// Output of class scores [default: pg.logits of the model]
    #[arg(long, value_name = "NAME", requires = "model", help_heading = "Network")]
    pub(crate) logits: Option<String>,

    /// More known models by their hashes, TOML
    #[arg(long, value_name = "FILE", requires = "model", help_heading = "Network", value_parser = path_or_url())]
    pub(crate) models: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
}

/// What runs networks.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RuntimeArgs {
    /// The ONNX Runtime library [default: $ORT_DYLIB_PATH, beside this program, .deps of its source, Python's package]
    #[arg(long, value_name = "PATH", help_heading = "Network", value_parser = local_path())]
    pub(crate) onnxruntime: Option<PathBuf>,

    /// What runs the network: cpu, cuda, or cuda:N
    #[arg(long, value_name = "cpu|cuda", default_value = "cpu", value_parser = provider, help_heading = "Network")]
    pub(crate) provider: Provider,

    /// Images in a batch; results do not depend on it
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Network")]
    pub(crate) batch: Option<usize>,
}

impl RuntimeArgs {
    pub(crate) fn provider_name(&self) -> String {
        match self.provider {
            Provider::Cpu => "cpu".to_owned(),
            Provider::Cuda(device) => format!("cuda:{device}"),
        }
    }
}

impl NetworkArgs {
    pub(crate) fn recipe(&self) -> PartialRecipe {
        PartialRecipe {
            input_size_px: self.input_size,
            resize: self.resize,
            range: self.range,
            features: self.features.clone(),
            logits: self.logits.clone(),
        }
    }
}

/// What `fid`, `kid` and `pr` have in common.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TwoSidesArgs {
    /// The reference: images, a dataset (DATASET@64 for its level of 64 pixels), a statistics file, or for fid a
    /// .npz of mu and sigma
    #[arg(value_name = "REAL", value_parser = path_or_url())]
    pub(crate) real: PathBuf,

    /// The images to score, likewise
    #[arg(value_name = "FAKE", value_parser = path_or_url())]
    pub(crate) fake: PathBuf,

    #[command(flatten)]
    pub(crate) shared: FeatureArgs,
}

/// What every metric of features has.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct FeatureArgs {
    /// Take the first N images of each side [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_two, help_heading = "Protocol")]
    pub(crate) images: Option<usize>,

    /// Seed of whatever is drawn: subsets, and the samples that intervals come from
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Protocol")]
    pub(crate) seed: u64,

    /// Print one JSON object instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    #[command(flatten)]
    pub(crate) input: ImageArgs,
}

/// `pgeval is`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct IsArgs {
    /// Images, a dataset (DATASET@64 for its level of 64 pixels), or a statistics file
    #[arg(value_name = "IMAGES", value_parser = path_or_url())]
    pub(crate) set: PathBuf,

    /// Parts, by the order of the images, that are scored apart
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count, help_heading = "Protocol")]
    pub(crate) splits: usize,

    #[command(flatten)]
    pub(crate) shared: FeatureArgs,
}

/// `pgeval fid`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct FidArgs {
    /// Also estimate the distance of infinitely many images, from shares of those there are
    #[arg(long, help_heading = "Protocol")]
    pub(crate) extrapolate: bool,

    #[command(flatten)]
    pub(crate) sides: TwoSidesArgs,
}

/// `pgeval kid`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct KidArgs {
    /// Subsets that are drawn; the distance is their mean
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count, help_heading = "Protocol")]
    pub(crate) subsets: usize,

    /// Images of either side in a subset
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_two, help_heading = "Protocol")]
    pub(crate) subset_size: usize,

    #[command(flatten)]
    pub(crate) sides: TwoSidesArgs,
}

/// `pgeval pr`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PrArgs {
    /// Balls reach to the k-th nearest neighbour
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = count, help_heading = "Protocol")]
    pub(crate) neighbours: usize,

    #[command(flatten)]
    pub(crate) sides: TwoSidesArgs,
}

pub(super) fn input_size(text: &str) -> Result<usize, String> {
    parse_input_size(text).ok_or_else(|| "expected a number of pixels from 1 to 8192".to_owned())
}

pub(super) fn resize(text: &str) -> Result<NetworkResize, String> {
    NetworkResize::from_name(text).ok_or_else(|| format!("expected {RESIZES}"))
}

pub(super) fn range(text: &str) -> Result<(f32, f32), String> {
    parse_range(text).ok_or_else(|| "expected two rising numbers, such as -1,1 or 0,255".to_owned())
}

fn provider(text: &str) -> Result<Provider, String> {
    let (name, device) = text.split_once(':').map_or((text, None), |(name, device)| (name, Some(device)));
    match (name, device.map(str::parse)) {
        ("cpu", None) => Ok(Provider::Cpu),
        ("cuda", None) => Ok(Provider::Cuda(0)),
        ("cuda", Some(Ok(device))) => Ok(Provider::Cuda(device)),
        _ => Err("expected cpu, cuda or cuda:N".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_a_number_or_none() {
        assert_eq!(provider("cpu"), Ok(Provider::Cpu));
        assert_eq!(provider("cuda"), Ok(Provider::Cuda(0)));
        assert_eq!(provider("cuda:3"), Ok(Provider::Cuda(3)));
        for wrong in ["gpu", "cuda:", "cuda:x", "cpu:0", "", "CUDA"] {
            assert!(provider(wrong).is_err(), "{wrong}");
        }
    }
}
