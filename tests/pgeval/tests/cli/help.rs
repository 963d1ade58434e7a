//! What `--help` offers.

use pg_testkit::sandbox::Sandbox;

use crate::support::draw_folder;

#[test]
fn help_groups_the_flags_and_ends_with_examples() {
    let sandbox = Sandbox::new();
    for (arguments, headings) in [
        (&["--help"][..], &["Commands:", "Common options:"][..]),
        (&["swd", "--help"], &["Arguments:", "Protocol:", "Output:", "Input:", "Common options:"]),
        (&["ms-ssim", "--help"], &["Arguments:", "Protocol:", "Output:", "Input:", "Common options:"]),
        (&["stats", "--help"], &["Arguments:", "Protocol:", "Output:", "Input:", "Common options:"]),
        (&["is", "--help"], &["Arguments:", "Protocol:", "Output:", "Network:", "Input:", "Common options:"]),
        (
            &["fid", "--help"],
            &["Arguments:", "Protocol:", "Output:", "Network:", "Input:", "Common options:"],
        ),
        (
            &["kid", "--help"],
            &["Arguments:", "Protocol:", "Output:", "Network:", "Input:", "Common options:"],
        ),
        (&["pr", "--help"], &["Arguments:", "Protocol:", "Output:", "Network:", "Input:", "Common options:"]),
        (&["ppl", "--help"], &["Arguments:", "Network:", "Protocol:", "Output:", "Common options:"]),
        (
            &["ls", "--help"],
            &["Arguments:", "Attributes:", "Protocol:", "Output:", "Network:", "Common options:"],
        ),
        (&["gate", "--help"], &["Arguments:", "Judgement:", "Output:", "Common options:"]),
    ] {
        let help = sandbox.run("pgeval", arguments).with_status(0).stdout;
        for heading in headings {
            assert!(help.contains(heading), "{heading} not in\n{help}");
        }
        let last = help.rsplit("\n\n").next().unwrap_or_default();
        assert!(last.starts_with("Examples:\n  pgeval "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn the_long_help_says_what_the_number_means() {
    let sandbox = Sandbox::new();
    for (command, meaning) in
        [("swd", "Lower is nearer"), ("ms-ssim", "lower means that the images differ more")]
    {
        let help = sandbox.run("pgeval", [command, "--help"]).with_status(0).stdout;
        assert!(help.contains(meaning), "{help}");
    }
}

#[test]
fn only_metrics_that_exist_are_offered() {
    let sandbox = Sandbox::new();
    let help = sandbox.run("pgeval", ["--help"]).with_status(0).stdout;
    let commands =
        help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        ["swd", "ms-ssim", "is", "fid", "kid", "pr", "ppl", "ls", "all", "stats", "gate", "help"]
    );
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 2, 16, 0);
    let mut command = sandbox.command("pgeval");
    command.args(["ms-ssim", "images", "--quiet"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("pgeval starts");
    drop(child.stdout.take());
    let status = child.wait().expect("pgeval ends");
    assert_eq!(status.code(), Some(0));
}
