//! A generator whose latent spaces can be walked: z, and w where it has styles.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, Ix2, Ix4};

use crate::generator::said;
use crate::{GeneratorModel, OnnxError, OnnxModel, OnnxRuntime, SessionSettings};

/// Keys of the whole generator's metadata: the files of its parts.
const MAPPING: &str = "pg.mapping";
const SYNTHESIS: &str = "pg.synthesis";
/// Of all three files: the weights that they are made from, the thousands of images these were trained on, the kind.
const WEIGHTS: &str = "pg.weights_blake3";
const KIMG: &str = "pg.kimg";
const NETWORK: &str = "pg.network";
/// Of the parts.
const LAYERS: &str = "pg.layers";

/// A generator that `pgtrain export` wrote: where it has styles, in two parts, its mapping and its synthesis.
#[derive(Debug)]
pub struct PathGenerator {
    path: PathBuf,
    sha256: String,
    latent_size: usize,
    label_size: usize,
    channels: usize,
    resolution_px: usize,
    metadata: Vec<(&'static str, Option<String>)>,
    networks: Networks,
}

#[derive(Debug)]
enum Networks {
    Whole(Box<GeneratorModel>),
    Parts(Box<Parts>),
}

#[derive(Debug)]
struct Parts {
    mapping: OnnxModel,
    synthesis: OnnxModel,
    layers: usize,
    noise_sides_px: Vec<usize>,
}

impl PathGenerator {
    /// Opens the model file `path`, and the two that its metadata name, in the same folder.
    ///
    /// # Errors
    /// - those of [`GeneratorModel::open`], for each file
    /// - [`OnnxError::UnsupportedModel`] for parts that are made from other weights
    pub fn open(runtime: &OnnxRuntime, path: &Path, settings: &SessionSettings) -> Result<Self, OnnxError> {
        let whole = GeneratorModel::open(runtime, path, settings)?;
        let model = whole.model();
        let file = |key: &str| model.metadata(key).map(|name| path.with_file_name(name));
        let parts = match (file(MAPPING), file(SYNTHESIS)) {
            (Some(mapping), Some(synthesis)) => {
                let open = |path: &Path| OnnxModel::open(runtime, path, settings);
                Some(Parts::new(open(&mapping)?, open(&synthesis)?, &whole)?)
            }
            _ => None,
        };
        Ok(Self {
            path: path.to_owned(),
            sha256: model.sha256().to_owned(),
            latent_size: whole.latent_size(),
            label_size: whole.label_size(),
            channels: whole.channels(),
            resolution_px: whole.resolution_px(),
            metadata: [WEIGHTS, KIMG, NETWORK].map(|key| (key, model.metadata(key))).to_vec(),
            networks: match parts {
                Some(parts) => Networks::Parts(Box::new(parts)),
                None => Networks::Whole(Box::new(whole)),
            },
        })
    }

    /// Opens the same generator once more, to run beside this one; see [`OnnxModel::another`].
    ///
    /// # Errors
    /// Those of [`OnnxModel::another`].
    pub fn another(&self, runtime: &OnnxRuntime, settings: &SessionSettings) -> Result<Self, OnnxError> {
        let networks = match &self.networks {
            Networks::Whole(whole) => Networks::Whole(Box::new(whole.another(runtime, settings)?)),
            Networks::Parts(parts) => Networks::Parts(Box::new(Parts {
                mapping: parts.mapping.another(runtime, settings)?,
                synthesis: parts.synthesis.another(runtime, settings)?,
                layers: parts.layers,
                noise_sides_px: parts.noise_sides_px.clone(),
            })),
        };
        Ok(Self {
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            metadata: self.metadata.clone(),
            networks,
            ..*self
        })
    }

    /// The file of the whole.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the network in that file, 64 hexadecimal digits: see [`crate::ModelFile`].
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The identities of its mapping and its synthesis, likewise, where it has styles.
    #[must_use]
    pub fn parts_sha256(&self) -> Option<[&str; 2]> {
        match &self.networks {
            Networks::Parts(parts) => Some([parts.mapping.sha256(), parts.synthesis.sha256()]),
            Networks::Whole(_) => None,
        }
    }

