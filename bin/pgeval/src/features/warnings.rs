//! What makes a score of features doubtful, as data.

use serde_json::Value;

use super::{Given, Network};
use crate::args::FeatureArgs;
use crate::metric_result::Warning;

/// What is to be said before any image is read.
pub(super) fn before(
    sides: &[(&str, &Given)],
    network: Option<&Network>,
    args: &FeatureArgs,
) -> Vec<Warning> {
    let mut found = Vec::new();
    for (role, side) in sides {
        if let Given::Stats(stats) = side
            && let Some(asked) =
                args.images.filter(|&asked| asked > stats.image_count() && stats.moments().is_none())
        {
            let (argument, has) = (side.argument(), stats.image_count());
            found.push(Warning::new(
                "few-images",
                format!("--images {asked}: {role} {argument} holds only {has} images"),
            ));
        }
        if let (Some(set), Some(asked)) = (side.images(), args.images)
            && asked > set.len()
        {
            let (argument, has) = (set.argument(), set.len());
            found.push(Warning::new(
                "few-images",
                format!("--images {asked}: {role} {argument} holds only {has} images"),
            ));
        }
        if let Given::Npz { path, .. } = side {
            let text = format!(
                "{role} {path} does not say which network and recipe its features are of, nor of how many images: the distance means something only where they are those of the other side"
            );
            found.push(Warning::new("unknown-network", text));
        }
    }
    if let [(real_role, real), (fake_role, fake)] = sides {
        if let (Some(a), Some(b)) = (real.size_px(), fake.size_px())
            && a != b
        {
            let text = format!(
                "{real_role} {} has images of {}x{} pixels, {fake_role} {} of {}x{}: detail that one side cannot have is part of the score",
                real.argument(),
                a.0,
                a.1,
                fake.argument(),
                b.0,
                b.1
            );
            found.push(Warning::new("resolution-mismatch", text));
        }
        if let (Some(a), Some(b)) = (real.preprocessing(), fake.preprocessing())
            && let Some(differences) = differences(&a, &b)
        {
            let text = format!(
                "{real_role} {} and {fake_role} {} were not prepared alike ({differences}): that alone moves the score",
                real.argument(),
                fake.argument()
            );
            found.push(Warning::new("different-preprocessing", text));
        }
    }
    found.extend(
        network.and_then(Network::recipe_warning).map(|text| Warning::new("unpublished-recipe", text)),
    );
    found
}

/// The members that two records have and that are not the same.
fn differences(a: &Value, b: &Value) -> Option<String> {
    let (a, b) = (a.as_object()?, b.as_object()?);
    let differs = |(name, here): (&String, &Value)| {
        let there = b.get(name)?;
        (here != there).then(|| format!("{} {here} and {there}", name.replace('_', " ")))
    };
    let all: Vec<String> = a.iter().filter_map(differs).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// That a side has too few images for the covariance of its features.
pub(crate) fn few_images(role: &str, count: Option<usize>, width: usize) -> Option<Warning> {
    let count = count.filter(|&count| count <= width)?;
    let text = format!(
        "{role} has {count} images for {width} features: the covariance has no full rank, and the distance says more about the number of images than about them; take more than {width}, 10000 for published numbers"
    );
    Some(Warning::new("few-images", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_both_records_have_can_differ() {
        let a = json!({ "filter": "box", "preset": "celeba", "extra": 1 });
        assert_eq!(differences(&a, &json!({ "filter": "box", "other": 2 })), None);
        let found = differences(&a, &json!({ "filter": "lanczos", "preset": "celeba" }));
        assert_eq!(found.as_deref(), Some("filter \"box\" and \"lanczos\""));
        let found = differences(&a, &json!({ "filter": "lanczos", "preset": "ffhq" }));
        assert_eq!(found.as_deref(), Some("filter \"box\" and \"lanczos\", preset \"celeba\" and \"ffhq\""));
    }

    #[test]
    fn as_many_images_as_features_are_too_few() {
        assert!(few_images("REAL", Some(2048), 2048).unwrap().text.contains("2048 images for 2048 features"));
        assert_eq!(few_images("REAL", Some(2049), 2048), None);
        assert_eq!(few_images("REAL", None, 2048), None);
    }
}
