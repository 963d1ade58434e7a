//! Fetching one pinned wheel with pip, from whatever index the user's pip is set to.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::failure::{Cause, FetchFailure};
use super::meter::Meter;
use crate::pinned_wheels::Wheel;

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const PIP_LINES_SHOWN: usize = 6;

/// How Python is called.
#[derive(Debug, Clone)]
pub(super) struct Python {
    /// Program and leading arguments.
    pub(super) command: Vec<OsString>,
}

impl Python {
    pub(super) fn on_path() -> Self {
        Self { command: vec!["python3".into()] }
    }

    fn pip(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(["-m", "pip"]);
        command
    }
}

/// Whether the wheel lies in `wheels_dir` with the right bytes.
pub(super) fn is_there(wheels_dir: &Path, wheel: &Wheel) -> Result<bool> {
    let path = wheels_dir.join(wheel.file_name);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() != wheel.size_bytes => Ok(false),
        Ok(_) => {
            let digest = sha256_of(&path).with_context(|| format!("could not read {}", path.display()))?;
            Ok(digest == wheel.sha256)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Makes sure that the wheel lies in `<deps_dir>/wheels`, fetching it when it does not.
pub(super) fn fetch(python: &Python, deps_dir: &Path, wheel: &'static Wheel) -> Result<()> {
    let place = deps_dir.join("wheels").join(wheel.file_name);
    if is_there(&deps_dir.join("wheels"), wheel)? {
        println!("{}: already fetched", wheel.file_name);
        return Ok(());
    }
    if place.exists() {
        // Put there by hand and cut short, or another build: pip gets the right one.
        println!("{}: not the pinned bytes, fetching it again", place.display());
    }
    let scratch = Scratch::make(deps_dir)?;
    let text = download(python, &scratch, wheel)?;
    let fetched = scratch.wheels.join(wheel.file_name);
    // pip has compared the hash; comparing it here again costs a second and rests on nobody's flags.
    if !is_there(&scratch.wheels, wheel)? {
        let cause = if fetched.exists() { Cause::OtherBytes } else { Cause::Unknown };
        return Err(FetchFailure { file_name: wheel.file_name, cause, pip_said: last_lines(&text) }.into());
    }
    fs::rename(&fetched, &place).with_context(|| format!("could not move {} into place", place.display()))
}

/// Temporary folders below `.deps/tmp`, removed when dropped.
struct Scratch {
    root: PathBuf,
    /// pip's TMPDIR, where the bytes arrive.
    arriving: PathBuf,
    /// Where pip puts a whole wheel.
    wheels: PathBuf,
}

impl Scratch {
    fn make(deps_dir: &Path) -> Result<Self> {
        let root = deps_dir.join("tmp");
        let scratch = Self { arriving: root.join("arriving"), wheels: root.join("wheels"), root };
        for folder in [&scratch.arriving, &scratch.wheels] {
            fs::create_dir_all(folder)
                .with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Runs pip and returns what it printed.
fn download(python: &Python, scratch: &Scratch, wheel: &'static Wheel) -> Result<String> {
    let requirements = scratch.root.join("requirements.txt");
    let line = format!("{}=={} --hash=sha256:{}\n", wheel.project, wheel.version, wheel.sha256);
    fs::write(&requirements, line).with_context(|| format!("could not write {}", requirements.display()))?;
    // Kept in memory: a log file would be cut short by the full disk it has to tell of.
    let (said, log) = io::pipe().context("could not make a pipe for pip")?;

    let mut command = python.pip();
    command
        .args(["download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"])
        .args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off"])
        .args(target_arguments(wheel.file_name))
        .args(resume_arguments(python))
        .arg("--dest")
        .arg(&scratch.wheels)
        .arg("--requirement")
        .arg(&requirements)
        .env("TMPDIR", &scratch.arriving)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("could not make a pipe for pip")?)
        .stderr(log);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let cause = Cause::NoPython;
            return Err(FetchFailure { file_name: wheel.file_name, cause, pip_said: String::new() }.into());
        }
        Err(error) => return Err(anyhow!(error).context("could not start python3")),
    };

    // Or this process would hold the pipe open and its reader would never end.
    drop(command);
    let reader = thread::spawn(move || read_all(said));
    let mut meter = Meter::new(format!("fetching {} {}", wheel.project, wheel.version), wheel.size_bytes);
    let status = loop {
        if let Some(status) = child.try_wait().context("could not wait for pip")? {
            break status;
        }
        // The whole wheel is copied from the one folder to the other at the end.
        meter.set(bytes_below(&scratch.arriving).max(bytes_below(&scratch.wheels)));
        thread::sleep(BETWEEN_LOOKS);
    };
    drop(meter);
    let text = reader.join().unwrap_or_default();
    if status.success() {
        return Ok(text);
    }
    let cause = Cause::from_pip_output(&text);
    let pip_said = match cause {
        Cause::NoPip | Cause::DiskFull => String::new(),
        _ => last_lines(&text),
    };
    Err(FetchFailure { file_name: wheel.file_name, cause, pip_said }.into())
}

fn read_all(mut source: io::PipeReader) -> String {
    let mut bytes = Vec::new();
    // What came before a broken pipe is still worth showing.
    let _ = source.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(PIP_LINES_SHOWN)..].join("\n")
}

/// The flags that make pip, under any Python, look for exactly this kind of wheel.
fn target_arguments(file_name: &str) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"].map(String::from).to_vec();
    let platforms = file_name.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
    for platform in platforms.split('.') {
        arguments.extend(["--platform".to_owned(), platform.to_owned()]);
    }
    arguments
}

/// pip 25.1 and later continue a broken download; older ones do not know the flag.
fn resume_arguments(python: &Python) -> &'static [&'static str] {
    let output = python.pip().arg("--version").stdin(Stdio::null()).output();
    let knows = output.is_ok_and(|output| {
        pip_version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|version| version >= (25, 1))
    });
    if knows { &["--resume-retries", "5"] } else { &[] }
}

/// Major and minor out of `pip 23.2.1 from …`.
fn pip_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().unwrap_or("0").parse().ok()?;
    Some((major, minor))
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    // pip moves things while this looks: whatever cannot be read counts nothing.
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// For made-up wheels in tests.
#[cfg(test)]
pub(super) fn sha256_text(path: &Path) -> String {
    sha256_of(path).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_tag_of_the_file_name_is_passed_on() {
        let arguments = target_arguments("a-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl");
        assert_eq!(
            arguments[6..],
            ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64"]
        );
    }

    #[test]
    fn the_version_is_read_out_of_what_pip_says() {
        assert_eq!(pip_version("pip 23.2.1 from /usr/lib (python 3.11)"), Some((23, 2)));
        assert_eq!(pip_version("pip 26 from /usr/lib (python 3.14)"), Some((26, 0)));
        assert_eq!(pip_version(""), None);
    }

    #[test]
    fn the_hash_of_a_file_is_lower_case_hexadecimal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha256_of(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
