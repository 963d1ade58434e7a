//! Errors in one line.

use std::error::Error;

/// An error and its causes on one line, as [`crate::FailedItem`] keeps it. Many texts hold those of their causes, which
/// are not repeated.
#[must_use]
pub fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Said>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Said {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn causes_follow_unless_they_have_been_said() {
        let caused = |text, cause| Said(text, Some(Box::new(cause)));
        let error = caused("cannot open a.png", caused("open a.png: not there", Said("not there", None)));
        assert_eq!(reason(&error), "cannot open a.png: open a.png: not there");
        assert_eq!(reason(&Said("alone", None)), "alone");
    }
}
