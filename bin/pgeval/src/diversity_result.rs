//! The diversity of a set of images (MS-SSIM) as a result.

use pg_metrics::{DiversityScore, MS_SSIM_SCALES};
use serde_json::json;

use crate::args::MsSsimArgs;
use crate::features::of_images;
use crate::image_set::ImageSet;
use crate::metric_result::{MetricResult, members, provenance};

pub(crate) fn result(
    score: &DiversityScore,
    args: &MsSsimArgs,
    seed: Option<u64>,
    set: &ImageSet,
    images_used: usize,
    pairs: usize,
) -> MetricResult {
    let protocol = provenance(seed).setting("pairs", args.pairs).setting("consecutive", args.consecutive);
    let provenance =
        args.input.recorded(protocol).setting("images", set.describe()).count("images_read", images_used);
    MetricResult {
        metric: "ms-ssim",
        value: score.value,
        std: None,
        unit: "1",
        direction: "lower",
        levels: Vec::new(),
        interval: Some(score.interval),
        interval_unknown: None,
        floor: None,
        extrapolated: None,
        attributes: Vec::new(),
        counts: members(json!({ "images": images_used, "pairs": pairs })),
        protocol: members(json!({
            "definition": "Wang, Simoncelli, Bovik 2003; diversity as in arXiv:1710.10196, section 5",
            "width_px": set.width_px(),
            "height_px": set.height_px(),
            "fit": args.input.fit.name(),
            "scales": MS_SSIM_SCALES,
            "pairing": if args.consecutive { "consecutive" } else { "drawn" },
            "pairs": pairs,
            "seed": seed,
            "images_available": set.len(),
            "interval": "mean over pairs, allowing for pairs that share an image",
        })),
        warnings: of_images(&[("IMAGES", set)]),
        provenance,
    }
}
