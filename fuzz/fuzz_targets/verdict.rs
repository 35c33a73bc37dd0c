//! Shared verdicts: the name of a reference on the first line, the bytes of its blob after it. What
//! is accepted says of what it speaks, has one form only (but for words of newer programs), and
//! says nothing of the storage of this clone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    model::{GitId, Verdict},
    verdict::refs::{PREFIX, record_of},
};

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(name) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let Some(Ok(blob)) = name.rsplit('/').next().map(str::parse::<GitId>) else {
        return;
    };
    let content = &bytes[end + 1..];
    let Ok(record) = record_of(name, &blob, || Ok(content.to_vec())) else {
        return;
    };
    assert_eq!(
        name,
        format!("{PREFIX}{}/{}/{blob}", record.task, record.version)
    );
    if matches!(record.verdict, Verdict::Unknown(_)) {
        return;
    }
    assert!(record.is_shared());
    for twin in [
        &[content, b" "].concat()[..],
        &[b" ", content].concat(),
        &content[..content.len() - 1],
    ] {
        assert!(
            record_of(name, &blob, || Ok(twin.to_vec())).is_err(),
            "one form only"
        );
    }
});
