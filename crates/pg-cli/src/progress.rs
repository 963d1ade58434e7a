//! Progress with rate, time left and failures: a bar on a terminal, a plain line every few seconds
//! elsewhere, nothing under `--quiet`.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle as BarStyle};

use crate::terminal_text::line_for_terminal;

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
/// Before, a rate says more about the clock and the start than about the work.
const SHORTEST_MEASURED: Duration = Duration::from_millis(500);
/// Longer estimates are of no use.
const LONGEST_ESTIMATE_SECONDS: f64 = 1e7;

/// Progress over a known number of items; shared between threads by reference.
///
/// What it shows was counted and measured: a display that is dropped before [`Self::finish`], as by Ctrl-C, stays where
/// it was; items of an earlier run count as done, but not for the rate; and there is no rate, and no time left, before
/// half a second of work was measured.
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
    estimate: Mutex<Estimate>,
    bar: Option<ProgressBar>,
    style: ProgressStyle,
}

/// Where the time left comes from.
#[derive(Debug, Clone, Copy)]
enum Estimate {
    /// From the rate so far.
    ByRate,
    /// The caller's.
    Known(Duration),
    /// The caller does not know it yet.
    Unknown,
}

impl Progress {
    /// Starts a display: `label` ("align"), items called `unit` ("images"), `total` of them.
    #[must_use]
    pub fn new(style: ProgressStyle, label: &str, unit: &'static str, total: u64) -> Self {
        Self::drawn_on(style, label, unit, total, || ProgressDrawTarget::stderr_with_hz(10))
    }

    fn drawn_on(
        style: ProgressStyle,
        label: &str,
        unit: &'static str,
        total: u64,
        target: impl FnOnce() -> ProgressDrawTarget,
    ) -> Self {
        let bar = (style == ProgressStyle::Bar).then(|| {
            // Left to itself, a bar that is dropped jumps to its end.
            let bar =
                ProgressBar::with_draw_target(Some(total), target()).with_finish(ProgressFinish::Abandon);
            let template = "{prefix} [{bar:30}] {pos}/{len} {msg}";
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
            estimate: Mutex::new(Estimate::ByRate),
            bar,
            style,
        }
    }

    /// Counts `n` more items as done, by an earlier run.
    pub fn resume_at(&self, n: u64) {
        self.already_done.fetch_add(n, Ordering::Relaxed);
        self.done.fetch_add(n, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.load(Ordering::Relaxed));
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
        if let Ok(mut estimate) = self.estimate.lock() {
            *estimate = left.map_or(Estimate::Unknown, Estimate::Known);
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
            (Some(bar), _) => bar.println(line_for_terminal(text)),
            (None, ProgressStyle::Hidden) => {}
            (None, _) => {
                let _ = writeln!(io::stderr().lock(), "{}", line_for_terminal(text));
            }
        }
    }

    /// Ends the display with a last line, which says how far the work came.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.load(Ordering::Relaxed));
            bar.set_message(self.status(self.started.elapsed()));
            bar.abandon();
        } else if self.style == ProgressStyle::Lines {
            self.print_line();
        }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.load(Ordering::Relaxed));
            bar.set_message(self.status(self.started.elapsed()));
        } else if self.style == ProgressStyle::Lines
            && let Ok(mut last) = self.last_line.try_lock()
            && last.elapsed() >= LINE_INTERVAL
        {
            *last = Instant::now();
            self.print_line();
        }
    }

    /// Items of this run per second, once that was measured.
    fn rate_per_second(&self, elapsed: Duration) -> Option<f64> {
        let already_done = self.already_done.load(Ordering::Relaxed);
        let fresh = self.done.load(Ordering::Relaxed).saturating_sub(already_done);
        (fresh > 0 && elapsed >= SHORTEST_MEASURED).then(|| fresh as f64 / elapsed.as_secs_f64())
    }

    /// How long the items that are left take at the rate so far.
    fn time_left(&self, elapsed: Duration) -> Option<Duration> {
        match self.estimate.lock().map_or(Estimate::ByRate, |estimate| *estimate) {
            Estimate::ByRate => {}
            Estimate::Unknown => return None,
            Estimate::Known(left) => return (left.as_secs_f64() < LONGEST_ESTIMATE_SECONDS).then_some(left),
        }
        let left = self.total.saturating_sub(self.done.load(Ordering::Relaxed));
        let seconds = left as f64 / self.rate_per_second(elapsed)?;
        (left > 0 && seconds < LONGEST_ESTIMATE_SECONDS).then(|| Duration::from_secs_f64(seconds))
    }

    /// Rate, failures, message and time left: what of these there is.
    fn status(&self, elapsed: Duration) -> String {
        let mut parts = Vec::new();
        parts.extend(self.rate_per_second(elapsed).map(|rate| rate_text(rate, self.unit)));
        let failed = self.failed.load(Ordering::Relaxed);
        if failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        if let Ok(message) = self.message.lock()
            && !message.is_empty()
        {
            parts.push(message.clone());
        }
        parts.extend(self.time_left(elapsed).map(|left| format!("ETA {}", clock(left))));
        parts.join(", ")
    }

    fn print_line(&self) {
        let _ = writeln!(io::stderr().lock(), "{}", self.line(self.started.elapsed()));
    }

    fn line(&self, elapsed: Duration) -> String {
        let (done, status) = (self.done.load(Ordering::Relaxed), self.status(elapsed));
        let comma = if status.is_empty() { "" } else { ", " };
        format!("{}: {done}/{} {}{comma}{status}", self.label, self.total, self.unit)
    }
}

