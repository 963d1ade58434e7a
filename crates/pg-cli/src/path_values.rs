//! Values of flags that are paths: what looks like a URL is never taken for one.
//!
//! A tool that took `s3://bucket/faces` for a path would make a folder `s3:` and report success. Each flag with a path
//! therefore parses its value by [`local_path`] or [`path_or_url`]; a test in each tool finds the flags that do not,
//! by [`url_complaints`].

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser, ValueParser};
use clap::{Arg, Command};

/// The scheme of what looks like a URL, `SCHEME://…`: letters, digits, `+`, `-` and `.`, a letter first, in any case.
/// Nothing else is a URL: neither `C:\photos` nor `./s3://photos` nor `s3:photos`.
#[must_use]
pub fn url_scheme(value: &OsStr) -> Option<&str> {
    let bytes = value.as_encoded_bytes();
    let end = bytes.windows(3).position(|window| window == b"://")?;
    let scheme = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let is_first = |c: char| c.is_ascii_alphabetic();
    let is_further = |c: char| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c);
    (scheme.starts_with(is_first) && scheme.chars().all(is_further)).then_some(scheme)
}

/// Parses a path on this machine; refuses what looks like a URL.
#[must_use]
pub fn local_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match url_scheme(path.as_os_str()) {
        None => Ok(path),
        Some(_) => Err(refusal("which cannot be used here", &path)),
    })
}

/// Parses a path, or a URL that begins with one of `known` (such as `s3://`) if the program `is_built_in` to reach it;
/// refuses every other URL.
#[must_use]
pub fn path_or_url(
    known: &'static [&'static str],
    is_built_in: bool,
) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| {
        let Some(scheme) = url_scheme(path.as_os_str()) else { return Ok(path) };
        let is_scheme =
            |known: &&str| known.strip_suffix("://").is_some_and(|known| known.eq_ignore_ascii_case(scheme));
        match (known.iter().any(is_scheme), is_built_in) {
            (true, true) => Ok(path),
            (true, false) => Err(refusal(
                "and this program was built without object storage: build it with `--features cloud`",
                &path,
            )),
            (false, _) => {
                Err(refusal(&format!("of none of the schemes that are read ({})", known.join(", ")), &path))
            }
        }
    })
}

/// Why a URL is refused, and what to do.
fn refusal(why: &str, url: &Path) -> String {
    let remedy = match url.to_str().and_then(|text| text.get(..7).zip(text.get(7..))) {
        Some((scheme, path)) if scheme.eq_ignore_ascii_case("file://") && path.starts_with('/') => {
            format!("give the path `{path}`")
        }
        _ => "give a path on this machine".to_owned(),
    };
    format!("this is a URL, {why}; {remedy}")
}

/// Values that every flag must refuse: URLs of schemes that no tool reads.
const FOREIGN_URLS: [&str; 5] =
    ["ftp://host/x", "S3A://bucket/x", "file:///x", "abfs+x.1-y://c@host/x", "azure://"];
/// Values that every flag must take.
const PATHS: [&str; 6] = ["faces", "./s3://x", "s3:/x", r"C:\photos", "/data/s3://x", "a b/1://x"];
/// Words of a value's name by which a flag takes a path.
const PATH_WORDS: [&str; 9] = ["FILE", "FOLDER", "DIR", "PATH", "OUT", "RUN", "SNAPSHOT", "SOURCE", "PHOTOS"];

/// What is wrong with the flags of `command` and of all commands below it, for a test that all tools have: flags whose
/// value is a path and that take a URL of a foreign scheme, or one of `refused`, or that refuse a path; and flags
/// whose value has a path's name and another type.
///
/// Paths are told by their type, so that a new flag is among them whatever it is called.
#[must_use]
pub fn url_complaints(command: &Command, refused: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    visit(command, command.get_name(), refused, &mut complaints);
    complaints
}

/// How many flags with paths `command` and the commands below it have.
#[must_use]
pub fn path_flags(command: &Command) -> usize {
    let own = command.get_arguments().filter(|argument| is_path(argument.get_value_parser())).count();
    own + command.get_subcommands().map(path_flags).sum::<usize>()
}

fn visit(command: &Command, name: &str, refused: &[&str], complaints: &mut Vec<String>) {
    for argument in command.get_arguments() {
        let flag = format!("{name}: {}", argument.get_id());
        let parser = argument.get_value_parser();
        if is_path(parser) {
            let urls = FOREIGN_URLS.iter().chain(refused).filter(|url| takes(parser, url));
            complaints.extend(urls.map(|url| format!("{flag} takes {url} for a path")));
            let paths = PATHS.iter().filter(|path| !takes(parser, path));
            complaints.extend(paths.map(|path| format!("{flag} refuses the path {path}")));
        } else if has_a_path_s_name(argument) {
            complaints.push(format!("{flag} is named as a path, but has another type"));
        }
    }
    for below in command.get_subcommands() {
        visit(below, &format!("{name} {}", below.get_name()), refused, complaints);
    }
}

