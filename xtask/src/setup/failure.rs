//! What to tell the user when setup cannot go on: what, why, and how to do it by hand.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use anyhow::anyhow;

use super::meter::megabytes;
use crate::pinned_wheels::Wheel;

/// Why a wheel could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoPython,
    NoPip,
    NoNetwork,
    NotOnTheIndex,
    OtherBytes,
    DiskFull,
    Unknown,
}

impl Cause {
    /// Reads the cause out of what pip printed.
    pub(super) fn from_pip_output(text: &str) -> Self {
        let has = |needle: &str| text.contains(needle);
        if has("No module named pip") {
            Self::NoPip
        } else if has("No space left on device") {
            Self::DiskFull
        } else if has("DO NOT MATCH THE HASHES") || has("THESE PACKAGES DO NOT MATCH") {
            Self::OtherBytes
        } else if [
            "NewConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "NameResolutionError",
            "ProxyError",
            "SSLError",
            "ConnectionResetError",
            "Connection refused",
            "Max retries exceeded",
            "Temporary failure in name resolution",
        ]
        .into_iter()
        .any(has)
        {
            Self::NoNetwork
        } else if has("No matching distribution found") || has("Could not find a version") {
            Self::NotOnTheIndex
        } else {
            Self::Unknown
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NoPython => "there is no python3 on the path (on Debian: apt install python3 python3-pip)",
            Self::NoPip => "python3 has no pip (on Debian: apt install python3-pip)",
            Self::NoNetwork => "pip reached no package index (network, proxy, or pip's own settings)",
            Self::NotOnTheIndex => "the package index that pip is set to offers no such file",
            Self::OtherBytes => "what came has another SHA-256 than the pinned one, and was thrown away",
            Self::DiskFull => "the disk is full",
            Self::Unknown => "pip failed",
        }
    }
}

/// A wheel that could not be fetched.
#[derive(Debug)]
pub(super) struct FetchFailure {
    pub(super) file_name: &'static str,
    pub(super) cause: Cause,
    /// The end of what pip printed, for the causes where it helps.
    pub(super) pip_said: String,
}

impl std::fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not fetch {}: {}", self.file_name, self.cause.text())?;
        for line in self.pip_said.lines() {
            write!(f, "\n  pip: {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FetchFailure {}

/// Adds the way out to an error of setup.
pub(super) fn explain(error: anyhow::Error, deps_dir: &Path, needed: &[&'static Wheel]) -> anyhow::Error {
    if is_disk_full(&error) {
        return anyhow!(
            "{error:#}\nmake room where {} lies and run `cargo xtask setup` again: it goes on with the wheels \
             that are already there",
            deps_dir.display()
        );
    }
    if error.downcast_ref::<FetchFailure>().is_none() {
        return error;
    }
    let wheels_dir = deps_dir.join("wheels");
    let mut text = format!(
        "{error:#}\nby hand: fetch {} by other means, put {} into {}, and run `cargo xtask setup` again",
        if needed.len() == 1 { "this file" } else { "these files" },
        if needed.len() == 1 { "it" } else { "them" },
        wheels_dir.display()
    );
    for wheel in needed {
        let size = megabytes(wheel.size_bytes);
        let _ = write!(
            text,
            "\n  {}  ({size}, project {})\n    sha256 {}",
            wheel.file_name, wheel.project, wheel.sha256
        );
    }
    text.push_str(
        "\nor point $LIBTORCH at a libtorch 2.11.0 and $ORT_DYLIB_PATH at a libonnxruntime.so you have",
    );
    anyhow!(text)
}

fn is_disk_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
            || cause.downcast_ref::<FetchFailure>().is_some_and(|f| f.cause == Cause::DiskFull)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_read_out_of_pip_s_words() {
        let cases = [
            ("/usr/bin/python3: No module named pip", Cause::NoPip),
            (
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
                Cause::DiskFull,
            ),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", Cause::OtherBytes),
            (
                "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found for torch==2.11.0",
                Cause::NoNetwork,
            ),
            ("ERROR: No matching distribution found for torch==2.11.0", Cause::NotOnTheIndex),
            ("Segmentation fault", Cause::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(Cause::from_pip_output(text), expected, "{text}");
        }
    }

    #[test]
    fn a_full_disk_is_recognised_below_its_context() {
        let error =
            anyhow::Error::new(io::Error::from(io::ErrorKind::StorageFull)).context("could not unpack");
        let text = format!("{:#}", explain(error, Path::new("/x/.deps"), &[]));
        assert!(text.contains("could not unpack"), "{text}");
        assert!(text.contains("make room where /x/.deps lies"), "{text}");
    }
}