/// A rate with three digits at most: more of them are noise. What is rarer than one a second is counted by the minute
/// or the hour.
fn rate_text(per_second: f64, unit: &str) -> String {
    let (rate, time) = match per_second {
        rate if rate >= 1.0 => (rate, "s"),
        rate if rate * 60.0 >= 1.0 => (rate * 60.0, "min"),
        rate => (rate * 3600.0, "h"),
    };
    // Rounded first: 99.96 has three digits as 100.
    match rate {
        rate if rate >= 999.5 => {
            let unit_of_digits = 10_f64.powf(rate.log10().floor() - 2.0);
            format!("{:.0} {unit}/{time}", (rate / unit_of_digits).round() * unit_of_digits)
        }
        rate if rate >= 99.95 => format!("{rate:.0} {unit}/{time}"),
        rate => format!("{rate:.1} {unit}/{time}"),
    }
}

fn clock(d: Duration) -> String {
    let s = d.as_secs();
    if s >= 100 * 3600 {
        format!("{}d{:02}h", s / 86400, s % 86400 / 3600)
    } else if s >= 3600 {
        format!("{}h{:02}m", s / 3600, s % 3600 / 60)
    } else {
        format!("{}m{:02}s", s / 60, s % 60)
    }
}

impl pg_build::Counter for Progress {
    fn resume_at(&self, n: u64) {
        Self::resume_at(self, n);
    }

    fn advance(&self, n: u64) {
        Self::advance(self, n);
    }

    fn fail(&self) {
        Self::fail(self);
    }

