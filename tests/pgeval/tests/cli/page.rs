//! The page of `pgeval all --report` in a browser.

use pg_testkit::browser::{Browser, Seen, View};
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{draw_folder, json_of};

/// Numbers on the page have two digits of the interval's half-width.
const ROUNDING: f64 = 0.051;

#[test]
fn a_browser_shows_the_values_of_the_result_and_every_picture() {
    let Some(browser) = Browser::find() else {
        println!("skipped: no chromium is installed");
        return;
    };
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 9, 64, 0);
    draw_folder(&sandbox, "fake", 8, 64, 50);
    let mut arguments = vec!["all", "real", "fake", "-o", "result.json", "--report", "report.html", "--json"];
    arguments.extend(["--patches-per-image", "16", "--directions-per-repeat", "16", "--repeats", "2"]);
    let result = json_of(&sandbox, &arguments);
    let page = sandbox.path("report.html");
    let pictures = std::fs::read_to_string(&page).unwrap().matches("<img ").count();
    assert!(pictures > 0);
    for (name, width_px) in [("desk", 1200), ("phone", 360)] {
        let seen = browser.look_at(&page, View { width_px, dark: false });
        assert_eq!(seen.messages, [""; 0], "{name}");
        assert_eq!(seen.requests.len(), 1, "{name}: {:?}", seen.requests);
        assert!(seen.requests[0].ends_with("/report.html"), "{name}: {:?}", seen.requests);
        assert_eq!(seen.picture_widths_px.len(), pictures, "{name}");
        assert!(seen.picture_widths_px.iter().all(|&width| width > 0), "{name}");
        assert!(seen.scroll_width_px <= width_px, "{name}: {} px wide", seen.scroll_width_px);
        assert_rows_hold(&seen, &result);
    }
}

/// The table has one row per metric of `result`, with its value and interval.
#[track_caller]
fn assert_rows_hold(seen: &Seen, result: &Value) {
    let metrics = result["metrics"].as_array().unwrap();
    let [heading, rows @ ..] = &seen.table_rows[..] else { panic!("no table") };
    assert_eq!(heading[..2], ["Metric", "Value"]);
    assert_eq!((rows.len(), metrics.len()), (2, 2), "{rows:?}");
    for (row, metric) in rows.iter().zip(metrics) {
        assert!(row[0].starts_with(metric["metric"].as_str().unwrap()), "{row:?}");
        let (low, high) = row[2].split_once(" to ").unwrap();
        let expected = [&metric["value"], &metric["interval"]["low"], &metric["interval"]["high"]];
        let [value, from, to] = expected.map(|number| number.as_f64().unwrap());
        let allowed = ROUNDING * (to - value).max(value - from);
        for (shown, expected) in [&row[1], low, high].into_iter().zip([value, from, to]) {
            let shown: f64 = shown.parse().unwrap();
            assert!((shown - expected).abs() <= allowed, "{row:?}: {metric}");
        }
    }
}
