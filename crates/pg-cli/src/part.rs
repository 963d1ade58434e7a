//! `--part`: a share of the work, as a scheduler's job takes one.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Args;

/// Most parts of a whole.
const MAX_PARTS: usize = 100_000;

/// One of several parts of a whole, each a contiguous range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Part {
    /// The range of `total` things that falls to this part: lengths differ by one at most, and all parts together are
    /// all things, in order.
    #[must_use]
    pub fn range(self, total: usize) -> Range<usize> {
        let end = |index: usize| (index as u128 * total as u128 / self.count as u128) as usize;
        end(self.index - 1)..end(self.index)
    }

    /// The part's own folder below `output`, the same for all parts: `part-02-of-12`.
    #[must_use]
    pub fn folder(self, output: &Path) -> PathBuf {
        output.join(self.label())
    }

    /// The part's own file beside `output`: `real.part-02-of-12.pgstats`.
    #[must_use]
    pub fn file(self, output: &Path) -> PathBuf {
        let mut name = output.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}", self.label()));
        if let Some(extension) = output.extension() {
            name.push(".");
            name.push(extension);
        }
        output.with_file_name(name)
    }

    fn label(self) -> String {
        let width = self.count.to_string().len();
        format!("part-{:0width$}-of-{}", self.index, self.count)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no part: expected I/N with I from 1 to N (at most {MAX_PARTS}), as 2/7, or auto"
            )
        };
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let part = Self { index: number(index)?, count: number(count)? };
        if part.index == 0 || part.index > part.count || part.count > MAX_PARTS {
            return Err(wrong());
        }
        Ok(part)
    }
}

/// What `--part` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartChoice {
    /// `I/N`
    This(Part),
    /// `auto`: the scheduler's environment says.
    Auto,
}

impl FromStr for PartChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::This) }
    }
}

/// `--part` and `--parts`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Parts")]
pub struct PartArgs {
    /// Do part I of N only (1/N to N/N), in a place of its own below or beside -o, to be merged; auto: the part of a
    /// Slurm array task, an Open MPI rank or a Kubernetes Job's index
    #[arg(long, value_name = "I/N|auto")]
    pub part: Option<PartChoice>,

    /// Number of parts, where --part auto is not told it (Kubernetes)
    #[arg(long, value_name = "N", requires = "part")]
    pub parts: Option<usize>,
}

impl PartArgs {
    /// The part asked for; the environment is read for `auto` only.
    ///
    /// # Errors
    /// An environment that names no part, or several; numbers that do not go together.
    pub fn chosen(&self) -> Result<Option<Part>> {
        self.chosen_by(|name| std::env::var(name).ok())
    }

