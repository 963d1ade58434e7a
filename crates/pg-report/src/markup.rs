//! Texts and numbers for HTML and SVG.

/// A text for an element or a quoted attribute. Characters that neither may hold become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A number of any size in few characters: five significant digits.
#[must_use]
pub fn five_digits(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e6).contains(&size) {
        let decimals = 4 - size.log10().floor() as i32;
        format!("{value:.0$}", decimals.clamp(0, 8) as usize)
    } else {
        format!("{value:.4e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_tell_of_every_metric() {
        for (value, expected) in [
            (0.0, "0"),
            (0.284_133_3, "0.28413"),
            (12.345_67, "12.346"),
            (-1234.56, "-1234.6"),
            (123_456.7, "123457"),
            (0.000_123_456, "0.00012346"),
            (1e-9, "1.0000e-9"),
            (1e100, "1.0000e100"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(five_digits(value), expected);
        }
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escape("<a href=\"x\">&'\0"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\u{fffd}");
    }
}
