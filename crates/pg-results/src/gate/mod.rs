//! Whether a result is worse than a baseline, and the forms in which that is told.

mod comparability;
mod github;
mod judgement;
mod junit;
mod table;

pub use comparability::{Difference, differences};
pub use github::annotations;
pub use judgement::{
    Allowance, AllowedChange, Comparison, Judgement, MetricAllowance, MetricJudgement, Verdict, judge,
};
pub use junit::junit_xml;
pub use table::{explanation, summary, table};
