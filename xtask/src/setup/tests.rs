//! Setup with small made-up wheels and a stand-in for Python, so that no network is needed.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::Command;

use super::*;
use crate::pinned_wheels::{Piece, Take};

/// A folder of native libraries, wheels to put into it, and a stand-in for Python that hands them out.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("index")).unwrap();
        Self { folder }
    }

    fn installation(&self, script: &str) -> Installation {
        let path = self.folder.path().join("python3.sh");
        fs::write(&path, script).unwrap();
        Installation {
            deps_dir: self.folder.path().join("deps"),
            python: Python { command: vec![OsString::from("sh"), path.into()] },
            keep_wheels: false,
            tell_when_there: false,
        }
    }

    /// A stand-in for `python3 -m pip download`: copies the whole index to where `--dest` says and
    /// notes each call in `calls`.
    fn working_python(&self) -> String {
        let here = self.folder.path().display();
        format!(
            "case \"$*\" in *--version*) echo pip 23.2 from x; exit 0;; esac\n\
             echo call >> {here}/calls\n\
             while [ $# -gt 0 ]; do if [ \"$1\" = --dest ]; then cp {here}/index/* \"$2\"; fi; shift; done\n"
        )
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default().lines().count()
    }

    /// A wheel on the index with the given entries.
    fn wheel(&self, project: &'static str, entries: &[(&str, &str)]) -> &'static Wheel {
        let file_name = format!("{project}-1.0-py3-none-manylinux_2_28_x86_64.whl");
        let path = self.folder.path().join("index").join(&file_name);
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, text) in entries {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        Box::leak(Box::new(Wheel {
            project,
            version: "1.0",
            file_name: file_name.leak(),
            sha256: pip::sha256_text(&path).leak(),
            size_bytes: fs::metadata(&path).unwrap().len(),
        }))
    }

    fn component(&self) -> &'static Component {
        let wheel = self.wheel(
            "alpha",
            &[
                ("alpha/include/a.h", "int a;"),
                ("alpha/include/deep/b.h", "int b;"),
                ("alpha/lib/libalpha.so.1", "library"),
                ("alpha/lib/unwanted.so", "no"),
                ("alpha-1.0.dist-info/licenses/LICENSE", "free"),
            ],
        );
        let take: &'static [Take] = Box::leak(Box::new([
            Take::Folder { from: "alpha/include/", to: "include/" },
            Take::File { from: "alpha/lib/libalpha.so.1", to: "lib/libalpha.so.1" },
            Take::Licences,
        ]));
        Box::leak(Box::new(Component {
            id: "alpha-1.0",
            title: "alpha",
            folder: "alpha",
            pieces: Box::leak(Box::new([Piece { wheel, take }])),
            written: &[("build-version", "1.0")],
            unpacked_bytes: 30,
        }))
    }
}

#[test]
fn what_is_wanted_is_unpacked_and_the_wheel_is_gone() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    installation.bring(&[component]).unwrap();
    let folder = installation.folder(component);
    assert_eq!(fs::read_to_string(folder.join("include/deep/b.h")).unwrap(), "int b;");
    assert_eq!(fs::read_to_string(folder.join("lib/libalpha.so.1")).unwrap(), "library");
    assert_eq!(fs::read_to_string(folder.join("licences/alpha/LICENSE")).unwrap(), "free");
    assert_eq!(fs::read_to_string(folder.join("build-version")).unwrap(), "1.0");
    assert!(!folder.join("lib/unwanted.so").exists());
    let left: Vec<_> = fs::read_dir(&installation.deps_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".setup-lock")
        .collect();
    assert_eq!(left, ["alpha"]);
}

#[test]
fn several_components_are_made_one_after_the_other() {
    let stage = Stage::new();
    let first = stage.component();
    let wheel = stage.wheel("delta", &[("delta/d.h", "int d;")]);
    let take: &'static [Take] = Box::leak(Box::new([Take::Folder { from: "delta/", to: "" }]));
    let second = Box::leak(Box::new(Component {
        id: "delta-1.0",
        title: "delta",
        folder: "delta",
        // What the first has taken from its wheel already is wanted again.
        pieces: Box::leak(Box::new([
            Piece { wheel, take },
            Piece {
                wheel: first.pieces[0].wheel,
                take: Box::leak(Box::new([Take::SharedLibraries { from: "alpha", to: "alpha" }])),
            },
        ])),
        written: &[],
        unpacked_bytes: 10,
    }));
    let installation = stage.installation(&stage.working_python());
    installation.bring(&[first, second]).unwrap();
    assert!(installation.folder(first).join("lib/libalpha.so.1").exists());
    assert!(installation.folder(second).join("d.h").exists());
    assert!(installation.folder(second).join("alpha/lib/libalpha.so.1").exists());
    assert_eq!(stage.calls(), 2, "a wheel that two components share is fetched once");
}

