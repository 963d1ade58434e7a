//! How often files are opened, as the system tells.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;

use pg_testkit::sandbox::Sandbox;
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};

use crate::network::run;
use crate::support::draw_folder;

/// Runs `command` and counts how often each file of `folders` was opened meanwhile, by folder and name.
fn opens(sandbox: &Sandbox, folders: [&str; 2], command: impl FnOnce()) -> BTreeMap<String, usize> {
    let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    let watches = folders.map(|folder| add_watch(&queue, sandbox.path(folder), WatchFlags::OPEN).unwrap());
    command();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(&queue, &mut buffer);
    let mut counts = BTreeMap::new();
    while let Ok(event) = events.next() {
        let place = watches.iter().position(|&watch| watch == event.wd()).unwrap();
        // The folder itself has no name.
        if let Some(name) = event.file_name() {
            *counts.entry(format!("{}/{}", folders[place], name.to_str().unwrap())).or_default() += 1;
        }
    }
    counts
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask setup"]
fn every_metric_takes_one_look_at_each_image() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 9, 32, 0);
    draw_folder(&sandbox, "fake", 9, 32, 50);
    let all = ["all", "real", "fake", "-o", "result.json", "--report", "report.html", "--floor"];
    let counts = opens(&sandbox, ["real", "fake"], || {
        let result = run(&sandbox, &all);
        assert_eq!(result["metrics"].as_array().unwrap().len(), 7);
    });
    assert_eq!(counts.len(), 18, "{counts:?}");
    assert!(counts.values().all(|&times| times == 1), "{counts:?}");
    for metric in ["fid", "kid", "pr"] {
        let counts = opens(&sandbox, ["real", "fake"], || drop(run(&sandbox, &[metric, "real", "fake"])));
        assert!(counts.len() == 18 && counts.values().all(|&times| times == 1), "{metric}: {counts:?}");
    }
}
