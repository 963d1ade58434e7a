//! What was typed. Parsing touches no disk.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use pg_cli::{CloudArgs, CommonArgs, FitChoice, LevelChoice, PartArgs, local_path};
use serde::{Deserialize, Serialize};

/// A path, or a URL where this build reaches object storage.
fn path_or_url() -> impl TypedValueParser<Value = PathBuf> {
    pg_cli::path_or_url(&pg_cloud::SCHEMES, pg_cloud::IS_BUILT_IN)
}

const EXAMPLES: &str = "\
Paths of sources, datasets and outputs may be URLs (s3://, gs://, http://) where the tool was built with its \
feature `cloud`; credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT, \
GOOGLE_SERVICE_ACCOUNT and the like.

Examples:
  pgprep synth -o in --count 1000
  pgprep align in/images --landmarks in/list_landmarks.txt --size 64 --format shards -o faces
  pgprep pack cifar-10-python.tar.gz -o cifar10
  pgprep info faces
  pgprep view faces -o sheet.png
  pgprep align s3://bucket/photos --landmarks points.csv --format shards -o s3://bucket/faces";

/// Builds CelebA-HQ-style multi-resolution datasets
#[derive(Debug, Parser)]
#[command(name = "pgprep", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: CommonArgs,

    #[command(flatten)]
    pub(crate) cloud: CloudArgs,

    /// Print the result as one JSON object on stdout
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Cut faces out of photos, upright and centred, as CelebA-HQ was made
    Align(AlignArgs),
    /// Pack images into a dataset of shards at every resolution
    Pack(PackArgs),
    /// Make one dataset, or folder, of parts that were made apart (--part)
    Merge(MergeArgs),
    /// Keep the best images by a measure of sharpness and cleanness
    Select(SelectArgs),
    /// Say what a dataset holds
    Info(InfoArgs),
    /// Check every file of a dataset against its checksum, and repair it
    Verify(VerifyArgs),
    /// Compare two datasets, pixel by pixel
    Compare(CompareArgs),
    /// Lay out images of a dataset or folder in one picture
    View(ViewArgs),
    /// Write the images of a dataset as PNG files
    Extract(ExtractArgs),
    /// Write a dataset in the format of another program
    Export(ExportArgs),
    /// Draw synthetic portraits with known landmarks and attributes
    Synth(SynthArgs),
}

/// Limits that guard against image bombs
#[derive(Debug, Clone, ClapArgs, Serialize, Deserialize)]
pub(crate) struct LimitArgs {
    /// Refuse photos of more pixels than this
    #[arg(long, value_name = "N", default_value_t = 200_000_000, help_heading = "Limits")]
    pub(crate) max_pixels: u64,

    /// Refuse files of more bytes than this
    #[arg(long, value_name = "N", default_value_t = 1 << 30, help_heading = "Limits")]
    pub(crate) max_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodecChoice {
    /// One byte per value
    Raw,
    /// Lossless compression: about half the space of photographs
    MedZstd,
}

/// What a dataset stores
#[derive(Debug, Clone, ClapArgs, Serialize, Deserialize)]
pub(crate) struct StorageArgs {
    /// Levels to write, as 4..256 (both included), 64 or 4,16,64 [default: all]
    #[arg(long, value_name = "LEVELS")]
    pub(crate) levels: Option<LevelChoice>,

