//! Two results, one behind the other with a zero byte between: read, compared and judged in every form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_results::Results;
use pg_results::gate::{annotations, differences, explanation, judge, junit_xml, summary, table};

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (baseline, rest) = bytes.split_at(end);
    let read = |bytes: &[u8]| match Results::parse(bytes) {
        Ok(results) => Some(results),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    };
    let Some(baseline) = read(baseline) else { return };
    let result = read(rest.get(1..).unwrap_or_default()).unwrap_or_else(|| baseline.clone());
    assert!(result.scores.iter().all(|score| score.value.is_finite()));
    let _ = differences(&baseline.scores, &result.scores, &[]);
    let Ok(judgement) = judge(&baseline.scores, &result.scores, &result.failed, &[]) else { return };
    let texts = [junit_xml(&judgement), summary(&judgement), table(&judgement).concat()];
    assert!(texts.iter().all(|text| !text.is_empty()));
    let _ = annotations(&judgement);
    judgement.metrics.iter().for_each(|metric| drop(explanation(metric)));
});