#[test]
fn a_second_setup_fetches_nothing() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    installation.bring(&[component]).unwrap();
    installation.bring(&[component]).unwrap();
    assert_eq!(stage.calls(), 1);
}

#[test]
fn a_file_cut_short_or_removed_is_noticed_and_mended() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    installation.bring(&[component]).unwrap();
    let folder = installation.folder(component);
    fs::write(folder.join("lib/libalpha.so.1"), "lib").unwrap();
    installation.bring(&[component]).unwrap();
    assert_eq!(fs::read_to_string(folder.join("lib/libalpha.so.1")).unwrap(), "library");
    fs::remove_file(folder.join("include/a.h")).unwrap();
    installation.bring(&[component]).unwrap();
    assert!(folder.join("include/a.h").exists());
    assert_eq!(stage.calls(), 3);
}

#[test]
fn a_folder_without_a_stamp_is_replaced_whole() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    let folder = installation.folder(component);
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("lib/hand-made.so"), "mine").unwrap();
    installation.bring(&[component]).unwrap();
    assert!(!folder.join("lib/hand-made.so").exists());
    assert!(folder.join("lib/libalpha.so.1").exists());
}

#[test]
fn a_wheel_put_there_by_hand_needs_no_python() {
    let stage = Stage::new();
    let component = stage.component();
    let mut installation = stage.installation("");
    installation.python = Python { command: vec!["/nowhere/python3".into()] };
    fs::create_dir_all(installation.wheels_dir()).unwrap();
    let name = component.pieces[0].wheel.file_name;
    fs::copy(stage.folder.path().join("index").join(name), installation.wheels_dir().join(name)).unwrap();
    installation.bring(&[component]).unwrap();
    assert!(installation.folder(component).join("lib/libalpha.so.1").exists());
}

#[test]
fn a_wheel_by_hand_with_other_bytes_is_fetched_again() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    fs::create_dir_all(installation.wheels_dir()).unwrap();
    fs::write(installation.wheels_dir().join(component.pieces[0].wheel.file_name), "half").unwrap();
    installation.bring(&[component]).unwrap();
    assert_eq!(stage.calls(), 1);
}

#[test]
fn a_killed_setup_leaves_nothing_that_stops_the_next() {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(&stage.working_python());
    fs::create_dir_all(installation.deps_dir.join("tmp/arriving/pip-unpack-x")).unwrap();
    fs::create_dir_all(installation.deps_dir.join("alpha.partial/lib")).unwrap();
    fs::write(installation.deps_dir.join("alpha.partial/lib/half.so"), "half").unwrap();
    installation.bring(&[component]).unwrap();
    assert!(!installation.deps_dir.join("tmp").exists());
    assert!(!installation.deps_dir.join("alpha.partial").exists());
    assert!(!installation.folder(component).join("lib/half.so").exists());
}

#[test]
fn a_setup_killed_between_the_renames_gets_the_old_folder_back() {
    let stage = Stage::new();
    let installation = stage.installation("");
    fs::create_dir_all(installation.deps_dir.join("libtorch.old/lib")).unwrap();
    installation.clear_leftovers().unwrap();
    assert!(installation.deps_dir.join("libtorch/lib").exists());
    assert!(!installation.deps_dir.join("libtorch.old").exists());
}

fn error_with(script: &str) -> String {
    let stage = Stage::new();
    let component = stage.component();
    let installation = stage.installation(script);
    let error = installation.bring(&[component]).unwrap_err();
    assert!(!installation.folder(component).exists(), "a failed setup must leave no folder");
    assert!(!installation.deps_dir.join("tmp").exists(), "a failed setup must leave no half download");
    format!("{error:#}")
}

