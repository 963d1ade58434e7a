//! Results of metrics after they are computed: read back, judged against a baseline, drawn as a page.
//!
//! [`Results::parse`] reads what pgeval writes. [`gate`] says whether a result is worse than a baseline. [`Report`] is plain data,
//! [`Report::to_html`] a pure function of it: one self-contained HTML file that asks for nothing from outside, holds no script,
//! follows the reader's choice of dark or light, and fits a phone of 360 pixels. All texts are escaped.

mod errors;
pub mod gate;
mod numbers;
mod page;
mod scores;

pub use errors::ResultsError;

pub use numbers::{five_digits, half_width, signed, signed_percent, with_interval, with_noise};
pub use scores::{Direction, Failed, LevelScore, Results, Score};

/// Everything that a report shows. Parts that are empty are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Headline, and title of the page.
    pub title: String,
    /// Metrics, in the order of the table.
    pub metrics: Vec<Score>,
    /// Metrics that could not be computed, with the reason.
    pub failed: Vec<Failed>,
    /// Bars per level of detail, one plot for each metric that has levels.
    pub levels: Vec<LevelChart>,
    /// Contact sheets, pictures first, then finest level to coarsest.
    pub sheets: Vec<SheetPair>,
    /// Both sides along one direction.
    pub histogram: Option<ProjectionHistogram>,
    /// Some fakes with the reals nearest to them.
    pub neighbours: Vec<FakeAndNearest>,
    /// Tool version, command line, settings, counts: name and value.
    pub provenance: Vec<(String, String)>,
}

/// What two sets of real images score against each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// The score.
    pub value: f64,
    /// Images of each set, where that is known.
    pub images: Option<u64>,
    /// Whether it is of as many images as the metric's value, and so can be compared with that.
    pub comparable: bool,
}

/// A metric's values per level of detail.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelChart {
    /// The metric's name.
    pub metric: String,
    /// Unit; `1` for a plain number.
    pub unit: String,
    /// One bar per level, finest first.
    pub bars: Vec<LevelScore>,
}

/// A PNG picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file's bytes.
    pub png: Vec<u8>,
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// What it shows, for those who cannot see it.
    pub description: String,
}

/// The same kind of contact sheet of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetPair {
    /// E.g. `Level 64 px`.
    pub heading: String,
    /// How to read it; may be empty.
    pub note: String,
    /// Pictures of the reference.
    pub real: Picture,
    /// Pictures under test.
    pub fake: Picture,
}

/// Shares of both sides' values along one direction, in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionHistogram {
    /// What was projected on which direction.
    pub note: String,
    /// Left edge of the first bin.
    pub low: f64,
    /// Right edge of the last bin.
    pub high: f64,
    /// Share of the real values in each bin, 0..=1.
    pub real: Vec<f64>,
    /// Share of the fake values in each bin, 0..=1; as many bins.
    pub fake: Vec<f64>,
}

/// A fake and the reals nearest to it.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeAndNearest {
    /// The fake.
    pub fake: Picture,
    /// The reals, nearest first.
    pub nearest: Vec<Neighbour>,
}

/// A real picture near a fake.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// The real picture.
    pub picture: Picture,
    /// Root mean square difference of the pixels, 0..=255.
    pub distance: f64,
}

impl Report {
    /// The report as one HTML file, UTF-8. The same report gives the same bytes.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::html(self)
    }
}
