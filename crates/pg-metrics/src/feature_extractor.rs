//! Where feature networks begin: metrics over features know only this trait.

use ndarray::Array2;
use pg_image::Planar;

use crate::MetricsError;

/// What a feature network says about a batch of n images.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `[n, feature_width]`.
    pub features: Array2<f32>,
    /// Class scores before the softmax, `[n, class_count]`, of networks that have them.
    pub logits: Option<Array2<f32>>,
}

/// A network that turns images into feature vectors, or its stand-in in tests; used by several threads at once.
///
/// Images are prepared one by one, so that threads can decode and resize the next ones while others wait for the
/// network, and go through it in batches.
pub trait FeatureExtractor: Sync {
    /// A name for results and messages, e.g. the model file's name.
    fn name(&self) -> &str;

    /// Length of a feature vector.
    fn feature_width(&self) -> usize;

    /// Number of class scores, of networks that have them.
    fn class_count(&self) -> Option<usize>;

    /// The most images that go through the network at a time.
    fn batch_size(&self) -> usize;

    /// Values that the network reads per image.
    fn input_len(&self) -> usize;

    /// What the network reads of `image`, `[3,H,W]`, u8 0..=255, into `input`, of [`input_len`](Self::input_len) values.
    ///
    /// # Errors
    /// [`MetricsError::Extractor`] with the network's own error, e.g. for an image of a size it does not take.
    fn prepare(&self, image: &Planar<u8>, input: &mut [f32]) -> Result<(), MetricsError>;

    /// Features of a batch of prepared images, `[n, input_len]`, n from 1 to [`batch_size`](Self::batch_size).
    /// Row i belongs to image i and does not depend on the other images of the batch.
    ///
    /// # Errors
    /// [`MetricsError::Extractor`] with the network's own error.
    fn extract(&self, input: &[f32]) -> Result<Features, MetricsError>;

    /// Features of `images`, `[3,H,W]` each, in as many batches as it takes.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare) and [`extract`](Self::extract).
    fn extract_images(&self, images: &[Planar<u8>]) -> Result<Features, MetricsError> {
        let mut all = Features {
            features: Array2::zeros((0, self.feature_width())),
            logits: self.class_count().map(|classes| Array2::zeros((0, classes))),
        };
        for batch in images.chunks(self.batch_size().max(1)) {
            let mut input = vec![0.0; batch.len() * self.input_len()];
            for (image, input) in batch.iter().zip(input.chunks_exact_mut(self.input_len())) {
                self.prepare(image, input)?;
            }
            let found = self.extract(&input)?;
            let failed =
                |error| MetricsError::Extractor { name: self.name().to_owned(), source: Box::new(error) };
            all.features.append(ndarray::Axis(0), found.features.view()).map_err(failed)?;
            if let (Some(all), Some(found)) = (&mut all.logits, &found.logits) {
                all.append(ndarray::Axis(0), found.view()).map_err(failed)?;
            }
        }
        Ok(all)
    }
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

        fn class_count(&self) -> Option<usize> {
            None
        }

        fn batch_size(&self) -> usize {
            2
        }

        fn input_len(&self) -> usize {
            3
        }

        fn prepare(&self, image: &Planar<u8>, input: &mut [f32]) -> Result<(), MetricsError> {
            if image.channels() != 3 {
                let source = format!("{} channels, expected 3", image.channels()).into();
                return Err(MetricsError::Extractor { name: self.name().to_owned(), source });
            }
            for (c, mean) in input.iter_mut().enumerate() {
                let plane = image.plane(c);
                *mean = plane.iter().map(|&v| f32::from(v)).sum::<f32>() / plane.len() as f32;
            }
            Ok(())
        }

        fn extract(&self, input: &[f32]) -> Result<Features, MetricsError> {
            assert!(input.len() <= 6);
            let features = Array2::from_shape_fn((input.len() / 3, 3), |(i, c)| input[i * 3 + c]);
            Ok(Features { features, logits: None })
        }
    }

    #[test]
    fn an_extractor_can_be_used_without_knowing_which() {
        let extractor: &dyn FeatureExtractor = &ChannelMeans;
        let images = [7, 9, 11].map(|grey| Planar::filled(3, 4, 4, grey));
        let found = extractor.extract_images(&images).unwrap();
        assert_eq!(found.features.dim(), (3, extractor.feature_width()));
        assert_eq!(found.features.row(2).to_vec(), [11.0, 11.0, 11.0]);
        let error = extractor.extract_images(&[Planar::filled(1, 4, 4, 7)]).unwrap_err();
        assert_eq!(error.to_string(), "feature extractor channel means failed");
        assert!(std::error::Error::source(&error).is_some());
    }
}
