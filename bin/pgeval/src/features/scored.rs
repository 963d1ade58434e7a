//! Two sides whose features are compared, and what every result of them says.

use std::path::Path;

use anyhow::{Result, bail};
use pg_cli::{CommonArgs, Interrupt};
use pg_metrics::{ConfidenceInterval, Side};
use pg_stats::NetworkProtocol;
use serde_json::{Map, Value, json};

use super::warnings::before;
use super::{Given, Known, Network};
use crate::args::{FeatureArgs, ImageArgs, TwoSidesArgs};
use crate::image_set::{ImageSet, encoding_warnings};
use crate::metric_result::Warning;
use crate::metric_result::{MetricResult, members, provenance};

/// What results of one or two sides have in common.
#[derive(Debug)]
pub(crate) struct Context {
    /// Of the features; unknown where two published statistics are compared.
    network: Option<NetworkProtocol>,
    network_described: Value,
    comparable_with: Option<String>,
    /// `real` and `fake`, or `images`, as provenance has them.
    sides: Vec<(&'static str, Value)>,
    counts: Map<String, Value>,
    available: Map<String, Value>,
    images_read: usize,
    /// `--images`
    asked: Option<usize>,
    seed: u64,
    input: ImageArgs,
    pub(crate) warnings: Vec<Warning>,
}

impl Context {
    /// Of `sides`, by their arguments' names, whose features are of one network and recipe.
    fn new(sides: &[(&'static str, &Given)], network: Option<&Network>, args: &FeatureArgs) -> Result<Self> {
        check_networks(sides, network)?;
        let known = network.map(|network| &network.protocol);
        let protocol = known.or_else(|| sides.iter().find_map(|(_, side)| side.network())).cloned();
        let lower = |role: &&'static str| role.to_lowercase();
        let entries = |value: &dyn Fn(&Given) -> Value| {
            sides.iter().map(|(role, side)| (lower(role), value(side))).collect::<Map<_, _>>()
        };
        Ok(Self {
            network: protocol,
            network_described: network.map_or(Value::Null, |network| network.described.clone()),
            comparable_with: network.and_then(Network::comparable_with).map(str::to_owned),
            sides: Vec::new(),
            counts: entries(&|side| json!(side.count(args))),
            available: entries(&|side| json!(side.images().map(ImageSet::len))),
            images_read: 0,
            asked: args.images,
            seed: args.seed,
            input: args.input,
            warnings: before(sides, network, args),
        })
    }

    /// What provenance says of the sides, and how many images were read.
    pub(crate) fn note_sides(&mut self, sides: &[(&'static str, Value)], images_read: usize) {
        self.sides.extend(sides.iter().cloned());
        self.images_read += images_read;
    }

    /// Once the images were read: encodings and sizes are known then.
    fn note_images(
        &mut self,
        role: &'static str,
        described: Value,
        set: Option<&ImageSet>,
        count: Option<usize>,
    ) {
        self.sides.push((role, described));
        if set.is_some() {
            self.images_read += count.unwrap_or_default();
        }
    }

    /// A result; `protocol` is what is the metric's own.
    pub(crate) fn result(
        &self,
        metric: &'static str,
        value: f64,
        interval: Option<ConfidenceInterval>,
        direction: &'static str,
        protocol: Value,
    ) -> MetricResult {
        let mut provenance = provenance(Some(self.seed));
        for (name, value) in members(protocol.clone()) {
            provenance = provenance.setting(&name, value);
        }
        let mut provenance = self
            .input
            .recorded(provenance)
            .setting("images", self.asked)
            .setting("network", self.network_described.clone());
        for (role, described) in &self.sides {
            provenance = provenance.setting(&role.to_lowercase(), described.clone());
        }
        let mut all = members(json!({ "network": self.network_protocol() }));
        all.extend(members(protocol));
        all.insert("seed".to_owned(), json!(self.seed));
        all.insert("images_available".to_owned(), Value::Object(self.available.clone()));
        let is_finite = |interval: &ConfidenceInterval| interval.low.is_finite() && interval.high.is_finite();
        let beyond = interval.filter(|interval| !is_finite(interval));
        MetricResult {
            metric,
            value,
            unit: "1",
            direction,
            std: None,
            levels: Vec::new(),
            interval: interval.filter(is_finite),
            interval_unknown: beyond.map(|_| "its numbers are out of all range".to_owned()),
            floor: None,
            extrapolated: None,
            attributes: Vec::new(),
            counts: self.counts.clone(),
            protocol: all,
            warnings: self.warnings.clone(),
            provenance: provenance.count("images_read", self.images_read),
        }
    }

    fn network_protocol(&self) -> Value {
        let Some(network) = &self.network else { return Value::Null };
        json!({
            "sha256": network.sha256,
            "input_size": network.input_size,
            "resize": network.resize,
            "range": network.range,
            "features": network.features,
            "feature_width": network.feature_width,
            "logits": network.logits,
            "fit": network.fit,
            "comparable_with": self.comparable_with,
        })
    }

    /// What a table says below its numbers.
    pub(crate) fn footer(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (role, described) in &self.sides {
            let count = self.counts.get(&role.to_lowercase()).and_then(Value::as_u64);
            let path = described.get("path").and_then(Value::as_str).unwrap_or_default();
            let role = role.to_lowercase();
            lines.push(match count {
                Some(count) => format!("{role:<8} {count} images, {path}"),
                None => format!("{role:<8} {path}"),
            });
        }
        if let Some(network) = &self.network {
            let file = self.network_described.get("file").and_then(Value::as_str);
            let name = file.and_then(|file| Path::new(file).file_name()).map(|name| name.to_string_lossy());
            let name = name.map_or_else(String::new, |name| format!("{name}, "));
            lines.push(format!("network  {name}sha256 {}", &network.sha256[..16.min(network.sha256.len())]));
            let whose = self.comparable_with.as_ref().map(|whose| format!(", as {whose}"));
            lines.push(format!(
                "recipe   {} to {} px, values {} to {}{}",
                network.resize,
                network.input_size,
                network.range[0],
                network.range[1],
                whose.unwrap_or_default()
            ));
        }
        lines
    }
}

/// Features of one network, and images to go through it.
fn check_networks(sides: &[(&'static str, &Given)], network: Option<&Network>) -> Result<()> {
    let of_stats = || sides.iter().find_map(|(role, side)| Some((*role, *side, side.network()?)));
    for (role, side) in sides {
        if side.images().is_some() && network.is_none() {
            match of_stats() {
                Some((of, other, protocol)) => bail!(
                    "{role} {} holds images, which need the network that {of} {} was made with: give --model M.onnx, the one of SHA-256 {}",
                    side.argument(),
                    other.argument(),
                    protocol.sha256
                ),
                None => bail!(
                    "{role} {} holds images, which need a network: give --model M.onnx",
                    side.argument()
                ),
            }
        }
        let first = network.map(|network| ("--model".to_owned(), &network.protocol));
        let first =
            first.or_else(|| of_stats().map(|(role, side, of)| (format!("{role} {}", side.argument()), of)));
        let (Some((expected, first)), Some(found)) = (first, side.network()) else { continue };
        // Of a statistics file alone nothing has to be the same.
        if sides.iter().all(|(_, side)| side.images().is_none()) && sides.len() == 1 {
            continue;
        }
        if let Some(difference) = first.difference(found) {
            bail!(
                "{role} {} holds features that cannot be compared with those of {expected}: {difference}; make it again with `pgeval stats`, or give the flags that it was made with",
                side.argument()
            );
        }
    }
    Ok(())
}

/// Both sides of a comparison.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) real: Known,
    pub(crate) fake: Known,
    pub(crate) context: Context,
}

impl Comparison {
    /// Opens both sides, and brings their images through the network.
    pub(crate) fn open(args: &TwoSidesArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<Self> {
        let shared = &args.shared;
        let real = Given::open("REAL", &args.real, shared)?;
        let fake = Given::open("FAKE", &args.fake, shared)?;
        let network = Network::open(&shared.network, shared.input, common)?;
        let mut context = Context::new(&[("REAL", &real), ("FAKE", &fake)], network.as_ref(), shared)?;
        for (role, side) in [("REAL", &real), ("FAKE", &fake)] {
            side.note_left_out(role, common);
        }
        let described = [real.describe(), fake.describe()];
        let real = real.features(("REAL", Side::Real), shared, network.as_ref(), common, interrupt)?;
        let fake = fake.features(("FAKE", Side::Fake), shared, network.as_ref(), common, interrupt)?;
        for ((role, known), described) in [("REAL", &real), ("FAKE", &fake)].into_iter().zip(described) {
            let described = known.set.as_ref().map_or(described, |set| set.describe());
            context.note_images(role, described, known.set.as_deref(), known.count());
        }
        let sets: Vec<(&str, &ImageSet)> = [("REAL", &real), ("FAKE", &fake)]
            .into_iter()
            .filter_map(|(role, known)| Some((role, known.set.as_deref()?)))
            .collect();
        context.warnings.extend(of_images(&sets));
        check_widths(&real, &fake)?;
        Ok(Self { real, fake, context })
    }

    /// Of sides whose features were found in one pass with other things.
    pub(crate) fn of(real: Known, fake: Known, context: Context) -> Result<Self> {
        check_widths(&real, &fake)?;
        Ok(Self { real, fake, context })
    }

    /// What is known of both sides' images one by one.
    pub(crate) fn need_rows(&self, what: &str) -> Result<()> {
        for (role, known) in [("REAL", &self.real), ("FAKE", &self.fake)] {
            if known.rows().is_none() {
                bail!(
                    "{role} holds only mean and covariance of features, {what} needs those of each image; give the images, or a statistics file made of them with `pgeval stats`"
                );
            }
        }
        Ok(())
    }
}

fn check_widths(real: &Known, fake: &Known) -> Result<()> {
    if real.width() != fake.width() {
        bail!(
            "REAL has {} features an image, FAKE {}: they are of different networks",
            real.width(),
            fake.width()
        );
    }
    Ok(())
}

/// Images of one side.
pub(crate) fn open_images(
    role: &'static str,
    path: &Path,
    args: &FeatureArgs,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<(Known, Context)> {
    let given = Given::open(role, path, args)?;
    let network = Network::open(&args.network, args.input, common)?;
    let mut context = Context::new(&[(role, &given)], network.as_ref(), args)?;
    given.note_left_out(role, common);
    let described = given.describe();
    let known = given.features((role, Side::Fake), args, network.as_ref(), common, interrupt)?;
    let described = known.set.as_ref().map_or(described, |set| set.describe());
    context.note_images(role, described, known.set.as_deref(), known.count());
    let sets: Vec<(&str, &ImageSet)> = known.set.iter().map(|set| (role, &**set)).collect();
    context.warnings.extend(of_images(&sets));
    Ok((known, context))
}

/// What is to be said of images that were read.
pub(crate) fn of_images(sets: &[(&str, &ImageSet)]) -> Vec<Warning> {
    let sizes = sets.iter().filter_map(|(role, set)| set.size_warning(role));
    let sizes = sizes.map(|text| Warning::new("mixed-sizes", text));
    sizes
        .chain(encoding_warnings(sets).into_iter().map(|text| Warning::new("mixed-encodings", text)))
        .collect()
}

/// For a comparison whose images are read elsewhere: what its results say.
pub(crate) fn context_of(
    sides: &[(&'static str, &Given)],
    network: &Network,
    args: &FeatureArgs,
) -> Result<Context> {
    Context::new(sides, Some(network), args)
}
