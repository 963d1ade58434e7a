//! TensorBoard's event files that an earlier start of a run left: looked through, and cut where the run goes on. The first byte
//! is the step.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_training::EventWriter;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    FOLDER.with(|folder| {
        for entry in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        let path = folder.write("events.out.tfevents.0000000007.pgkit", bytes);
        let mut writer = EventWriter::new(folder.path(), step.into());
        let _ = writer.holds(step.into(), "Loss/D").map_err(|error| error.to_string());
        writer.scalars(u64::from(step) + 1, 9.0, &[("Loss/D", 1.0)]).expect("it is written");
        assert!(std::fs::metadata(path).is_ok_and(|cut| cut.len() <= bytes.len() as u64));
        let writer = EventWriter::new(folder.path(), step.into());
        assert!(writer.holds(u64::from(step) + 1, "Loss/D").expect("it is read"));
    });
});
