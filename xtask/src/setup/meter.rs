//! Progress in bytes: a bar on a terminal, a plain line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Shows how far a task of known length is.
pub(super) struct Meter {
    label: String,
    total_bytes: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Meter {
    pub(super) fn new(label: String, total_bytes: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total_bytes);
            let style = ProgressStyle::with_template(
                "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(label.clone());
            bar
        });
        if bar.is_none() {
            println!("{label} ({})", megabytes(total_bytes));
        }
        Self { label, total_bytes, bar, last_line: Instant::now() }
    }

    /// Says that `done_bytes` of the total are done.
    pub(super) fn set(&mut self, done_bytes: u64) {
        let done_bytes = done_bytes.min(self.total_bytes);
        if let Some(bar) = &self.bar {
            bar.set_position(done_bytes);
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            let percent = done_bytes * 100 / self.total_bytes.max(1);
            println!("{}: {} ({percent} %)", self.label, megabytes(done_bytes));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Decimal megabytes, as package indexes count them; tenths below ten.
pub(super) fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    if tenths < 100 {
        format!("{}.{} MB", tenths / 10, tenths % 10)
    } else {
        format!("{} MB", (bytes + 500_000) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::megabytes;

    #[test]
    fn sizes_are_decimal_and_rounded_to_what_matters() {
        assert_eq!(megabytes(0), "0.0 MB");
        assert_eq!(megabytes(148_047), "0.1 MB");
        assert_eq!(megabytes(9_949_999), "9.9 MB");
        assert_eq!(megabytes(9_950_000), "10 MB");
        assert_eq!(megabytes(530_604_548), "531 MB");
    }
}