fn is_path(parser: &ValueParser) -> bool {
    let id = parser.type_id();
    id == TypeId::of::<PathBuf>() || id == TypeId::of::<OsString>()
}

fn has_a_path_s_name(argument: &Arg) -> bool {
    let names = argument.get_value_names().unwrap_or_default();
    let mut words = names.iter().flat_map(|name| name.split(|c: char| !c.is_ascii_alphabetic()));
    argument.get_action().takes_values() && words.any(|word| PATH_WORDS.contains(&word))
}

/// Whether `parser` takes `value`.
fn takes(parser: &ValueParser, value: &str) -> bool {
    let flag = Arg::new("value").long("value").value_parser(parser.clone());
    Command::new("one flag").arg(flag).try_get_matches_from(["one flag", "--value", value]).is_ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const KNOWN: [&str; 2] = ["s3://", "gs://"];

    #[test]
    fn urls_are_told_from_paths_by_their_scheme() {
        for (value, scheme) in [
            ("s3://bucket/x", Some("s3")),
            ("S3://", Some("S3")),
            ("svn+ssh://host", Some("svn+ssh")),
            ("x.y-z://", Some("x.y-z")),
            ("s3:/x", None),
            ("s3:x", None),
            ("./s3://x", None),
            ("dir/s3://x", None),
            ("://x", None),
            ("3s://x", None),
            (r"C:\x", None),
            ("my photos://x", None),
            ("é://x", None),
            ("", None),
        ] {
            assert_eq!(url_scheme(OsStr::new(value)), scheme, "{value}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_are_paths_and_urls_like_others() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(url_scheme(OsStr::from_bytes(b"s3://\xff")), Some("s3"));
        assert_eq!(url_scheme(OsStr::from_bytes(b"\xff://x")), None);
    }

    fn said(parser: impl TypedValueParser<Value = PathBuf>, value: &str) -> Result<PathBuf, String> {
        let flag = Arg::new("output").short('o').long("output").value_name("OUT").value_parser(parser);
        let parsed = Command::new("tool").arg(flag).try_get_matches_from(["tool", "-o", value]);
        match parsed {
            Ok(mut matches) => Ok(matches.remove_one("output").unwrap()),
            Err(error) => {
                assert_eq!(error.exit_code(), 2);
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn known_urls_pass_where_they_can_be_reached() {
        for url in ["s3://bucket/x", "GS://bucket"] {
            assert_eq!(said(path_or_url(&KNOWN, true), url), Ok(PathBuf::from(url)));
            let error = said(path_or_url(&KNOWN, false), url).unwrap_err();
            assert!(error.contains("--output <OUT>") && error.contains(url), "{error}");
            assert!(error.contains("build it with `--features cloud`"), "{error}");
            assert!(said(local_path(), url).unwrap_err().contains("cannot be used here"));
        }
        let error = said(path_or_url(&KNOWN, true), "ftp://host/x").unwrap_err();
        assert!(error.contains("of none of the schemes that are read (s3://, gs://)"), "{error}");
        assert!(error.contains("; give a path on this machine"), "{error}");
        let error = said(local_path(), "FILE:///data/x").unwrap_err();
        assert!(error.contains("give the path `/data/x`"), "{error}");
    }

    #[derive(Parser)]
    #[command(name = "tool")]
    struct Sloppy {
        #[arg(long, global = true, value_name = "DIR", value_parser = local_path())]
        scratch: Option<PathBuf>,
        #[command(subcommand)]
        command: SloppyCommand,
    }

    #[derive(clap::Subcommand)]
    enum SloppyCommand {
        Good {
            #[arg(value_parser = path_or_url(&KNOWN, false))]
            source: PathBuf,
        },
        Bad {
            parts: Vec<PathBuf>,
            #[arg(long, value_name = "FILE.csv")]
            labels: Option<String>,
            #[arg(long, value_parser = path_or_url(&KNOWN, true))]
            output: PathBuf,
        },
    }

    #[test]
    fn flags_that_forgot_to_refuse_urls_are_found_in_every_command() {
        use clap::CommandFactory as _;
        let command = Sloppy::command();
        assert_eq!(path_flags(&command), 4);
        let complaints = url_complaints(&command, &["s3://bucket/x"]);
        let of_parts = |url: &str| format!("tool bad: parts takes {url} for a path");
        let mut expected: Vec<String> = FOREIGN_URLS.iter().map(|url| of_parts(url)).collect();
        expected.push(of_parts("s3://bucket/x"));
        expected.push("tool bad: labels is named as a path, but has another type".to_owned());
        expected.push("tool bad: output takes s3://bucket/x for a path".to_owned());
        assert_eq!(complaints, expected);
    }
}