    /// Which network it is, of which weights, trained on how many images: `pg.network`, `pg.weights_blake3`, `pg.kimg`.
    #[must_use]
    pub fn metadata(&self) -> &[(&'static str, Option<String>)] {
        &self.metadata
    }

    /// Components of a latent.
    #[must_use]
    pub fn latent_size(&self) -> usize {
        self.latent_size
    }

    /// Components of a label, which stands behind the latent.
    #[must_use]
    pub fn label_size(&self) -> usize {
        self.label_size
    }

    /// Colour channels of the images.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Side of the images in pixels.
    #[must_use]
    pub fn resolution_px(&self) -> usize {
        self.resolution_px
    }

    /// Whether there is a space w.
    #[must_use]
    pub fn has_styles(&self) -> bool {
        matches!(self.networks, Networks::Parts(_))
    }

    /// Sides of the pictures of noise that layers take; none without.
    #[must_use]
    pub fn noise_sides_px(&self) -> &[usize] {
        match &self.networks {
            Networks::Parts(parts) => &parts.noise_sides_px,
            Networks::Whole(_) => &[],
        }
    }

    /// Latents `[N, latent_size + label_size]` to w `[N, latent_size]`.
    ///
    /// # Errors
    /// [`OnnxError::UnsupportedModel`] without styles; [`OnnxError::InputShape`]; [`OnnxError::Run`].
    pub fn map(&mut self, latents: &ArrayView2<'_, f32>) -> Result<Array2<f32>, OnnxError> {
        let parts = self.parts_or_refusal()?;
        let found = parts.mapping.run_all(&[latents.view().into_dyn()], &["w"])?;
        shaped::<Ix2>(&parts.mapping, found.into_iter().next().map(|tensor| tensor.values))
    }

    /// Latents to images `[N,C,R,R]`, with one picture of `noise` `[1,1,S,S]` for each of [`Self::noise_sides_px`].
    ///
    /// # Errors
    /// [`OnnxError::InputShape`]; [`OnnxError::Run`].
    pub fn images_of_latents(
        &mut self,
        latents: &ArrayView2<'_, f32>,
        noise: &[ArrayD<f32>],
    ) -> Result<Array4<f32>, OnnxError> {
        if let Networks::Whole(whole) = &mut self.networks {
            return whole.run(latents);
        }
        let w = self.map(latents)?;
        self.images_of_styles(&w.view(), noise)
    }

    /// w `[N, latent_size]`, for all layers, to images.
    ///
    /// # Errors
    /// [`OnnxError::UnsupportedModel`] without styles; [`OnnxError::InputShape`]; [`OnnxError::Run`].
    pub fn images_of_styles(
        &mut self,
        w: &ArrayView2<'_, f32>,
        noise: &[ArrayD<f32>],
    ) -> Result<Array4<f32>, OnnxError> {
        let parts = self.parts_or_refusal()?;
        let shape = (w.nrows(), parts.layers, w.ncols());
        let by_layer = w.view().insert_axis(Axis(1));
        let refused = || OnnxError::InputShape {
            path: parts.synthesis.path().to_owned(),
            expected: format!("{shape:?}"),
            actual: format!("{:?}", w.shape()),
        };
        let styles = by_layer.broadcast(shape).ok_or_else(refused)?.into_dyn();
        let inputs: Vec<_> = [styles].into_iter().chain(noise.iter().map(|picture| picture.view())).collect();
        let found = parts.synthesis.run_all(&inputs, &["images"])?;
        shaped::<Ix4>(&parts.synthesis, found.into_iter().next().map(|tensor| tensor.values))
    }

    fn parts_or_refusal(&mut self) -> Result<&mut Parts, OnnxError> {
        match &mut self.networks {
            Networks::Parts(parts) => Ok(parts),
            Networks::Whole(whole) => Err(OnnxError::UnsupportedModel {
                path: whole.model().path().to_owned(),
                expected: "a style-based generator, whose metadata name its mapping and its synthesis"
                    .to_owned(),
                actual: "no space w".to_owned(),
            }),
        }
    }
}

impl Parts {
    fn new(mapping: OnnxModel, synthesis: OnnxModel, whole: &GeneratorModel) -> Result<Self, OnnxError> {
        let weights = whole.model().metadata(WEIGHTS);
        for part in [&mapping, &synthesis] {
            let found = part.metadata(WEIGHTS);
            if found != weights {
                return Err(OnnxError::UnsupportedModel {
                    path: part.path().to_owned(),
                    expected: format!(
                        "a part of {}, made from weights {}; export again",
                        whole.model().path().display(),
                        weights.as_deref().unwrap_or("that are not named")
                    ),
                    actual: format!("one made from {}", found.as_deref().unwrap_or("others")),
                });
            }
        }
        let layers = said(&synthesis, LAYERS, "a number of at least 1", |value| {
            value.parse::<usize>().ok().filter(|layers| *layers > 0)
        })?;
        let side = |input: &crate::TensorDescription| match input.float_shape.as_deref() {
            Some(&[_, Some(1), Some(height), Some(width)]) if height == width => Some(height),
            _ => None,
        };
        let noise_sides_px = synthesis.inputs().iter().skip(1).filter_map(side).collect();
        Ok(Self { mapping, synthesis, layers, noise_sides_px })
    }
}

fn shaped<D: ndarray::Dimension>(
    model: &OnnxModel,
    values: Option<ArrayD<f32>>,
) -> Result<ndarray::Array<f32, D>, OnnxError> {
    let wrong = |actual: String| OnnxError::OutputShape {
        path: model.path().to_owned(),
        name: model.outputs().first().map_or_else(String::new, |output| output.name.clone()),
        expected: format!("{} axes", D::NDIM.unwrap_or(0)),
        actual,
    };
    let values = values.ok_or_else(|| wrong("nothing".to_owned()))?;
    values.into_dimensionality::<D>().map_err(|error| wrong(error.to_string()))
}
