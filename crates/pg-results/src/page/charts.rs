//! Plots as inline SVG. Drawn 340 units wide, so that their letters keep their size on a phone.

use std::fmt::Write as _;

use crate::numbers::with_interval;
use crate::page::markup::escape;
use crate::{LevelChart, LevelScore, ProjectionHistogram};

const WIDTH: f64 = 340.0;

/// Horizontal bars, one per level, with the intervals as whiskers.
pub(crate) fn level_bars(chart: &LevelChart) -> String {
    const LEFT: f64 = 62.0;
    const RIGHT: f64 = 276.0;
    const ROW: f64 = 26.0;
    let highest = |bar: &LevelScore| bar.interval.map_or(bar.value, |interval| interval.high.max(bar.value));
    let largest = chart.bars.iter().map(highest).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let x = |value: f64| {
        let share = value / largest;
        LEFT + (RIGHT - LEFT) * if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    };
    let height = ROW * chart.bars.len() as f64 + 4.0;
    let mut svg = start(&format!("{} per level of detail", chart.metric), height);
    for (i, bar) in chart.bars.iter().enumerate() {
        let top = ROW * i as f64 + 4.0;
        let middle = top + ROW / 2.0 - 2.0;
        let baseline = middle + 4.0;
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\">{} px</text>\
             <rect class=\"bar\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            LEFT - 8.0,
            bar.resolution_px,
            x(bar.value) - LEFT,
            ROW - 5.0,
        );
        if let Some(interval) = bar.interval {
            let (low, high) = (x(interval.low), x(interval.high));
            let (above, below) = (middle - 5.0, middle + 5.0);
            let _ = write!(
                svg,
                "<path class=\"whisker\" d=\"M{low:.1} {above:.1}V{below:.1}M{low:.1} {middle:.1}H{high:.1}M{high:.1} {above:.1}V{below:.1}\"/>"
            );
        }
        let _ = write!(
            svg,
            "<text x=\"{WIDTH}\" y=\"{baseline:.1}\" text-anchor=\"end\">{}</text>",
            with_interval(bar.value, bar.interval).0
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Two outlines over one axis.
pub(crate) fn histogram(histogram: &ProjectionHistogram) -> String {
    const TOP: f64 = 6.0;
    const BOTTOM: f64 = 150.0;
    let highest =
        histogram.real.iter().chain(&histogram.fake).copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let outline = |shares: &[f64]| {
        let mut path = format!("M0 {BOTTOM}");
        let bin = WIDTH / shares.len().max(1) as f64;
        for (i, share) in shares.iter().enumerate() {
            let part = share / highest;
            let y = BOTTOM - (BOTTOM - TOP) * if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
            let _ = write!(path, "V{y:.1}H{:.1}", bin * (i + 1) as f64);
        }
        let _ = write!(path, "V{BOTTOM}");
        path
    };
    let mut svg = start("Histogram of both sides along one direction", BOTTOM + 20.0);
    let _ = write!(
        svg,
        "<path class=\"outline real\" d=\"{}\"/><path class=\"outline fake\" d=\"{}\"/>\
         <path class=\"axis\" d=\"M0 {BOTTOM}H{WIDTH}\"/>",
        outline(&histogram.real),
        outline(&histogram.fake),
    );
    let middle = f64::midpoint(histogram.low, histogram.high);
    for (x, anchor, value) in
        [(0.0, "start", histogram.low), (WIDTH / 2.0, "middle", middle), (WIDTH, "end", histogram.high)]
    {
        let _ =
            write!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{value:.2}</text>", BOTTOM + 15.0);
    }
    svg.push_str("</svg>");
    svg
}

fn start(label: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">",
        escape(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_metrics::ConfidenceInterval;
    use proptest::prelude::*;

    #[test]
    fn the_longest_whisker_fills_the_plot() {
        let interval = Some(ConfidenceInterval { level: 0.95, low: 5.0, high: 20.0 });
        let bars = vec![
            LevelScore { resolution_px: 32, value: 10.0, interval },
            LevelScore { resolution_px: 16, value: 5.0, interval: None },
        ];
        let svg = level_bars(&LevelChart { metric: "swd".to_owned(), unit: "1".to_owned(), bars });
        assert!(svg.contains("width=\"107.0\"") && svg.contains("width=\"53.5\""), "{svg}");
        assert!(svg.contains("H276.0M276.0"), "{svg}");
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![-1e3..1e3_f64, any::<f64>(), Just(0.0)]
    }

    proptest! {
        #[test]
        fn any_numbers_make_a_well_formed_picture_without_nan(
            values in prop::collection::vec((any_number(), any_number(), any_number()), 0..8),
            name in "\\PC{0,8}",
        ) {
            let bars = values.iter().map(|&(value, low, high)| LevelScore {
                resolution_px: 16,
                value,
                interval: Some(ConfidenceInterval { level: 0.95, low, high }),
            });
            let bars = level_bars(&LevelChart { metric: name, unit: "1".to_owned(), bars: bars.collect() });
            let shares: Vec<f64> = values.iter().map(|v| v.0).collect();
            let histogram = histogram(&ProjectionHistogram {
                note: String::new(), low: 0.0, high: 1.0, real: shares.clone(), fake: shares,
            });
            for svg in [bars, histogram] {
                let document = roxmltree::Document::parse(&svg).unwrap();
                for node in document.descendants() {
                    for attribute in ["x", "y", "d", "width"] {
                        let text = node.attribute(attribute).unwrap_or_default();
                        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
                    }
                }
            }
        }
    }
}
