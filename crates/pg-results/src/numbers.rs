//! Metric values as text: with the digits that their noise warrants, and never a negative zero.

use pg_metrics::ConfidenceInterval;

/// Digits that count of a value whose noise is not known.
const DIGITS: i32 = 5;
/// The most digits that count, however small the noise.
const MOST_DIGITS: i32 = 7;
/// Below this size numbers are written with an exponent.
const SMALL: f64 = 1e-5;

/// A number of any size in few characters: five significant digits; of one that is none, that it is `not finite`.
#[must_use]
pub fn five_digits(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "not finite".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e6).contains(&size) {
        let decimals = DIGITS - 1 - place_of_first_digit(size);
        format!("{value:.0$}", decimals.clamp(0, 8) as usize)
    } else {
        format!("{value:.4e}")
    }
}

/// `value` with two digits of its `noise`, a half-width of its interval: -0.0055 where that is 0.0023. Without noise,
/// [`five_digits`].
#[must_use]
pub fn with_noise(value: f64, noise: f64) -> String {
    if !(value.is_finite() && noise.is_finite() && noise > 0.0) {
        return five_digits(value);
    }
    let size = value.abs().max(noise);
    let first = place_of_first_digit(size);
    let last = (place_of_first_digit(noise) - 1).max(first + 1 - MOST_DIGITS);
    if size >= SMALL {
        return without_negative_zero(format!("{value:.0$}", (-last).max(0) as usize));
    }
    let unit = 10_f64.powi(last);
    let rounded = (value / unit).round() * unit;
    if rounded == 0.0 {
        return "0".to_owned();
    }
    format!("{rounded:.0$e}", (place_of_first_digit(rounded.abs()) - last).max(0) as usize)
}

/// A value and the ends of its interval, all with the digits that the interval warrants.
#[must_use]
pub fn with_interval(value: f64, interval: Option<ConfidenceInterval>) -> (String, Option<String>) {
    let Some(interval) = interval else { return (five_digits(value), None) };
    let noise = half_width(value, interval);
    let ends = format!("{} to {}", with_noise(interval.low, noise), with_noise(interval.high, noise));
    (with_noise(value, noise), Some(ends))
}

/// How far an interval reaches from the value, on the side where it reaches further.
#[must_use]
pub fn half_width(value: f64, interval: ConfidenceInterval) -> f64 {
    (interval.high - value).max(value - interval.low).max(0.0)
}

/// `+0.60`, `-0.60`, `0.00`
#[must_use]
pub fn signed(value: f64, noise: f64) -> String {
    let text = with_noise(value, noise);
    if value > 0.0 && is_above_zero(&text) { format!("+{text}") } else { text }
}

/// Percent with one decimal and a sign: `+5.0`, `-5.0`, `0.0`.
#[must_use]
pub fn signed_percent(percent: f64) -> String {
    let text = format!("{percent:+.1}");
    let is_zero = text.trim_start_matches(['+', '-']).parse() == Ok(0.0);
    if is_zero { "0.0".to_owned() } else { text }
}

/// 0 for 1 to 9.99, -1 for 0.1 to 0.999.
fn place_of_first_digit(size: f64) -> i32 {
    size.log10().floor() as i32
}

fn without_negative_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(positive) if positive.parse() == Ok(0.0) => positive.to_owned(),
        _ => text,
    }
}

fn is_above_zero(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|value| value > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_digits_tell_of_every_metric() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.284_133_3, "0.28413"),
            (12.345_67, "12.346"),
            (-1234.56, "-1234.6"),
            (123_456.7, "123457"),
            (0.000_123_456, "0.00012346"),
            (1e-9, "1.0000e-9"),
            (1e100, "1.0000e100"),
            (f64::NAN, "not finite"),
            (f64::NEG_INFINITY, "not finite"),
        ] {
            assert_eq!(five_digits(value), expected);
        }
    }

    #[test]
    fn the_noise_decides_where_digits_end() {
        for (value, noise, expected) in [
            (291.481_223, 3.2, "291.5"),
            (-0.005_509_56, 0.0023, "-0.0055"),
            (0.000_021_3, 0.000_011, "0.000021"),
            (0.000_000_213, 0.000_000_011, "2.13e-7"),
            (12.6, 0.5, "12.60"),
            (1354.2, 450.0, "1354"),
            (-3e-14, 0.01, "0.000"),
            (-1e-9, 1e-7, "0"),
            (-4e-8, 1e-7, "-4e-8"),
            (0.123_456_789_123, 1e-12, "0.1234568"),
            (1.0, 0.0, "1.0000"),
            (-1e-14, 0.0, "-1.0000e-14"),
        ] {
            assert_eq!(with_noise(value, noise), expected, "{value} {noise}");
        }
        assert_eq!(
            (signed(0.6, 0.5), signed(-0.6, 0.5), signed(1e-9, 0.5)),
            ("+0.60".into(), "-0.60".into(), "0.00".into())
        );
        assert_eq!((signed_percent(5.04), signed_percent(-0.04)), ("+5.0".into(), "0.0".into()));
    }

    proptest! {
        #[test]
        fn no_number_is_written_as_a_negative_zero_or_further_off_than_its_noise(
            value in prop_oneof![-1e6..1e6_f64, -1e-3..1e-3_f64, -1e-12..1e-12_f64],
            noise in prop_oneof![Just(0.0), 1e-9..1e4_f64],
        ) {
            for text in [with_noise(value, noise), signed(value, noise)] {
                let read: f64 = text.parse().unwrap();
                prop_assert!(read != 0.0 || !text.starts_with('-'), "{}", text);
                let allowed = (0.051 * noise).max(0.51 * 10_f64.powi(-(DIGITS - 1)) * value.abs());
                prop_assert!((read - value).abs() <= allowed, "{} of {} +- {}", text, value, noise);
            }
        }
    }
}