    fn finish(&self) {
        Self::finish(self);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indicatif::TermLike;

    use super::*;

    /// Keeps all that is ever drawn.
    #[derive(Debug, Clone, Default)]
    struct Terminal(Arc<Mutex<String>>);

    impl Terminal {
        fn contents(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(10);

    fn hidden(total: u64) -> Progress {
        Progress::new(ProgressStyle::Hidden, "align", "images", total)
    }

    /// A bar, and the terminal that it is drawn on.
    fn bar(total: u64) -> (Progress, Terminal) {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (Progress::drawn_on(ProgressStyle::Bar, "align", "images", total, || target), terminal)
    }

    #[test]
    fn no_rate_is_shown_that_nobody_measured() {
        let progress = hidden(20_000);
        assert_eq!(progress.line(LONG), "align: 0/20000 images");
        // All that was done was done by an earlier run, or in no time.
        progress.resume_at(96);
        assert_eq!(progress.line(LONG), "align: 96/20000 images");
        progress.advance(96);
        assert_eq!(progress.line(Duration::from_millis(1)), "align: 192/20000 images");
        assert_eq!(progress.line(LONG), "align: 192/20000 images, 9.6 images/s, ETA 34m23s");
    }

    #[test]
    fn items_of_earlier_runs_count_for_no_rate_however_often_they_come() {
        let progress = hidden(100);
        for _ in 0..9 {
            progress.resume_at(10);
        }
        progress.advance(5);
        assert_eq!(progress.line(LONG), "align: 95/100 images, 30.0 images/min, ETA 0m10s");
        progress.advance(5);
        assert_eq!(progress.line(LONG), "align: 100/100 images, 1.0 images/s");
    }

    #[test]
    fn failures_and_message_show_in_the_status() {
        let progress = hidden(10);
        progress.fail();
        progress.set_message("lod 2.5");
        assert_eq!(progress.status(LONG), "1 failed, lod 2.5");
        progress.advance(2);
        assert_eq!(progress.status(LONG), "12.0 images/min, 1 failed, lod 2.5, ETA 0m40s");
    }

    #[test]
    fn a_bar_that_is_dropped_stays_where_the_work_stopped() {
        let (progress, terminal) = bar(20_000);
        progress.resume_at(30);
        progress.resume_at(70);
        progress.advance(23);
        drop(progress);
        let shown = terminal.contents();
        assert!(shown.contains("123/20000") && !shown.contains("20000/20000"), "{shown}");
    }

    #[test]
    fn a_bar_that_is_finished_says_how_far_the_work_came() {
        for (done, expected) in [(20, "20/20"), (7, "7/20")] {
            let (progress, terminal) = bar(20);
            progress.advance(done);
            progress.finish();
            drop(progress);
            let shown = terminal.contents();
            assert!(shown.contains(expected), "{shown}");
            assert!(!shown.contains("ETA") && !shown.contains("/s"), "{shown}");
        }
    }

    #[test]
    fn a_time_left_that_the_work_knows_replaces_what_its_rate_says() {
        let progress = Progress::new(ProgressStyle::Hidden, "train", "images", 100);
        progress.advance(50);
        let elapsed = Duration::from_secs(10);
        assert!(progress.status(elapsed).contains("ETA 0m10s"), "{}", progress.status(elapsed));
        progress.set_time_left(Some(Duration::from_mins(5)));
        assert!(progress.status(elapsed).contains("ETA 5m00s"), "{}", progress.status(elapsed));
        progress.set_time_left(None);
        assert!(!progress.status(elapsed).contains("ETA"), "{}", progress.status(elapsed));
    }

    #[test]
    fn threads_may_count_at_once() {
        let progress = Arc::new(hidden(4000));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let progress = Arc::clone(&progress);
                std::thread::spawn(move || (0..1000).for_each(|_| progress.advance(1)))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(progress.line(Duration::ZERO), "align: 4000/4000 images");
    }

    #[test]
    fn rates_have_three_digits_at_most() {
        for (rate, text) in [
            (96_000.0, "96000"),
            (96_543.0, "96500"),
            (1234.5, "1230"),
            (999.6, "1000"),
            (999.4, "999"),
            (99.97, "100"),
            (99.94, "99.9"),
            (6.57, "6.6"),
            (1.0, "1.0"),
        ] {
            assert_eq!(rate_text(rate, "images"), format!("{text} images/s"));
        }
        assert_eq!(rate_text(0.04, "levels"), "2.4 levels/min");
        assert_eq!(rate_text(0.001, "kimg"), "3.6 kimg/h");
    }

    #[test]
    fn clock_shows_hours_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(65)), "1m05s");
        assert_eq!(clock(Duration::from_mins(61)), "1h01m");
        assert_eq!(clock(Duration::from_hours(151)), "6d07h");
    }
}
