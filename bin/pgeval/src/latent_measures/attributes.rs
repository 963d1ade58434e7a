//! Classifiers that tell attributes of images.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_image::Planar;
use pg_metrics::FeatureExtractor as _;
use pg_onnx::{InputRecipe, OnnxExtractor, OnnxModel, PartialRecipe};
use serde_json::{Value, json};

use super::Networks;
use super::finite_outputs::{NetworkOutput, check_finite};
use crate::args::LsArgs;

/// Key of a classifier's metadata: the names of its answers, comma separated.
const ATTRIBUTES: &str = "pg.attributes";
/// The output that answers.
const LOGITS: &str = "pg.logits";

/// All that classifiers tell.
pub(crate) struct Attributes {
    classifiers: Vec<OnnxExtractor>,
    pub(crate) names: Vec<String>,
    /// For provenance.
    pub(crate) described: Vec<Value>,
}

impl Attributes {
    pub(crate) fn open(networks: &Networks, args: &LsArgs) -> Result<Self> {
        let mut opened = Self { classifiers: Vec::new(), names: Vec::new(), described: Vec::new() };
        for path in &args.classifiers {
            opened.add(networks, args, path).context("--classifier")?;
        }
        for (place, name) in opened.names.iter().enumerate() {
            if opened.names[..place].contains(name) {
                bail!(
                    "--classifier: two answers are called {name:?}; name them apart ({ATTRIBUTES} in the metadata, or the file)"
                );
            }
        }
        Ok(opened)
    }

    fn add(&mut self, networks: &Networks, args: &LsArgs, path: &Path) -> Result<()> {
        let model = OnnxModel::open(&networks.runtime, path, &networks.settings)?;
        let only = match model.outputs() {
            [one] => Some(one.name.clone()),
            _ => None,
        };
        let asked = PartialRecipe {
            input_size_px: args.input_size,
            resize: args.resize,
            range: args.range,
            features: args.logits.clone().or_else(|| model.metadata(LOGITS)).or(only),
            logits: None,
        };
        // Its features are of no interest here.
        let recipe = InputRecipe { logits: None, ..InputRecipe::resolve(&model, asked, None)? };
        let (names, sha256) = (model.metadata(ATTRIBUTES), model.sha256().to_owned());
        let described = json!({
            "path": path.display().to_string(),
            "sha256": sha256,
            "input_size": recipe.input_size_px,
            "resize": recipe.resize.name(),
            "range": [recipe.range.0, recipe.range.1],
            "output": recipe.features,
        });
        let batch = args.latents.runtime.batch;
        let extractor = OnnxExtractor::new(&networks.runtime, model, recipe, &networks.settings, batch)?;
        self.names.extend(answer_names(path, names.as_deref(), extractor.feature_width())?);
        self.described.push(described);
        self.classifiers.push(extractor);
        Ok(())
    }

    /// For each of `images`, of the samples from number `first` on, the answers of all classifiers, above 0 for yes.
    pub(crate) fn answers(&self, images: &[Planar<u8>], first: usize) -> Result<Vec<Vec<f32>>> {
        let mut rows = vec![Vec::with_capacity(self.names.len()); images.len()];
        for classifier in &self.classifiers {
            let (length, at_once) = (classifier.input_len(), classifier.batch_size());
            let mut seen = first;
            for (images, rows) in images.chunks(at_once).zip(rows.chunks_mut(at_once)) {
                let mut input = vec![0.0; images.len() * length];
                for (image, input) in images.iter().zip(input.chunks_exact_mut(length)) {
                    classifier.prepare(image, input)?;
                }
                let answers = classifier.extract(&input)?.features;
                let path = classifier.path().display().to_string();
                let name = &classifier.recipe().features;
                let output = NetworkOutput { role: "--classifier", path: &path, name };
                check_finite(&answers.view(), output, |row| seen + row)?;
                seen += images.len();
                for (row, answers) in rows.iter_mut().zip(answers.outer_iter()) {
                    row.extend(answers);
                }
            }
        }
        Ok(rows)
    }
}

/// By the metadata, else by the file.
fn answer_names(path: &Path, said: Option<&str>, count: usize) -> Result<Vec<String>> {
    if let Some(said) = said {
        let names: Vec<String> = said.split(',').map(|name| name.trim().to_owned()).collect();
        if names.len() != count || names.iter().any(String::is_empty) {
            bail!(
                "{} says {ATTRIBUTES} = {said:?} in its metadata, expected {count} names separated by commas, as its output has {count} numbers",
                path.display()
            );
        }
        return Ok(names);
    }
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Ok(match count {
        1 => vec![stem],
        _ => (0..count).map(|place| format!("{stem}.{place}")).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_names_that_are_said_or_the_file_s() {
        let path = Path::new("a/hair.onnx");
        assert_eq!(answer_names(path, None, 1).unwrap(), ["hair"]);
        assert_eq!(answer_names(path, None, 2).unwrap(), ["hair.0", "hair.1"]);
        assert_eq!(answer_names(path, Some("dark, long"), 2).unwrap(), ["dark", "long"]);
        for wrong in ["dark", "dark,", "a,b,c"] {
            assert!(answer_names(path, Some(wrong), 2).is_err(), "{wrong}");
        }
    }
}