    fn chosen_by(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Part>> {
        let part = match self.part {
            None => return Ok(None),
            Some(PartChoice::This(part)) => part,
            Some(PartChoice::Auto) => self.in_environment(variable)?,
        };
        if let Some(parts) = self.parts.filter(|&parts| parts != part.count) {
            bail!("--parts {parts} and part {part} do not go together: give one number of parts");
        }
        Ok(Some(part))
    }

    fn in_environment(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Part> {
        let number = |name: &'static str| -> Result<Option<usize>> {
            let Some(text) = variable(name) else { return Ok(None) };
            let parsed = text.trim().parse();
            Ok(Some(parsed.with_context(|| format!("--part auto: {name} is {text:?}, expected a number"))?))
        };
        let mut found: Vec<(&str, Part)> = Vec::new();
        if let (Some(id), Some(count)) = (number("SLURM_ARRAY_TASK_ID")?, number("SLURM_ARRAY_TASK_COUNT")?) {
            // Numbers of an array begin anywhere and have any step.
            let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
            let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
            let index = id.checked_sub(first).filter(|distance| distance % step == 0).map(|d| d / step + 1);
            let index = index.filter(|&index| index <= count).with_context(|| {
                format!(
                    "--part auto: SLURM_ARRAY_TASK_ID is {id}, which is none of {count} from {first} on in steps of {step}: give an array without gaps, as --array=1-{count}, or --part I/N"
                )
            })?;
            found.push(("SLURM_ARRAY_TASK_ID", Part { index, count }));
        }
        if let (Some(rank), Some(count)) = (number("OMPI_COMM_WORLD_RANK")?, number("OMPI_COMM_WORLD_SIZE")?)
            && count > 1
        {
            if rank >= count {
                bail!("--part auto: OMPI_COMM_WORLD_RANK is {rank} of {count}, expected less");
            }
            found.push(("OMPI_COMM_WORLD_RANK", Part { index: rank + 1, count }));
        }
        if let Some(index) = number("JOB_COMPLETION_INDEX")? {
            let count = self.parts.context(
                "--part auto: JOB_COMPLETION_INDEX says which part, and --parts N must say of how many: the Job's completions",
            )?;
            if index >= count {
                bail!(
                    "--part auto: JOB_COMPLETION_INDEX is {index}, expected less than the {count} of --parts"
                );
            }
            found.push(("JOB_COMPLETION_INDEX", Part { index: index + 1, count }));
        }
        match found[..] {
            [(_, part)] if part.count <= MAX_PARTS => Ok(part),
            [(_, part)] => bail!("--part auto: {} parts, expected at most {MAX_PARTS}", part.count),
            [] => bail!(
                "--part auto finds no scheduler: expected SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE, or JOB_COMPLETION_INDEX in the environment; or give --part I/N"
            ),
            _ => {
                let names: Vec<&str> = found.iter().map(|&(name, _)| name).collect();
                bail!("--part auto finds several schedulers ({}): give --part I/N", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn auto(parts: Option<usize>, variables: &[(&str, &str)]) -> Result<Part> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let args = PartArgs { part: Some(PartChoice::Auto), parts };
        let chosen = args.chosen_by(|name| variables.get(name).map(|&text| text.to_owned()))?;
        Ok(chosen.unwrap())
    }

    #[test]
    fn ranges_of_all_parts_are_all_things_in_order() {
        for (total, count) in [(10, 3), (0, 4), (3, 7), (7, 7), (1000, 1), (usize::MAX, 3)] {
            let mut next = 0;
            for index in 1..=count {
                let range = Part { index, count }.range(total);
                assert_eq!(range.start, next);
                assert!((total / count..=total / count + 1).contains(&range.len()), "{range:?}");
                next = range.end;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn places_sort_by_the_number_of_the_part() {
        let part = Part { index: 2, count: 12 };
        assert_eq!(part.folder(Path::new("a/out")), Path::new("a/out/part-02-of-12"));
        assert_eq!(part.file(Path::new("a/real.pgstats")), Path::new("a/real.part-02-of-12.pgstats"));
        assert_eq!(Part { index: 2, count: 7 }.file(Path::new("real")), Path::new("real.part-2-of-7"));
    }

    #[test]
    fn what_is_no_part_is_refused() {
        assert_eq!("2/7".parse(), Ok(Part { index: 2, count: 7 }));
        for text in ["", "2", "0/7", "8/7", "1/0", "-1/2", "a/b", "1/2/3", "1/100001"] {
            assert!(text.parse::<Part>().unwrap_err().contains("expected I/N"), "{text}");
        }
    }

    #[test]
    fn a_slurm_array_begins_anywhere_and_has_any_step() {
        let array = |id, min, step| {
            let count = [("SLURM_ARRAY_TASK_COUNT", "4"), ("SLURM_ARRAY_TASK_STEP", step)];
            let which = [("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_MIN", min)];
            auto(None, &[count, which].concat())
        };
        assert_eq!(array("0", "0", "1").unwrap(), Part { index: 1, count: 4 });
        assert_eq!(array("4", "1", "1").unwrap(), Part { index: 4, count: 4 });
        assert_eq!(array("15", "5", "5").unwrap(), Part { index: 3, count: 4 });
        // --array=0,1,3,7 has gaps.
        assert!(array("7", "0", "1").unwrap_err().to_string().contains("without gaps"));
        assert!(array("x", "0", "1").unwrap_err().to_string().contains("SLURM_ARRAY_TASK_ID is \"x\""));
    }

    #[test]
    fn ranks_and_completion_indices_count_from_0() {
        let rank = [("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "3")];
        assert_eq!(auto(None, &rank).unwrap(), Part { index: 3, count: 3 });
        let job = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(auto(Some(5), &job).unwrap(), Part { index: 1, count: 5 });
        assert!(auto(None, &job).unwrap_err().to_string().contains("--parts N"));
        assert!(auto(Some(5), &[("JOB_COMPLETION_INDEX", "5")]).is_err());
        // A single rank inside of an array's task.
        let one = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")];
        assert_eq!(auto(Some(5), &[job, [one[0]]].concat()).unwrap().count, 5);
        assert!(auto(None, &one).unwrap_err().to_string().contains("finds no scheduler"));
        let both = [rank[0], rank[1], job[0]];
        assert!(auto(Some(3), &both).unwrap_err().to_string().contains("finds several"));
        assert!(auto(Some(4), &rank).unwrap_err().to_string().contains("do not go together"));
    }

    #[test]
    fn without_auto_the_environment_is_not_looked_at() {
        let args = |part| PartArgs { part, parts: None };
        let never = |name: &str| -> Option<String> { panic!("{name}") };
        assert_eq!(args(None).chosen_by(never).unwrap(), None);
        let this = Part { index: 1, count: 2 };
        assert_eq!(args(Some(PartChoice::This(this))).chosen_by(never).unwrap(), Some(this));
    }
}
