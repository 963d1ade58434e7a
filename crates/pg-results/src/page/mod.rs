//! The page, section by section.

mod charts;
mod data_uri;
mod markup;

use std::fmt::Write as _;

use self::markup::escape;
use crate::numbers::{five_digits, with_interval, with_noise};
use crate::{
    Failed, FakeAndNearest, Floor, LevelChart, Picture, ProjectionHistogram, Report, Score, SheetPair,
};

const STYLE: &str = include_str!("page.css");

pub(crate) fn html(report: &Report) -> String {
    let title = escape(&report.title);
    // The policy makes sure that the browser asks for nothing.
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for section in [
        metrics(&report.metrics),
        failed(&report.failed),
        levels(&report.levels),
        report.histogram.as_ref().map(histogram).unwrap_or_default(),
        sheets(&report.sheets),
        neighbours(&report.neighbours),
        provenance(&report.provenance),
    ] {
        page.push_str(&section);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section>\n<h2>{heading}</h2>\n{content}</section>\n")
}

fn note(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>\n", escape(text)) }
}

fn with_unit(name: &str, unit: &str) -> String {
    if unit == "1" { escape(name) } else { escape(&format!("{name}, {unit}")) }
}

fn metrics(rows: &[Score]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let floors = rows.iter().any(|row| row.floor.is_some());
    let heading = |text: &str| format!("<th scope=\"col\">{text}</th>");
    let mut table = format!(
        "<div class=\"wide\"><table>\n<thead><tr>{}{}{}{}</tr></thead>\n<tbody>\n",
        heading("Metric"),
        heading("Value"),
        heading("95 % interval"),
        if floors { heading("Floor") } else { String::new() },
    );
    for row in rows {
        let (value, interval) = with_interval(row.value, row.interval);
        let unknown =
            || row.interval_unknown.as_ref().map_or("-".to_owned(), |why| format!("not known: {why}"));
        let interval = escape(&interval.unwrap_or_else(unknown));
        let floor = if floors { format!("<td>{}</td>", floor_cell(row)) } else { String::new() };
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{}<small>{} is better</small></th><td class=\"number\">{}</td><td>{interval}</td>{floor}</tr>",
            with_unit(&row.metric, &row.unit),
            row.direction.name(),
            value,
        );
    }
    table.push_str("</tbody>\n</table></div>\n");
    section("Metrics", &table)
}

/// The floor of a metric; of another number of images it says so.
fn floor_cell(row: &Score) -> String {
    let Some(Floor { value, images, comparable }) = row.floor else { return "-".to_owned() };
    let noise = row.interval.map_or(0.0, |interval| crate::numbers::half_width(row.value, interval));
    let value = if noise > 0.0 { with_noise(value, noise) } else { five_digits(value) };
    match (comparable, images) {
        (true, _) => value,
        (false, Some(images)) => {
            format!("{value} <small>of {images} images a side: not comparable with the value</small>")
        }
        (false, None) => format!("{value} <small>of another number of images: not comparable</small>"),
    }
}

/// What could not be computed, and why.
fn failed(metrics: &[Failed]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let mut list = "<dl>\n".to_owned();
    for Failed { metric, reason } in metrics {
        let _ = writeln!(list, "<dt>{}</dt><dd>{}</dd>", escape(metric), escape(reason));
    }
    list.push_str("</dl>\n");
    section("Failed metrics", &list)
}

fn levels(charts: &[LevelChart]) -> String {
    let mut content = String::new();
    for chart in charts {
        let _ = write!(
            content,
            "<h3>{}</h3>\n<figure>{}</figure>\n",
            with_unit(&chart.metric, &chart.unit),
            charts::level_bars(chart)
        );
    }
    if charts.iter().any(|chart| chart.bars.iter().any(|bar| bar.interval.is_some())) {
        content.push_str(&note("Whiskers are 95 % intervals."));
    }
    section("Levels of detail", &content)
}

fn histogram(histogram: &ProjectionHistogram) -> String {
    let content = format!(
        "<figure>{}<figcaption><span class=\"key\"></span>real<span class=\"key fake\"></span>fake</figcaption></figure>\n{}",
        charts::histogram(histogram),
        note(&histogram.note)
    );
    section("One direction", &content)
}

fn sheets(pairs: &[SheetPair]) -> String {
    let mut content = String::new();
    for pair in pairs {
        let _ = write!(
            content,
            "<h3>{}</h3>\n{}<div class=\"pair\">\n{}{}</div>\n",
            escape(&pair.heading),
            note(&pair.note),
            figure(&pair.real, "real"),
            figure(&pair.fake, "fake"),
        );
    }
    section("Pictures", &content)
}

