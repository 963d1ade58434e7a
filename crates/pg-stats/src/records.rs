//! What a file keeps of each image: one record of fixed size per tensor.

use pg_metrics::{DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, KeptLevel, LevelForm, MetricsError, SwdLayout};
use safetensors::Dtype;

use crate::StatsProtocol;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Level(KeptLevel),
    Features,
    Logits,
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordKind {
    pub(crate) content: Content,
    /// The tensor's name.
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    /// Of one image.
    pub(crate) shape: Vec<usize>,
}

impl RecordKind {
    /// Bytes of a record; `None` beyond all numbers.
    pub(crate) fn bytes(&self) -> Option<usize> {
        let values = self.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        values.and_then(|values| values.checked_mul(self.dtype.bitsize() / 8))
    }
}

/// The records of an image in the order of the file; levels need the layout of the distance.
pub(crate) fn kinds(protocol: &StatsProtocol) -> Result<(Option<SwdLayout>, Vec<RecordKind>), MetricsError> {
    let layout = protocol.swd.as_ref().map(crate::SwdProtocol::layout).transpose()?;
    let mut kinds = Vec::new();
    for &level in layout.iter().flat_map(SwdLayout::kept) {
        let patches = layout.as_ref().map_or(0, SwdLayout::patches_per_image);
        let KeptLevel { px, form } = level;
        let (name, dtype, shape) = match form {
            LevelForm::Patches => ("patches", Dtype::F32, vec![patches, DESCRIPTOR_LENGTH]),
            LevelForm::Gaussian => ("gaussian", Dtype::F32, vec![DESCRIPTOR_CHANNELS, px, px]),
            LevelForm::Pixels => ("pixels", Dtype::U8, vec![DESCRIPTOR_CHANNELS, px, px]),
        };
        let name = format!("swd.{px}.{name}");
        kinds.push(RecordKind { content: Content::Level(level), name, dtype, shape });
    }
    if let Some(network) = protocol.network.as_ref().filter(|network| !network.moments_only) {
        let floats = |content, name: &str, width| RecordKind {
            content,
            name: format!("network.{name}"),
            dtype: Dtype::F32,
            shape: vec![width],
        };
        kinds.push(floats(Content::Features, "features", network.feature_width));
        if network.classes > 0 {
            kinds.push(floats(Content::Logits, "logits", network.classes));
        }
    }
    Ok((layout, kinds))
}
