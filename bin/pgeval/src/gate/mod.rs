//! Whether a result is worse than a baseline, and the forms in which that is told.

mod comparability;
mod github;
mod judgement;
mod junit;
mod table;

pub(crate) use comparability::differences;
pub(crate) use github::annotations;
pub(crate) use judgement::{
    Allowance, AllowedChange, Judgement, MetricAllowance, MetricJudgement, Verdict, judge,
};
pub(crate) use junit::junit_xml;
pub(crate) use table::{explanation, summary, table};