fn neighbours(rows: &[FakeAndNearest]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut content = note(
        "Each row: a fake, then the real images nearest to it of the whole set, with the root mean square difference of their pixels (0 to 255) at 64 pixels. A distance near 0 is a copy.",
    );
    content.push_str("<div class=\"neighbours\">\n");
    for row in rows {
        let _ = write!(content, "<div class=\"row\">{}", figure(&row.fake, "fake"));
        for neighbour in &row.nearest {
            content.push_str(&figure(&neighbour.picture, &format!("{:.1}", neighbour.distance)));
        }
        content.push_str("</div>\n");
    }
    content.push_str("</div>\n");
    section("Nearest real images", &content)
}

fn figure(picture: &Picture, caption: &str) -> String {
    format!(
        "<figure><img src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n",
        data_uri::png(&picture.png),
        picture.width_px,
        picture.height_px,
        escape(&picture.description),
        escape(caption),
    )
}

fn provenance(entries: &[(String, String)]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut list = "<dl>\n".to_owned();
    for (name, value) in entries {
        let _ = writeln!(list, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    list.push_str("</dl>\n");
    section("Provenance", &list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direction;
    use pg_metrics::ConfidenceInterval;
    use serde_json::Map;

    fn row(name: &str) -> Score {
        Score {
            metric: name.to_owned(),
            value: 12.5,
            unit: "x1e-3".to_owned(),
            direction: Direction::Lower,
            interval: Some(ConfidenceInterval { level: 0.95, low: 12.0, high: 13.0 }),
            interval_unknown: None,
            floor: None,
            levels: Vec::new(),
            counts: Map::new(),
            protocol: Map::new(),
        }
    }

    fn failure(name: &str, reason: &str) -> Vec<Failed> {
        vec![Failed { metric: name.to_owned(), reason: reason.to_owned() }]
    }

    #[test]
    fn an_empty_report_is_a_page_without_sections() {
        let page = Report::default().to_html();
        assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<section>"));
    }

    #[test]
    fn texts_cannot_become_markup() {
        let attack = "<script>alert(\"1\")</script>";
        let picture = Picture { png: vec![1], width_px: 1, height_px: 1, description: attack.to_owned() };
        let report = Report {
            title: attack.to_owned(),
            metrics: vec![Score { interval: None, interval_unknown: Some(attack.to_owned()), ..row(attack) }],
            failed: failure(attack, attack),
            levels: vec![LevelChart { metric: attack.to_owned(), unit: attack.to_owned(), bars: Vec::new() }],
            sheets: vec![SheetPair {
                heading: attack.to_owned(),
                note: attack.to_owned(),
                real: picture.clone(),
                fake: picture.clone(),
            }],
            histogram: Some(ProjectionHistogram {
                note: attack.to_owned(),
                low: 0.0,
                high: 1.0,
                real: vec![1.0],
                fake: vec![1.0],
            }),
            neighbours: vec![FakeAndNearest { fake: picture, nearest: Vec::new() }],
            provenance: vec![(attack.to_owned(), attack.to_owned())],
        };
        let page = report.to_html();
        assert!(!page.contains("<script") && !page.contains("(\"1\")"));
        assert_eq!(page.matches("&lt;script&gt;").count(), 17);
    }

    #[test]
    fn the_page_names_nothing_outside_of_it() {
        let page = Report { metrics: vec![row("swd")], ..Report::default() }.to_html();
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        for sign in ["http:", "https:", "//", "url(", "@import", "<script"] {
            assert!(!outside.contains(sign), "{sign}");
        }
    }

    #[test]
    fn floors_have_a_column_only_where_there_are_any() {
        let page =
            |floor| Report { metrics: vec![Score { floor, ..row("swd") }], ..Report::default() }.to_html();
        assert!(!page(None).contains("Floor"));
        let floor = |comparable| Some(Floor { value: 1.25, images: Some(500), comparable });
        assert!(page(floor(true)).contains("<td>1.25</td>"));
        assert!(page(floor(false)).contains("<td>1.25 <small>of 500 images a side: not comparable"));
    }

    #[test]
    fn failed_metrics_and_unknown_intervals_come_with_their_reasons() {
        let unknown = Score { interval: None, interval_unknown: Some("2 images".to_owned()), ..row("fid") };
        let failed = failure("kid", "a feature is NaN");
        let page = Report { metrics: vec![unknown], failed, ..Report::default() }.to_html();
        assert!(page.contains("<td>not known: 2 images</td>"), "{page}");
        assert!(page.contains("<h2>Failed metrics</h2>") && page.contains("<dd>a feature is NaN</dd>"));
    }
}
