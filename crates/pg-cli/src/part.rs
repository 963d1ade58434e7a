//! `--part`: a share of the work, as a scheduler's job takes one.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use pg_build::Part;
use pg_shard::MAX_PARTS;

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
