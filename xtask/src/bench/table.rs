//! Milliseconds by name, and Markdown.

use std::collections::BTreeMap;
use std::fs;

/// The best of all rounds, by name.
#[derive(Debug, Default)]
pub(super) struct Best(BTreeMap<String, f64>);

impl Best {
    /// Takes the lines `name<TAB>milliseconds` of a benchmark's output.
    pub(super) fn take_lines(&mut self, text: &str) {
        for (name, ms) in text.lines().filter_map(|line| line.split_once('\t')) {
            if let Ok(ms) = ms.trim().parse() {
                self.take(name, ms);
            }
        }
    }

    pub(super) fn take(&mut self, name: &str, ms: f64) {
        let best = self.0.entry(name.to_owned()).or_insert(ms);
        *best = best.min(ms);
    }

    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Prints a table: the header's cells, then rows.
pub(super) fn print_table(header: &[&str], rows: &[Vec<String>]) {
    println!("\n| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        print_row(row);
    }
}

/// Prints one more row of the table above.
pub(super) fn print_row(row: &[String]) {
    println!("| {} |", row.join(" | "));
}

/// A row of a table: the name, ours, theirs, and how many times theirs takes ours.
pub(super) fn row(name: &str, ours: &Best, theirs: &Best) -> Vec<String> {
    let (a, b) = (ours.get(name), theirs.get(name));
    vec![name.to_owned(), milliseconds(a), milliseconds(b), times(a, b)]
}

/// Three digits, or all those of whole milliseconds; a dash for what was not measured.
pub(super) fn milliseconds(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0$}", decimals(ms, 3)))
}

/// How many times `theirs` takes `ours`, in two digits.
pub(super) fn times(ours: Option<f64>, theirs: Option<f64>) -> String {
    let times = ours.zip(theirs).map(|(ours, theirs)| theirs / ours);
    times.map_or_else(|| "-".to_owned(), |times| format!("{times:.0$}", decimals(times, 2)))
}

/// Decimals that show `digits` digits.
fn decimals(value: f64, digits: i32) -> usize {
    (digits - 1).saturating_sub(value.log10().floor() as i32).clamp(0, digits) as usize
}

/// The processor and the number of cores.
pub(super) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_the_lines_counts_and_other_lines_do_not() {
        let mut best = Best::default();
        best.take_lines("hello\nalign/a/box\t12.5\nalign/a/box\t9.0\nbad\tx\n");
        best.take_lines("align/a/box\t10\n");
        assert_eq!((best.get("align/a/box"), best.names().count()), (Some(9.0), 1));
    }

    #[test]
    fn a_row_has_three_digits_of_milliseconds_and_two_of_their_ratio() {
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        for (name, a, b) in [("a", 0.2412, 4.33), ("b", 115.2, 1210.23), ("c", 4520.0, 11932.14)] {
            ours.take(name, a);
            theirs.take(name, b);
        }
        ours.take("d", 9.999);
        let rows: Vec<String> = ["a", "b", "c", "d"].map(|name| row(name, &ours, &theirs).join(" ")).into();
        assert_eq!(rows, ["a 0.241 4.33 18", "b 115 1210 11", "c 4520 11932 2.6", "d 10.00 - -"]);
    }
}
