//! The judgement as JUnit XML, which CI systems show as test results.

use std::fmt::Write as _;

use super::judgement::{Judgement, MetricJudgement, Verdict};
use super::table::explanation;

/// The whole file: one test suite, one test case per metric; metrics that are not judged are skipped.
#[must_use]
pub fn junit_xml(judgement: &Judgement) -> String {
    let count = |f: &dyn Fn(Verdict) -> bool| judgement.metrics.iter().filter(|m| f(m.verdict)).count();
    let tests = judgement.metrics.len();
    let failures = count(&Verdict::fails);
    let skipped = count(&|verdict| verdict == Verdict::New);
    let mut xml = format!(
        concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<testsuites name=\"pgeval gate\" tests=\"{0}\" failures=\"{1}\" errors=\"0\" skipped=\"{2}\">\n",
            "  <testsuite name=\"pgeval gate\" tests=\"{0}\" failures=\"{1}\" errors=\"0\" skipped=\"{2}\">\n",
        ),
        tests, failures, skipped
    );
    for metric in &judgement.metrics {
        // Writing to a String cannot fail.
        let _ = writeln!(xml, "{}", test_case(metric));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn test_case(metric: &MetricJudgement) -> String {
    let text = escape(&explanation(metric));
    let outcome = match metric.verdict {
        Verdict::Worse | Verdict::Missing | Verdict::Failed => {
            format!("<failure type=\"{}\" message=\"{text}\"/>", metric.verdict.name())
        }
        Verdict::New => format!("<skipped message=\"{text}\"/>"),
        Verdict::Better | Verdict::Same => format!("<system-out>{text}</system-out>"),
    };
    format!(
        "    <testcase classname=\"pgeval.gate\" name=\"{}\">{outcome}</testcase>",
        escape(&metric.metric)
    )
}

/// Text for an element or a quoted attribute; characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // As they are, line breaks in an attribute would be read as spaces.
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' => escaped.push_str("&#9;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direction;
    use proptest::prelude::*;

    fn failed(metric: &str) -> MetricJudgement {
        MetricJudgement {
            metric: metric.to_owned(),
            unit: "1".to_owned(),
            direction: Direction::Lower,
            verdict: Verdict::Missing,
            only_value: Some(1.0),
            reason: None,
            comparison: None,
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_parser(text in "\\PC*|[\\x00-\\x7f]*") {
            let xml = junit_xml(&Judgement { metrics: vec![failed(&text)] });
            let parsed = roxmltree::Document::parse(&xml).unwrap();
            let case = parsed.descendants().find(|node| node.has_tag_name("testcase")).unwrap();
            let kept = |c: char| if c < ' ' && !"\n\r\t".contains(c) { '\u{fffd}' } else { c };
            let expected: String = text.chars().map(kept).collect();
            prop_assert_eq!(case.attribute("name").unwrap(), expected.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
        }
    }
}