    /// How images are stored
    #[arg(long, value_enum, value_name = "NAME", default_value_t = CodecChoice::Raw)]
    pub(crate) codec: CodecChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Filter {
    /// Mean of 4x4 samples, the paper's text
    Box,
    /// Lanczos, what the authors' program does
    Lanczos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Five points, the ProGAN paper's crop
    Celeba,
    /// 68 points, FFHQ's crop
    Ffhq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// One PNG file per photo
    Png,
    /// A dataset
    Shards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnError {
    /// Leave the photo out and go on
    Skip,
    /// Stop at the first one
    Fail,
}

fn parse_shift(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if (0.0..=1.0).contains(&s) => Ok(s),
        _ => Err("expected a number from 0 to 1, such as 0.1".to_owned()),
    }
}

const ALIGN_EXAMPLES: &str = "\
Landmark files: CelebA's text (row count, column names, rows `file x y …` of five points), CSV with the \
header `file,left_eye_x,left_eye_y,right_eye_x,…,right_mouth_y`, or FFHQ's JSON (68 points, --preset ffhq). \
Left and right are those of the picture. A file whose rows are no faces (columns swapped, other photos) is \
refused before the work begins; --preview shows how it looks.

Photos that fail are listed in OUT/failed.jsonl and make the exit status 1. A run that was stopped goes on \
where it was when the same command is given again.

Examples:
  pgprep align img_celeba --landmarks list_landmarks_celeba.txt -o celebahq
  pgprep align photos --landmarks points.csv --size 256 --format shards -o faces256
  pgprep align photos --landmarks points.csv --format shards --levels 4..256 --codec med-zstd -o faces
  pgprep align in-the-wild-images --landmarks ffhq-dataset-v2.json --preset ffhq -o ffhq
  pgprep align photos --landmarks ffhq.json --preset ffhq --no-rotation --random-shift 0.1 -o unaligned
  pgprep align photos --landmarks points.csv --preview -o sheet.png
  pgprep align photos --landmarks points.csv --format shards -o parts --part 2/7    # then pgprep merge";

#[derive(Debug, ClapArgs, Serialize, Deserialize)]
#[command(after_help = ALIGN_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub(crate) struct AlignArgs {
    /// Folder (or zip file) of photos
    #[arg(value_parser = path_or_url())]
    #[serde(with = "lossy_path")]
    pub(crate) photos: PathBuf,

    /// File with the points of each photo
    #[arg(long, value_name = "FILE", value_parser = path_or_url())]
    #[serde(with = "lossy_path")]
    pub(crate) landmarks: PathBuf,

    /// Output folder, new or empty; with --preview the PNG file to write
    #[arg(long, short, value_name = "OUT", value_parser = path_or_url())]
    #[serde(skip)]
    pub(crate) output: PathBuf,

    /// Align nothing: draw landmarks and crops over up to 48 photos, in one PNG file
    #[arg(long)]
    #[serde(skip)]
    pub(crate) preview: bool,

    /// Side of the aligned images in pixels, a power of two
    #[arg(long, value_name = "PX", default_value_t = 1024)]
    pub(crate) size: u32,

    /// Last step of the downscaling
    #[arg(long, value_enum, default_value_t = Filter::Box)]
    pub(crate) filter: Filter,

    /// Kind of crop
    #[arg(long, value_enum, default_value_t = Preset::Celeba)]
    pub(crate) preset: Preset,

    /// Crop along the photo's rows and columns: faces keep their tilt (with either preset)
    #[arg(long)]
    pub(crate) no_rotation: bool,

    /// Leave black what lies outside the photo (with either preset)
    #[arg(long)]
    pub(crate) no_padding: bool,

    /// Move each crop at random, by a standard deviation of S sides of the crop along both axes (with
    /// either preset)
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = parse_shift)]
    pub(crate) random_shift: Option<f64>,

    /// Seed of --random-shift [default: 0]
    #[arg(long, value_name = "SEED", requires = "random_shift")]
    pub(crate) seed: Option<u64>,

    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Png)]
    pub(crate) format: Format,

    /// What to do about a photo that fails
    #[arg(long, value_enum, default_value_t = OnError::Skip)]
    pub(crate) on_error: OnError,

    /// Take only the first N photos (after --ids)
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Take only the photos named in FILE, one name (with or without extension) per line
    #[arg(long, value_name = "FILE", value_parser = path_or_url())]
    #[serde(with = "lossy_path::optional")]
    pub(crate) ids: Option<PathBuf>,

    /// Images per shard, with --format shards [default: fitting 256 MiB, at most 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) images_per_shard: Option<u32>,

    #[command(flatten)]
    pub(crate) storage: StorageArgs,

    #[command(flatten)]
    #[serde(skip)]
    pub(crate) parts: PartArgs,

    /// Try again the images that failed when the output was made; parts are merged first
    #[arg(long, conflicts_with = "part")]
    #[serde(skip)]
    pub(crate) retry_failed: bool,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The formats of `pg_sources::SourceFormat`, and datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceFormatChoice {
    /// Image files at any depth
    Folder,
    /// Zip of image files
    Zip,
    /// CIFAR-10 or -100, binary or Python version: folder, tar.gz or one file
    Cifar,
    /// MNIST's idx files, plain or gzip: folder or file of images
    Mnist,
    /// LMDB of encoded images, as LSUN: folder or data.mdb
    Lmdb,
    /// ProGAN's TFRecords: folder (its finest level) or one file
    Tfrecord,
    /// A dataset of this tool
    Dataset,
}