#[test]
fn without_python_the_error_gives_the_manual_way() {
    let stage = Stage::new();
    let component = stage.component();
    let mut installation = stage.installation("");
    installation.python = Python { command: vec!["/nowhere/python3".into()] };
    let error = format!("{:#}", installation.bring(&[component]).unwrap_err());
    assert!(error.contains("no python3 on the path"), "{error}");
    assert!(error.contains("by hand: fetch this file"), "{error}");
    assert!(error.contains(component.pieces[0].wheel.sha256), "{error}");
    assert!(error.contains(&installation.wheels_dir().display().to_string()), "{error}");
}

#[test]
fn without_pip_the_error_says_so() {
    let error = error_with("echo 'python3: No module named pip' >&2; exit 1");
    assert!(error.contains("python3 has no pip"), "{error}");
    assert!(error.contains("by hand"), "{error}");
}

#[test]
fn without_a_network_the_error_says_so() {
    let error = error_with("echo 'NewConnectionError: no route' >&2; exit 1");
    assert!(error.contains("pip reached no package index"), "{error}");
    assert!(error.contains("pip: NewConnectionError: no route"), "{error}");
}

#[test]
fn bytes_with_another_hash_are_refused_even_when_pip_takes_them() {
    let error = error_with(
        "while [ $# -gt 0 ]; do if [ \"$1\" = --dest ]; then \
         echo other > \"$2/alpha-1.0-py3-none-manylinux_2_28_x86_64.whl\"; fi; shift; done",
    );
    assert!(error.contains("another SHA-256 than the pinned one"), "{error}");
}

#[test]
fn a_full_disk_is_named_with_the_way_on() {
    let error = error_with("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1");
    assert!(error.contains("the disk is full"), "{error}");
    assert!(error.contains("make room"), "{error}");
    assert!(!error.contains("by hand"), "{error}");
}

#[test]
fn a_wheel_that_lacks_a_wanted_file_is_an_error() {
    let stage = Stage::new();
    let wheel = stage.wheel("beta", &[("beta/other.so", "x")]);
    let take: &'static [Take] =
        Box::leak(Box::new([Take::File { from: "beta/lib/libbeta.so", to: "lib/libbeta.so" }]));
    let component = Box::leak(Box::new(Component {
        id: "beta-1.0",
        title: "beta",
        folder: "beta",
        pieces: Box::leak(Box::new([Piece { wheel, take }])),
        written: &[],
        unpacked_bytes: 1,
    }));
    let installation = stage.installation(&stage.working_python());
    let error = format!("{:#}", installation.bring(&[component]).unwrap_err());
    assert!(error.contains("beta/lib/libbeta.so"), "{error}");
    assert!(!installation.folder(component).exists());
    assert!(!installation.deps_dir.join("beta.partial").exists());
}

#[test]
fn an_entry_that_leads_out_of_the_folder_is_refused() {
    let stage = Stage::new();
    let wheel = stage.wheel("gamma", &[("gamma/../../outside", "x")]);
    let take: &'static [Take] = Box::leak(Box::new([Take::Folder { from: "gamma/", to: "" }]));
    let component = Box::leak(Box::new(Component {
        id: "gamma-1.0",
        title: "gamma",
        folder: "gamma",
        pieces: Box::leak(Box::new([Piece { wheel, take }])),
        written: &[],
        unpacked_bytes: 1,
    }));
    let installation = stage.installation(&stage.working_python());
    let error = format!("{:#}", installation.bring(&[component]).unwrap_err());
    assert!(error.contains("leads out of its folder"), "{error}");
}

#[test]
fn two_setups_at_once_fetch_once() {
    let stage = Stage::new();
    let component = stage.component();
    let slow = format!("case \"$*\" in *--version*) ;; *) sleep 0.5;; esac\n{}", stage.working_python());
    let installation = stage.installation(&slow);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| installation.bring(&[component]).unwrap());
        }
    });
    assert_eq!(stage.calls(), 1);
}

#[test]
fn children_are_told_where_onnx_runtime_is() {
    let libraries = NativeLibraries { onnxruntime_library: "/x/libonnxruntime.so".into() };
    let mut command = Command::new("true");
    libraries.apply(&mut command);
    assert!(
        command.get_envs().any(|(name, value)| {
            name == "ORT_DYLIB_PATH" && value == Some("/x/libonnxruntime.so".as_ref())
        })
    );
}
