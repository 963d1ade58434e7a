//! Settings from TOML text and `key=value` assignments.

use toml::{Table, Value};

use crate::{Loss, Network, SettingsError, TrainingSettings};

impl TrainingSettings {
    /// These settings with the keys of `text`, a TOML file called `name`, laid over.
    ///
    /// A `loss` other than the present one also sets [`Loss::with_companions`]; keys that `text` names
    /// win over those, in any order. The same holds for `network`.
    ///
    /// # Errors
    /// Text that is no TOML, unknown keys, values of the wrong type.
    pub fn with_toml(&self, name: &str, text: &str) -> Result<Self, SettingsError> {
        let overlay: Table = text.parse().map_err(|e: toml::de::Error| SettingsError::BadValue {
            key: name.to_owned(),
            reason: e.to_string().trim_end().to_owned(),
        })?;
        self.with_table(overlay)
    }

    /// These settings with `key=value` laid over; the value is TOML, or plain text where TOML would
    /// want quotes (`loss=hinge`).
    ///
    /// # Errors
    /// No `=`, an unknown key (the nearest known ones are named), a value of the wrong type.
    pub fn with_assignment(&self, text: &str) -> Result<Self, SettingsError> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| SettingsError::NotAnAssignment { text: text.to_owned() })?;
        let (key, value) = (key.trim(), value.trim());
        let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
        let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        self.with_table(Table::from_iter([(key.to_owned(), value)]))
    }

    /// The settings as TOML text, every key in force.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.table().to_string()
    }

    fn table(&self) -> Table {
        // Serialising plain numbers, strings and tables of them cannot fail.
        Table::try_from(self).unwrap_or_default()
    }

    fn with_table(&self, overlay: Table) -> Result<Self, SettingsError> {
        // Another loss or network brings its companions; what the overlay itself names wins over them.
        let loss = overlay.get("loss").and_then(Value::as_str).and_then(Loss::named);
        let mut base = match loss {
            Some(loss) if loss != self.loss => loss.with_companions(self),
            _ => self.clone(),
        };
        let network = overlay.get("network").cloned().and_then(|name| name.try_into::<Network>().ok());
        if let Some(network) = network.filter(|network| *network != self.network) {
            base = network.with_companions(&base);
        }
        let mut table = base.table();
        for (key, value) in overlay {
            let Some(current) = table.get(&key) else {
                return Err(unknown_key(&key, table.keys()));
            };
            let value = match (current, value) {
                // `total_kimg=12` is as good as 12.0.
                (Value::Float(_), Value::Integer(n)) => Value::Float(n as f64),
                (_, value) => value,
            };
            table.insert(key.clone(), value);
            if let Err(e) = table.clone().try_into::<Self>() {
                return Err(SettingsError::BadValue { key, reason: e.message().to_owned() });
            }
        }
        table
            .try_into()
            .map_err(|e| SettingsError::BadValue { key: "settings".into(), reason: e.message().to_owned() })
    }
}

fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> SettingsError {
    let mut scored: Vec<(f64, &String)> =
        known.map(|name| (strsim::jaro_winkler(key, name), name)).filter(|(score, _)| *score > 0.7).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let nearest = scored.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    SettingsError::UnknownKey { key: key.to_owned(), nearest }
}

#[cfg(test)]
mod tests {
    use crate::{GeneratorNorm, OptimizerKind, Preset, Resampling, SettingsError};

    #[test]
    fn assignments_take_numbers_text_and_tables() {
        let settings = Preset::Tiny
            .settings()
            .with_assignment("total_kimg=12")
            .and_then(|s| s.with_assignment("loss = wgan-gp"))
            .and_then(|s| s.with_assignment("minibatch={ default = 4, 8 = 16 }"))
            .unwrap();
        assert_eq!(settings.total_kimg, 12.0);
        assert_eq!((settings.minibatch.at(8), settings.minibatch.at(64)), (16, 4));
    }

    #[test]
    fn another_loss_brings_its_companions_and_what_is_named_wins() {
        let tiny = Preset::Tiny.settings();
        let wgan = tiny.with_assignment("loss=wgan").unwrap();
        assert_eq!((wgan.gp_lambda, wgan.weight_clip, wgan.optimizer), (0.0, 0.01, OptimizerKind::Rmsprop));
        let back = wgan.with_assignment("loss=wgan-gp").unwrap();
        assert_eq!(back, tiny);
        let text = "gp_lambda = 2\nloss = \"non-saturating\"\nr1_gamma = 10";
        let own = tiny.with_toml("own.toml", text).unwrap();
        assert_eq!((own.gp_lambda, own.r1_gamma, own.drift_weight), (2.0, 10.0, 0.0));
        // The present loss named again changes nothing.
        let kept =
            tiny.with_assignment("gp_lambda=3").and_then(|s| s.with_assignment("loss=wgan-gp")).unwrap();
        assert_eq!(kept.gp_lambda, 3.0);
        assert!(tiny.with_assignment("loss=wasserstein").unwrap_err().to_string().contains("wgan-gp"));
    }

    #[test]
    fn another_network_brings_its_companions_and_what_is_named_wins() {
        let tiny = Preset::Tiny.settings();
        let style = tiny.with_assignment("network=style").unwrap();
        assert_eq!((style.generator_norm, style.resampling), (GeneratorNorm::None, Resampling::Bilinear));
        style.validate().unwrap();
        assert_eq!(style.with_assignment("network=progressive").unwrap(), tiny);
        let text = "resampling = \"nearest\"\nnetwork = \"style\"";
        assert_eq!(tiny.with_toml("own.toml", text).unwrap().resampling, Resampling::Nearest);
        let normed = style.with_assignment("generator_norm=pixel").unwrap().validate().unwrap_err();
        assert!(normed.to_string().contains("generator_norm` is pixel"), "{normed}");
    }

    #[test]
    fn settings_written_before_a_key_existed_keep_the_default() {
        let old = "loss = \"wgan-gp\"\ngp_lambda = 10.0\nseed = 4";
        let settings = Preset::PaperCelebahq.settings().with_toml("settings.toml", old).unwrap();
        assert_eq!((settings.n_critic, settings.optimizer), (1, OptimizerKind::Adam));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_ones() {
        let error = Preset::Tiny.settings().with_assignment("mini_batch=3").unwrap_err();
        let SettingsError::UnknownKey { nearest, .. } = &error else { panic!("{error}") };
        assert_eq!(nearest[0], "`minibatch`");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let error = Preset::Tiny.settings().with_assignment("mirror=perhaps").unwrap_err();
        assert!(error.to_string().starts_with("setting `mirror`:"), "{error}");
        assert!(Preset::Tiny.settings().with_assignment("mirror").is_err());
    }

    #[test]
    fn settings_survive_a_round_trip_through_toml() {
        for preset in crate::PRESETS {
            let settings = preset.settings();
            let back = crate::Preset::Tiny.settings().with_toml("x", &settings.to_toml()).unwrap();
            assert_eq!(back, settings, "{}", preset.name());
        }
    }
}
