//! `snapback.yaml`: no text makes its reader panic, hang or grow without bound, and what is read
//! once is read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::config;

fuzz_target!(|text: &str| {
    let dir = tempfile::tempdir().expect("it makes folders");
    std::fs::create_dir_all(dir.path().join("tasks/T01")).expect("it makes folders");
    let read = || {
        let read = config::settings_of(dir.path(), text);
        read.map(|settings| format!("{settings:?}"))
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(), read());
});
