use pg_image::Planar;
use pg_metrics::Side;
use pg_testkit::browser::{Browser, View};
use serde_json::json;

use super::pictures::ReportPictures;
use super::report;

/// Smooth blobs in colour, with as much fine noise as asked for.
fn blobs(index: usize, side: usize, noise: u32) -> Planar<u8> {
    let mut image = Planar::filled(3, side, side, 0_u8);
    let phase = index as f64 * 0.7;
    for c in 0..3 {
        for (i, v) in image.plane_mut(c).iter_mut().enumerate() {
            let (x, y) = ((i % side) as f64 / side as f64, (i / side) as f64 / side as f64);
            let wave = (6.0 * x + phase).sin() * (5.0 * y + phase * 1.3 + c as f64).cos();
            let hash = (i as u32).wrapping_mul(2_654_435_761).wrapping_add((index * 97 + c) as u32 * 40_503);
            let grain = f64::from((hash >> 16) % (2 * noise + 1)) - f64::from(noise);
            *v = (128.0 + 90.0 * wave + grain).clamp(0.0, 255.0) as u8;
        }
    }
    image
}

fn result() -> serde_json::Value {
    let swd = json!({
        "metric": "swd", "value": 21.35, "unit": "x1e-3", "direction": "lower", "floor": { "value": 3.5 },
        "levels": [
            { "resolution": 128, "value": 41.2, "interval": { "level": 0.95, "low": 38.0, "high": 44.5 } },
            { "resolution": 64, "value": 22.7, "interval": { "level": 0.95, "low": 20.4, "high": 25.0 } },
            { "resolution": 32, "value": 12.1, "interval": { "level": 0.95, "low": 10.9, "high": 13.2 } },
            { "resolution": 16, "value": 9.4, "interval": { "level": 0.95, "low": 6.1, "high": 12.7 } },
        ],
        "interval": { "level": 0.95, "low": 19.6, "high": 23.1 },
    });
    let ms_ssim = json!({
        "metric": "ms-ssim", "value": 0.2841, "unit": "1", "direction": "lower",
        "interval": { "level": 0.95, "low": 0.2795, "high": 0.2887 },
    });
    json!({
        "metrics": [swd, ms_ssim],
        "provenance": {
            "tool": "pgeval", "version": "0.1.0",
            "command_line": ["pgeval", "all", "real images/", "samples", "-o", "result.json", "--report", "report.html"],
            "seed": 0,
            "settings": { "real": { "path": "real images/", "kind": "folder", "images": 40 }, "note": "<b>&" },
            "counts": { "images_read": 70 },
        },
    })
}

fn pictures(real: usize, fake: usize, side: usize) -> ReportPictures {
    let pictures = ReportPictures::new(real, fake);
    for i in 0..real {
        pictures.see(Side::Real, i, &blobs(i, side, 12));
    }
    for i in 0..fake {
        pictures.see(Side::Fake, i, &blobs(i + 3, side, 2));
    }
    pictures
}

#[test]
fn the_nearest_reals_are_found_among_all_and_in_order() {
    let seen = ReportPictures::new(40, 3);
    for i in 0..40 {
        seen.see(Side::Real, i, &Planar::filled(3, 128, 128, 5 * i as u8));
    }
    for (i, v) in [181, 34, 0].into_iter().enumerate() {
        seen.see(Side::Fake, i, &Planar::filled(3, 128, 128, v));
    }
    let rows = super::neighbours::neighbours(&seen).unwrap();
    let found: Vec<Vec<(&str, f64)>> = rows
        .iter()
        .map(|row| row.nearest.iter().map(|n| (n.picture.description.as_str(), n.distance)).collect())
        .collect();
    assert_eq!(
        found,
        [
            [("real image 36", 1.0), ("real image 37", 4.0), ("real image 35", 6.0)],
            [("real image 7", 1.0), ("real image 6", 4.0), ("real image 8", 6.0)],
            [("real image 0", 0.0), ("real image 1", 5.0), ("real image 2", 10.0)],
        ]
    );
}

#[test]
fn the_report_has_a_sheet_for_the_pictures_and_for_each_level() {
    let report = report("t", &result(), &pictures(30, 26, 128)).unwrap();
    let sheets: Vec<(&str, usize, usize)> =
        report.sheets.iter().map(|s| (s.heading.as_str(), s.real.width_px, s.fake.height_px)).collect();
    assert_eq!(
        sheets,
        [
            ("Pictures", 394, 262),
            ("Level 128 px", 394, 262),
            ("Level 64 px", 394, 262),
            ("Level 32 px", 202, 134),
            ("Level 16 px", 106, 70),
        ]
    );
    let histogram = report.histogram.unwrap();
    assert!(histogram.note.contains("level of 128 pixels") && histogram.note.contains("24 real and 24 fake"));
    for shares in [&histogram.real, &histogram.fake] {
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    assert_eq!((report.neighbours.len(), report.levels.len()), (8, 1));
    let provenance = |name: &str| report.provenance.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(
        provenance("command line"),
        Some("pgeval all 'real images/' samples -o result.json --report report.html")
    );
    assert_eq!(provenance("settings / real / images"), Some("40"));
}

#[test]
fn what_there_is_no_picture_for_is_left_out() {
    let odd = report("t", &result(), &pictures(3, 2, 50)).unwrap();
    assert_eq!((odd.sheets.len(), odd.histogram, odd.neighbours.len()), (1, None, 2));
    let none = report("t", &result(), &ReportPictures::new(0, 0)).unwrap();
    assert_eq!((none.sheets.len(), none.histogram, none.neighbours.len()), (0, None, 0));
    let plain = ReportPictures::new(2, 2);
    for side in [Side::Real, Side::Fake] {
        (0..2).for_each(|i| plain.see(side, i, &Planar::filled(3, 32, 32, 7)));
    }
    let plain = report("t", &result(), &plain).unwrap().histogram.unwrap();
    assert!(plain.low < plain.high && plain.real.iter().all(|share| share.is_finite()));
}

/// With `PGKIT_SCREENSHOTS=FOLDER` the screenshots are kept there.
#[test]
fn a_browser_shows_the_page_with_all_pictures_and_asks_for_nothing() {
    let Some(browser) = Browser::find() else {
        println!("skipped: no chromium is installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let page = report("pgeval: samples against real", &result(), &pictures(40, 30, 128)).unwrap().to_html();
    std::fs::write(&path, &page).unwrap();
    for (name, width_px, dark) in
        [("light", 1200, false), ("dark", 1200, true), ("phone-light", 360, false), ("phone-dark", 360, true)]
    {
        let seen = browser.look_at(&path, View { width_px, dark });
        assert_eq!(seen.messages, [""; 0], "{name}");
        assert_eq!(seen.requests.len(), 1, "{name}: {:?}", seen.requests);
        assert_eq!(seen.picture_widths_px.len(), 2 * 5 + 8 * 4, "{name}");
        assert!(seen.picture_widths_px.iter().all(|&width| width > 0), "{name}");
        assert!(seen.scroll_width_px <= width_px, "{name}: {} px wide", seen.scroll_width_px);
        if let Some(folder) = std::env::var_os("PGKIT_SCREENSHOTS") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), &seen.screenshot)
                .unwrap();
        }
    }
}
