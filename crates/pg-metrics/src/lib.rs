//! Pure numbers about sets of images: sliced Wasserstein distance, MS-SSIM, their confidence
//! intervals, and the [`FeatureExtractor`] trait behind which feature networks stand.
//!
//! Nothing here touches the file system, a clock or a global random generator. Every result is the
//! same, bit for bit, for any number of threads and any batching: parallel work is cut into fixed
//! pieces and sums run in a fixed order.

mod bootstrap;
mod error;
mod feature_extractor;
mod feature_moments;
mod feature_rows;
mod frechet;
mod frechet_extrapolation;
mod frechet_jackknife;
mod half_distances;
mod half_normalisation;
mod image_pairs;
mod inception_score;
mod interval;
mod kernel_distance;
mod laplacian_pyramid;
mod latent_space;
mod linear_separability;
mod linear_svm;
mod marked_keys;
mod moment_groups;
mod moments;
mod ms_ssim;
mod nearest_neighbours;
mod one_dimensional;
mod parallelism;
mod patch_descriptors;
mod path_images;
mod path_length;
mod precision_recall;
mod projection;
mod random_streams;
mod sliced_wasserstein;
mod swd_description;
mod trace_of_root;

pub use error::MetricsError;
pub use feature_extractor::{FeatureExtractor, Features};
pub use feature_moments::{FeatureGaussian, FeatureMoments};
pub use feature_rows::FeatureRows;
pub use frechet::{FeatureSide, FrechetDistance, frechet_distance};
pub use frechet_extrapolation::{
    EXTRAPOLATION_POINTS, Extrapolation, ExtrapolationPoint, extrapolate, extrapolation_point,
};
pub use frechet_jackknife::{FEWEST_FOR_FRECHET_INTERVAL, FrechetJackknife, LeftOut};
pub use image_pairs::{ImagePair, consecutive_pairs, distinct_pair_count, drawn_pairs};
pub use inception_score::{InceptionScore, inception_score};
pub use interval::{ConfidenceInterval, LEVEL_95};
pub use kernel_distance::{KernelDistance, KernelDistanceScore, KernelSubsets};
pub use laplacian_pyramid::{SWD_LOWEST_PX, laplacian_pyramid, swd_resolutions};
pub use latent_space::{DrawnLatent, IMAGES_OF_ONE_NOISE, LatentSpace, draw_layer_noise};
pub use linear_separability::{
    AttributeAnswers, AttributeCounts, Separability, conditional_entropy_bits, linear_separability,
    most_confident,
};
pub use linear_svm::LinearSvm;
pub use ms_ssim::{
    DiversityScore, MS_SSIM_MIN_SIDE_PX, MS_SSIM_SCALES, ScaleSimilarity, diversity, ms_ssim,
    scale_similarities,
};
pub use patch_descriptors::{
    ChannelStatistics, DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, ImageKey, PATCH_PX, PatchCentre, Side,
    channel_statistics, draw_centres, extract_descriptors, normalise_descriptors,
};
pub use path_images::{PERCEPTUAL_SIDE_PX, averaged_down, face_region};
pub use path_length::{LatentPath, PATH_EPSILON, PATH_PERCENTILES, PathLength, PathSampling, path_length};
pub use precision_recall::{PrecisionRecall, SetScore, precision_recall};
pub use projection::{draw_directions, projected_distances};
pub use sliced_wasserstein::{
    LevelDistance, SWD_UNIT_SCALE, SwdLevelScore, SwdScore, compare_level, sliced_wasserstein, summarise,
};
pub use swd_description::{
    ImageRecord, KeptLevel, LevelForm, LevelRecord, SwdDescriber, SwdLayout, SwdSettings,
};
