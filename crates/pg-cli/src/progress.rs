//! Progress with rate, time left and failures: a bar on a terminal, a plain line every few seconds
//! elsewhere, nothing under `--quiet`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as BarStyle};

use crate::shown;

/// How progress shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStyle {
    /// A redrawn bar.
    Bar,
    /// One line every few seconds.
    Lines,
    /// Nothing.
    Hidden,
}

impl ProgressStyle {
    /// Bar when stderr is a terminal, lines when it is not, nothing with `quiet`.
    #[must_use]
    pub fn detect(quiet: bool) -> Self {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => Self::Hidden,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Progress over a known number of items; shared between threads by reference.
#[derive(Debug)]
pub struct Progress {
    label: String,
    unit: &'static str,
    total: u64,
    done: AtomicU64,
    /// Items that were there before this run (resume): they count as done but not for the rate.
    already_done: AtomicU64,
    failed: AtomicU64,
    started: Instant,
    last_line: Mutex<Instant>,
    message: Mutex<String>,
    /// Time left as the caller estimates it; the inner `None` where it does not know.
    own_time_left: Mutex<Option<Option<Duration>>>,
    bar: Option<ProgressBar>,
    style: ProgressStyle,
}

impl Progress {
    /// Starts a display: `label` ("align"), items called `unit` ("images"), `total` of them.
    #[must_use]
    pub fn new(style: ProgressStyle, label: &str, unit: &'static str, total: u64) -> Self {
        let bar = (style == ProgressStyle::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix} [{bar:30}] {pos}/{len} {msg} ETA {eta}";
            if let Ok(style) = BarStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(label.to_owned());
            bar
        });
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            unit,
            total,
            done: AtomicU64::new(0),
            already_done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            started: now,
            last_line: Mutex::new(now),
            message: Mutex::new(String::new()),
            own_time_left: Mutex::new(None),
            bar,
            style,
        }
    }

    /// Counts `n` items of an earlier run as done.
    pub fn resume_at(&self, n: u64) {
        self.already_done.fetch_add(n, Ordering::Relaxed);
        self.done.fetch_add(n, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(n);
            bar.reset_eta();
        }
    }

    /// Counts `n` more items as done and shows it when it is time.
    pub fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
        self.show();
    }

    /// Counts one item as failed (call [`Self::advance`] for it as well).
    pub fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Extra text behind the rate, e.g. the resolution being trained.
    pub fn set_message(&self, text: impl Into<String>) {
        if let Ok(mut message) = self.message.lock() {
            *message = text.into();
        }
    }

    /// Shows `left` as the time left, or none, instead of what the rate so far says: for items that get dearer.
    pub fn set_time_left(&self, left: Option<Duration>) {
        if let Ok(mut own) = self.own_time_left.lock() {
            *own = Some(left);
        }
    }

    /// How it shows.
    #[must_use]
    pub fn style(&self) -> ProgressStyle {
        self.style
    }

    /// Prints `text` on a line of its own without tearing the bar; nothing when hidden.
    pub fn note(&self, text: &str) {
        match (&self.bar, self.style) {
            (Some(bar), _) => bar.println(shown(text)),
            (None, ProgressStyle::Hidden) => {}
            (None, _) => {
                let _ = writeln!(io::stderr().lock(), "{}", shown(text));
            }
        }
    }

    /// Ends the display with a last line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.status());
            bar.finish();
        } else if self.style == ProgressStyle::Lines {
            self.print_line();
        }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.status());
            bar.set_position(self.done.load(Ordering::Relaxed));
        } else if self.style == ProgressStyle::Lines
            && let Ok(mut last) = self.last_line.try_lock()
            && last.elapsed() >= LINE_INTERVAL
        {
            *last = Instant::now();
            self.print_line();
        }
    }

    fn rate_per_second(&self) -> f64 {
        let fresh = self.done.load(Ordering::Relaxed) - self.already_done.load(Ordering::Relaxed);
        fresh as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    fn status(&self) -> String {
        let mut text = format!("{:.1} {}/s", self.rate_per_second(), self.unit);
        let failed = self.failed.load(Ordering::Relaxed);
        if failed > 0 {
            let _ = write!(text, ", {failed} failed");
        }
        if let Ok(message) = self.message.lock()
            && !message.is_empty()
        {
            let _ = write!(text, ", {message}");
        }
        text
    }

    fn print_line(&self) {
        let done = self.done.load(Ordering::Relaxed);
        let left = (self.total.saturating_sub(done)) as f64 / self.rate_per_second().max(1e-9);
        let eta = if done < self.total && left < 1e7 {
            format!(", ETA {}", clock(Duration::from_secs_f64(left)))
        } else {
            String::new()
        };
        let _ = writeln!(
            io::stderr().lock(),
            "{}: {done}/{} {}, {}{eta}",
            self.label,
            self.total,
            self.unit,
            self.status()
        );
    }
}

fn clock(d: Duration) -> String {
    let s = d.as_secs();
    if s >= 3600 {
        format!("{}h{:02}m", s / 3600, s % 3600 / 60)
    } else {
        format!("{}m{:02}s", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumed_items_do_not_count_for_the_rate() {
        let progress = Progress::new(ProgressStyle::Hidden, "align", "images", 100);
        progress.resume_at(90);
        assert!(progress.rate_per_second() < f64::EPSILON);
        progress.advance(1);
        assert!(progress.rate_per_second() > 0.0);
    }

    #[test]
    fn failures_and_message_show_in_the_status() {
        let progress = Progress::new(ProgressStyle::Hidden, "align", "images", 10);
        progress.fail();
        progress.set_message("lod 2.5");
        let status = progress.status();
        assert!(status.contains("1 failed") && status.contains("lod 2.5"), "{status}");
    }

    #[test]
    fn clock_shows_hours_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(65)), "1m05s");
        assert_eq!(clock(Duration::from_mins(61)), "1h01m");
    }
}