const PACK_EXAMPLES: &str = "\
Labels: what comes with the source (CIFAR, MNIST, TFRecord, a StyleGAN2-ADA dataset.json, a dataset) is \
kept. `--labels folders` makes the first folder of each image its class. A FILE is CSV with the header \
`file,label` (classes) or `file,NAME,…` (numbers), or JSON as StyleGAN2-ADA's dataset.json; it must name \
every image as `pgprep` lists it: path below SOURCE with `/`.

Images that fail are listed in DATASET/failed.jsonl and make the exit status 1. A run that was stopped goes \
on where it was when the same command is given again.

Examples:
  pgprep pack celebahq -o celebahq.ds
  pgprep pack photos.zip -o photos.ds --resolution 256 --fit crop --shuffle 1
  pgprep pack cifar-10-python.tar.gz -o cifar10.ds
  pgprep pack bedroom_train_lmdb -o bedroom.ds --resolution 256 --fit crop
  pgprep pack animals -o animals.ds --resolution 128 --fit crop --labels folders
  pgprep pack celebahq -o parts --part auto     # in each task of a Slurm array; then pgprep merge";

#[derive(Debug, ClapArgs, Serialize, Deserialize)]
#[command(after_help = PACK_EXAMPLES)]
pub(crate) struct PackArgs {
    /// Folder or zip file of images, CIFAR, MNIST, LSUN (LMDB), TFRecords, or a dataset
    #[arg(value_parser = path_or_url())]
    #[serde(with = "lossy_path")]
    pub(crate) source: PathBuf,

    /// Take SOURCE for this format [default: told from its content]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) source_format: Option<SourceFormatChoice>,

    /// The dataset's folder, new or empty
    #[arg(long, short, value_name = "DATASET", value_parser = path_or_url())]
    #[serde(skip)]
    pub(crate) output: PathBuf,

    /// Side of the finest level, a power of two [default: what fits into the first image]
    #[arg(long, value_name = "PX")]
    pub(crate) resolution: Option<u32>,

    /// How an image of another shape becomes a square
    #[arg(long, value_enum, default_value_t = FitChoice::Strict)]
    pub(crate) fit: FitChoice,

    /// Values per pixel: 3 (RGB), 1 (grey), or auto: 1 where all images are grey, else 3
    #[arg(long, value_enum, default_value_t = ChannelsChoice::Auto, value_name = "N")]
    pub(crate) channels: ChannelsChoice,

    /// Labels: `folders`, `none`, or a CSV or JSON file [default: those of SOURCE]
    #[arg(long, value_name = "FILE|folders|none", value_parser = path_or_url())]
    #[serde(with = "lossy_path::optional")]
    pub(crate) labels: Option<PathBuf>,

    /// Shuffle the images by this seed [default: sorted by path, or as in the file]
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,

    /// Images per shard [default: fitting 256 MiB, at most 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) images_per_shard: Option<u32>,

    #[command(flatten)]
    pub(crate) storage: StorageArgs,

    #[command(flatten)]
    #[serde(skip)]
    pub(crate) parts: PartArgs,

    /// Try again the images that failed when the output was made; parts are merged first
    #[arg(long, conflicts_with = "part")]
    #[serde(skip)]
    pub(crate) retry_failed: bool,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// What `--channels` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChannelsChoice {
    /// Grey where all images are grey, else RGB
    Auto,
    /// Grey: colour by ITU-R 601's luma, as Pillow rounds it
    #[value(name = "1")]
    Grey,
    /// RGB: grey is repeated
    #[value(name = "3")]
    Rgb,
}

