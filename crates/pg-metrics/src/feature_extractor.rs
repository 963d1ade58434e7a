//! Where feature networks begin: metrics over features know only this trait.

use ndarray::Array2;
use pg_image::Planar;

use crate::MetricsError;

/// What a feature network says about a batch of n images.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `[n, feature_width]`.
    pub features: Array2<f32>,
    /// Class scores before the softmax, `[n, classes]`, of networks that have them.
    pub logits: Option<Array2<f32>>,
}

/// A network that turns images into feature vectors, or its stand-in in tests.
pub trait FeatureExtractor {
    /// A name for results and messages, e.g. the model file's name.
    fn name(&self) -> &str;

    /// Length of a feature vector.
    fn feature_width(&self) -> usize;

    /// Features of a batch of images `[C,H,W]`, u8 0..=255, all of the size that the network takes.
    /// Row i belongs to image i and does not depend on the other images of the batch.
    ///
    /// # Errors
    /// [`MetricsError::Extractor`] with the network's own error, e.g. for images of the wrong size.
    fn extract(&mut self, images: &[Planar<u8>]) -> Result<Features, MetricsError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channel means as features.
    struct ChannelMeans;

    impl FeatureExtractor for ChannelMeans {
        fn name(&self) -> &'static str {
            "channel means"
        }

        fn feature_width(&self) -> usize {
            3
        }

        fn extract(&mut self, images: &[Planar<u8>]) -> Result<Features, MetricsError> {
            let mut features = Array2::zeros((images.len(), 3));
            for (mut row, image) in features.rows_mut().into_iter().zip(images) {
                if image.channels() != 3 {
                    let source = format!("{} channels, expected 3", image.channels()).into();
                    return Err(MetricsError::Extractor { name: self.name().to_owned(), source });
                }
                for (c, mean) in row.iter_mut().enumerate() {
                    let plane = image.plane(c);
                    *mean = plane.iter().map(|&v| f32::from(v)).sum::<f32>() / plane.len() as f32;
                }
            }
            Ok(Features { features, logits: None })
        }
    }

    #[test]
    fn an_extractor_can_be_used_without_knowing_which() {
        let extractor: &mut dyn FeatureExtractor = &mut ChannelMeans;
        let images = [Planar::filled(3, 4, 4, 7_u8), Planar::filled(3, 4, 4, 9_u8)];
        let found = extractor.extract(&images).unwrap();
        assert_eq!(found.features.dim(), (2, extractor.feature_width()));
        assert_eq!(found.features.row(1).to_vec(), [9.0, 9.0, 9.0]);
        let error = extractor.extract(&[Planar::filled(1, 4, 4, 7_u8)]).unwrap_err();
        assert_eq!(error.to_string(), "feature extractor channel means failed");
        assert!(std::error::Error::source(&error).is_some());
    }
}
