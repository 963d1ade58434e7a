//! `cargo xtask setup` as a user meets it, through the binary and without a network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Setup into a folder of its own, with only the programs in `path` to be found.
fn setup(folder: &Path, path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["setup", "--deps-dir"])
        .arg(folder.join("deps"))
        .env("PATH", path)
        .env_remove("LIBTORCH")
        .env_remove("LIBTORCH_LIB")
        .env_remove("LIBTORCH_USE_PYTORCH")
        .env_remove("ORT_DYLIB_PATH");
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("xtask starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_python_the_exit_status_is_two_and_the_message_gives_the_manual_way() {
    let folder = TempDir::new().unwrap();
    let output = output(&mut setup(folder.path(), folder.path()));
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.starts_with("error: could not fetch onnxruntime-1.32.0"), "{text}");
    assert!(text.contains("no python3 on the path"), "{text}");
    assert!(text.contains("torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"), "{text}");
    assert!(text.contains(&folder.path().join("deps/wheels").display().to_string()), "{text}");
    assert!(!folder.path().join("deps/libtorch").exists());
}

#[test]
fn a_dry_run_lists_the_wheels_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let output = output(setup(folder.path(), folder.path()).arg("--dry-run"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().filter(|line| line.starts_with("fetch")).count(), 4, "{text}");
    assert!(text.contains("dry run: 571 MB to fetch"), "{text}");
    assert!(!folder.path().join("deps").exists());
}

#[test]
fn the_cuda_set_names_every_wheel_once() {
    let folder = TempDir::new().unwrap();
    let output = output(setup(folder.path(), folder.path()).args(["--dry-run", "--cuda"]));
    let text = stdout(&output);
    assert_eq!(text.lines().filter(|line| line.starts_with("fetch")).count(), 17, "{text}");
    assert_eq!(text.matches("nvidia_cudnn_cu13").count(), 1, "{text}");
}

#[test]
fn libraries_of_the_user_win() {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("own/lib");
    fs::create_dir_all(&own).unwrap();
    for name in ["libtorch_cpu.so", "libc10.so", "libonnxruntime.so"] {
        fs::write(own.join(name), "").unwrap();
    }
    let output = output(
        setup(folder.path(), folder.path())
            .env("LIBTORCH", folder.path().join("own"))
            .env("ORT_DYLIB_PATH", own.join("libonnxruntime.so")),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("libtorch: yours is used"), "{text}");
    assert!(text.contains("ONNX Runtime: yours is used"), "{text}");
    assert!(!folder.path().join("deps").exists());
}

#[test]
fn a_libtorch_variable_that_points_nowhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let output = output(setup(folder.path(), folder.path()).env("LIBTORCH", "/nowhere"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("LIBTORCH=/nowhere holds no libtorch"), "{}", stderr(&output));
}