const MERGE_EXAMPLES: &str = "\
PART is a folder that `align` or `pack` made with --part, or a folder of such parts. All parts must be there, each once, \
made by the same command from the same sources. No image is read: files are hard links, renamed with --by move, copied \
with --by copy. The bytes are those of one run without --part into the same -o. Run again after an interruption, it goes \
on.

Examples:
  pgprep align photos --landmarks points.csv --format shards -o parts --part 1/2
  pgprep align photos --landmarks points.csv --format shards -o parts --part 2/2
  pgprep merge parts -o faces
  pgprep merge parts/part-1-of-2 parts/part-2-of-2 -o faces --by move";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransferChoice {
    /// Hard links: the parts stay, and take no space of their own
    Link,
    /// Renamed: the parts lose their files
    Move,
    /// Copied, for another file system
    Copy,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = MERGE_EXAMPLES)]
pub(crate) struct MergeArgs {
    /// Parts, or folders of them
    #[arg(value_name = "PART", required = true, value_parser = local_path())]
    pub(crate) parts: Vec<PathBuf>,

    /// The dataset's folder, or that of the files, new or empty
    #[arg(long, short, value_name = "OUT", value_parser = local_path())]
    pub(crate) output: PathBuf,

    /// How files get from the parts to OUT
    #[arg(long, value_enum, value_name = "WAY", default_value_t = TransferChoice::Link)]
    pub(crate) by: TransferChoice,
}

const SELECT_EXAMPLES: &str = "\
The measure looks at the power spectrum of each image: it should cover a broad range of frequencies and be \
alike in all directions. Blurred and enlarged images, halftone prints and coarse JPEG rank low. Scores are \
for comparing images of about one size.

Files keep their names; they are hard links where that is possible, else copies. Images that cannot be read \
are listed in OUT/failed.jsonl and make the exit status 1. A run that was stopped goes on where it was when \
the same command is given again.

Examples:
  pgprep select aligned --keep 30000 -o best
  pgprep select photos --keep 1000 -o best --report report";

#[derive(Debug, ClapArgs)]
#[command(after_help = SELECT_EXAMPLES)]
pub(crate) struct SelectArgs {
    /// Folder or zip file of images, or another source of `pgprep pack`
    #[arg(value_parser = path_or_url())]
    pub(crate) source: PathBuf,

    /// How many images to keep
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: u32,

    /// Folder for the images kept, new or empty
    #[arg(long, short, value_name = "OUT", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// Write the score of each image and pictures of the best and the worst to FOLDER
    #[arg(long, value_name = "FOLDER", value_parser = path_or_url())]
    pub(crate) report: Option<PathBuf>,

    /// Take SOURCE for this format [default: told from its content]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) source_format: Option<SourceFormatChoice>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  pgprep info faces\n  pgprep info faces --json")]
pub(crate) struct InfoArgs {
    /// The dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) dataset: PathBuf,
}

const VERIFY_EXAMPLES: &str = "\
Exit status 1 when a file is damaged and, with --repair, could not be put right.

Coarser levels are made again from the finest one where that is intact. All else takes the sources: the command that \
made the dataset is carried out again for the shards concerned. SOURCE and landmarks are looked for where that command \
named them, unless --source and --landmarks say otherwise. A file is replaced only by one with the checksum of the \
manifest.

Examples:
  pgprep verify faces
  pgprep verify faces --repair
  pgprep verify faces --repair --source /mnt/photos --landmarks /mnt/points.csv";

#[derive(Debug, ClapArgs)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// The dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) dataset: PathBuf,

    /// Make damaged files again
    #[arg(long)]
    pub(crate) repair: bool,

    /// What the dataset was made of, for --repair [default: as when it was made]
    #[arg(long, value_name = "PATH", requires = "repair", value_parser = path_or_url())]
    pub(crate) source: Option<PathBuf>,

    /// The landmark file it was made with, for --repair [default: as when it was made]
    #[arg(long, value_name = "FILE", requires = "repair", value_parser = path_or_url())]
    pub(crate) landmarks: Option<PathBuf>,
}

