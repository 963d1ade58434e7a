//! Help texts, as they show at 100 columns.

use pg_testkit::sandbox::Sandbox;

#[test]
fn help_of_every_command_is_as_recorded() {
    let sandbox = Sandbox::new();
    for command in [
        "", "align", "pack", "merge", "select", "info", "verify", "compare", "view", "extract", "export",
        "synth",
    ] {
        let arguments = if command.is_empty() { vec!["--help"] } else { vec![command, "--help"] };
        let help = sandbox.run("pgprep", arguments).with_status(0).stdout;
        assert!(help.contains("\nExamples:\n"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
        let name = if command.is_empty() { "pgprep".to_owned() } else { format!("pgprep_{command}") };
        insta::assert_snapshot!(name, help);
    }
}