const COMPARE_EXAMPLES: &str = "\
Compared are the number of images, channels, levels, labels, and every pixel of the levels that both have; not \
where the images came from, nor how they are cut into shards. Exit status 0 when all is the same, 1 when \
something differs.

Examples:
  pgprep compare faces faces-again
  pgprep compare faces other --json";

#[derive(Debug, ClapArgs)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct CompareArgs {
    /// A dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) a: PathBuf,

    /// Another dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) b: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  pgprep view faces -o sheet.png\n  pgprep view celebahq -o sheet.png --cols 10 --count 50 --resolution 64"
)]
pub(crate) struct ViewArgs {
    /// Dataset, or folder or zip file of images
    #[arg(value_parser = path_or_url())]
    pub(crate) source: PathBuf,

    /// The PNG file to write
    #[arg(long, short, value_name = "FILE", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// Images per row
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) cols: u32,

    /// Number of images, from the first on
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) count: u32,

    /// Side of each image [default: 128, or the finest level below it]
    #[arg(long, value_name = "PX")]
    pub(crate) resolution: Option<u32>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Files are named by the image's index in the dataset: 000000.png, 000001.png, …

Examples:
  pgprep extract faces -o pngs
  pgprep extract faces -o small --resolution 32")]
pub(crate) struct ExtractArgs {
    /// The dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) dataset: PathBuf,

    /// Output folder, new or empty
    #[arg(long, short, value_name = "FOLDER", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// The level to write [default: the finest]
    #[arg(long, value_name = "PX")]
    pub(crate) resolution: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// ProGAN's: a folder of NAME-rNN.tfrecords, one file per level, and NAME-rxx.labels
    Tfrecord,
    /// StyleGAN2-ADA's: a zip of PNG files of one size, and dataset.json
    Zip,
}

const EXPORT_EXAMPLES: &str = "\
TFRecords are named after their folder. Both formats are sources of `pgprep pack` too: pixels and labels come \
back the same.

Examples:
  pgprep export faces --format tfrecord -o tfrecords/faces
  pgprep export faces --format zip -o faces256.zip --resolution 256";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    /// The dataset's folder
    #[arg(value_parser = path_or_url())]
    pub(crate) dataset: PathBuf,

    /// What to write
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,

    /// Output: a new or empty folder for tfrecord, a new file for zip
    #[arg(long, short, value_name = "OUT", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// The finest level to write [default: all there is]
    #[arg(long, value_name = "PX")]
    pub(crate) resolution: Option<u32>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Writes FOLDER/images/000001.jpg, …, and FOLDER/list_landmarks.txt and FOLDER/list_attr.txt in CelebA's layouts. \
Portrait i of a seed is the same whatever the count.

Examples:
  pgprep synth -o in --count 1000
  pgprep align in/images --landmarks in/list_landmarks.txt --size 64 --format shards -o faces"
)]
pub(crate) struct SynthArgs {
    /// Output folder, new or empty
    #[arg(long, short, value_name = "FOLDER", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// Number of portraits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=999_999))]
    pub(crate) count: u32,

    /// Instead of portraits, PX x PX pictures of uniform noise as PNG: a ceiling for metrics
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) noise: Option<u32>,

    /// Seed of all choices
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use pg_cli::{path_flags, url_complaints};

    use super::*;

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
        assert!(path_flags(&command) >= 26, "{}", path_flags(&command));
    }
}

/// Paths in JSON, which holds text: what is no text in a name is lost.
mod lossy_path {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.to_string_lossy().serialize(serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<PathBuf, D::Error> {
        PathBuf::deserialize(deserializer)
    }

    pub(super) mod optional {
        use std::path::PathBuf;

        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        #[expect(clippy::ref_option, reason = "what serde calls it with")]
        pub(crate) fn serialize<S: Serializer>(
            path: &Option<PathBuf>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
        }

        pub(crate) fn deserialize<'d, D: Deserializer<'d>>(
            deserializer: D,
        ) -> Result<Option<PathBuf>, D::Error> {
            Option::deserialize(deserializer)
        }
    }
}
