//! Edits of the audit log are detected: every byte of a log of 20 lines, every line removed,
//! doubled, moved or added, an end cut off after a tag named it. Its format is frozen.

use std::{fs, path::Path, sync::Arc};

use proptest::prelude::*;
use snapback::{
    audit::{
        AppendMode, SEGMENT_LIMIT, Segment, Trail,
        check::{Anchored, Outside, check},
        line,
    },
    base::{Digest, Fs, RelPath},
    model::audit::{Anchor, AuditCheck, AuditEnd},
};

use crate::support::{sim::SimFs, trail::saying};

const LINES: usize = 20;

/// Returns a log with this many lines, as one segment.
fn log(lines: usize) -> Vec<u8> {
    let (mut text, mut prev) = (String::new(), None);
    for seq in 1..=lines {
        let end = [AuditEnd::Done, AuditEnd::PutBack, AuditEnd::Failed][seq % 3];
        let line = line::render(
            seq as u64,
            prev,
            &saying(&format!("{seq:06}-0000000{}", seq % 10), end),
        );
        prev = Some(Digest::of(line.as_bytes()));
        text += &line;
        text.push('\n');
    }
    text.into_bytes()
}

/// Checks one segment with an anchor at its end, as in the tag of a release.
fn checked(bytes: &[u8], anchor: Option<Anchor>) -> AuditCheck {
    let anchors = anchor.map(|anchor| Anchored {
        tag: "T01-v1.0.0".into(),
        anchor,
        own: true,
    });
    check(
        &[Segment {
            number: 1,
            bytes: bytes.to_vec(),
        }],
        &Outside {
            anchors: anchors.into_iter().collect(),
            ..Outside::default()
        },
    )
}

/// Returns the newest line of a log.
fn anchor(bytes: &[u8]) -> Anchor {
    checked(bytes, None).head.unwrap()
}

fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn an_untouched_log_raises_no_alarm() {
    let whole = log(LINES);
    let found = checked(&whole, Some(anchor(&whole)));
    assert!(found.is_good() && found.notes.is_empty(), "{found:?}");
    assert_eq!((found.lines, found.anchors), (LINES as u64, 1));
    // The log has grown since the tag was made.
    assert!(checked(&log(LINES + 5), Some(anchor(&whole))).is_good());
    assert!(check(&[], &Outside::default()).is_good());
}

#[test]
fn every_change_of_every_byte_is_found() {
    let whole = log(LINES);
    let anchor = anchor(&whole);
    let changed = |at: usize, other: u8| {
        let mut bad = whole.clone();
        bad[at] = other;
        bad
    };
    // The format's tests change every bit of one line; here each byte of all lines changes once.
    for at in 0..whole.len() {
        let other = [whole[at] ^ 1, whole[at] ^ 0x20, b'\n', 0, 0xff][at % 5];
        if other != whole[at] {
            assert!(
                !checked(&changed(at, other), Some(anchor.clone())).is_good(),
                "byte {at} as {other:#x}"
            );
        }
    }
    // Without any tag, only the very end may look like a crash, and that is reported.
    for other in (0..=u8::MAX).filter(|other| *other != b'\n') {
        let found = checked(&changed(whole.len() - 1, other), None);
        assert!(
            !found.is_good() || !found.notes.is_empty(),
            "the last byte as {other:#x}"
        );
    }
}

#[test]
fn every_line_removed_doubled_swapped_or_added_is_found_and_named() {
    let whole = log(LINES);
    let anchor = anchor(&whole);
    let lines = lines_of(&whole);
    let bad = |lines: &[Vec<u8>]| checked(&lines.concat(), Some(anchor.clone()));
    for at in 0..LINES {
        let mut removed = lines.clone();
        removed.remove(at);
        assert!(!bad(&removed).is_good(), "line {} removed", at + 1);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at].clone());
        assert!(!bad(&doubled).is_good(), "line {} doubled", at + 1);
        for other in at + 1..LINES {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(
                !bad(&swapped).is_good(),
                "lines {} and {} swapped",
                at + 1,
                other + 1
            );
        }
        // A forged line with valid digests.
        let prev = at
            .checked_sub(1)
            .map(|before| Digest::of(lines[before].trim_ascii_end()));
        let mut added = lines.clone();
        added.insert(
            at,
            (line::render(
                at as u64 + 1,
                prev,
                &saying("000099-00000000", AuditEnd::Done),
            ) + "\n")
                .into_bytes(),
        );
        assert!(!bad(&added).is_good(), "a line added as number {}", at + 1);
    }
    let mut damaged = whole.clone();
    let seventh: usize = lines[..6].iter().map(Vec::len).sum();
    damaged[seventh + 40] ^= 4;
    assert_eq!(checked(&damaged, None).findings[0].line, Some(7));
}

#[test]
fn a_cut_tail_and_a_rewritten_log_are_proved_by_the_tag() {
    let whole = log(LINES);
    let lines = lines_of(&whole);
    for kept in 0..LINES {
        let found = checked(&lines[..kept].concat(), Some(anchor(&whole)));
        assert_eq!(
            found.findings.last().unwrap().tag.as_deref(),
            Some("T01-v1.0.0"),
            "{kept} lines kept: {found:?}"
        );
        if kept > 0 {
            assert_eq!(
                found.findings[0].what,
                format!(
                    "lines {} to 20 are missing: the tag T01-v1.0.0 names the last of them",
                    kept + 1
                )
            );
        }
    }
    // All digests recomputed after an edit of line 20, which the chain itself cannot reveal.
    let prev = Some(Digest::of(lines[18].trim_ascii_end()));
    let forged = [
        lines[..19].concat(),
        (line::render(20, prev, &saying("000020-00000009", AuditEnd::Done)) + "\n").into_bytes(),
    ]
    .concat();
    assert!(checked(&forged, None).is_good());
    assert_eq!(
        checked(&forged, Some(anchor(&whole))).findings[0].what,
        "line 20 is not the one that the tag T01-v1.0.0 names"
    );
}

#[test]
fn a_torn_end_is_a_note_and_is_moved_aside() {
    let whole = log(3);
    let disk = SimFs::new();
    let torn = &lines_of(&log(4))[3][..100];
    disk.put("audit/000001.jsonl", &[&whole[..], torn].concat());
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let trail = Trail::new(fs);
    let before = check(&trail.segments().unwrap(), &Outside::default());
    assert!(before.is_good() && before.notes.len() == 1, "{before:?}");
    let notes = trail
        .append(&saying("000004-00000004", AuditEnd::Done), AppendMode::New)
        .unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(disk.get("audit/torn-000001-1"), Some(torn.to_vec()));
    let after = check(&trail.segments().unwrap(), &Outside::default());
    assert!(after.is_good() && after.lines == 4, "{after:?}");
}

#[test]
fn the_chain_goes_on_over_damage_which_stays_to_be_seen() {
    let disk = SimFs::new();
    let mut bytes = log(3);
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    disk.put("audit/000001.jsonl", &bytes);
    let trail = Trail::new(Arc::new(disk.clone()));
    trail
        .append(&saying("000004-00000004", AuditEnd::Done), AppendMode::New)
        .unwrap();
    assert!(
        disk.get("audit/000001.jsonl").unwrap().starts_with(&bytes),
        "nothing is mended"
    );
    let found = check(&trail.segments().unwrap(), &Outside::default());
    assert_eq!(
        found
            .findings
            .iter()
            .map(|finding| finding.line)
            .collect::<Vec<_>>(),
        [Some(3)],
        "{found:?}"
    );
}

#[test]
fn segments_follow_each_other_and_none_can_go() {
    let disk = SimFs::new();
    let trail = Trail::new(Arc::new(disk.clone()));
    let mut long = saying("000001-00000001", AuditEnd::Done);
    long.why = "x".repeat(SEGMENT_LIMIT / 3);
    for _ in 0..8 {
        trail.append(&long, AppendMode::New).unwrap();
    }
    let segments = trail.segments().unwrap();
    assert_eq!(
        segments
            .iter()
            .map(|segment| segment.number)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(check(&segments, &Outside::default()).is_good());
    for gone in 0..3 {
        let left: Vec<_> = segments
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != gone)
            .map(|(_, segment)| segment.clone())
            .collect();
        let anchors = vec![Anchored {
            tag: "T".into(),
            anchor: trail.head().unwrap().unwrap(),
            own: true,
        }];
        assert!(
            !check(
                &left,
                &Outside {
                    anchors,
                    ..Outside::default()
                }
            )
            .is_good(),
            "segment {} gone",
            gone + 1
        );
    }
    // The line of an operation is found in an older segment.
    let count = trail.entries().unwrap().0.len();
    trail.append(&long, AppendMode::PerhapsThere).unwrap();
    assert_eq!(trail.entries().unwrap().0.len(), count);
}

#[test]
fn the_format_is_frozen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit/000001.jsonl");
    if std::env::var_os("SNAPBACK_WRITE_FIXTURES").is_some() && !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, log(LINES)).unwrap();
    }
    let golden = fs::read(&path).unwrap();
    assert!(
        golden == log(LINES),
        "today's bytes are those of the format"
    );
    assert!(checked(&golden, None).is_good());
}

#[test]
fn reading_changes_nothing() {
    let disk = SimFs::new();
    disk.put("audit/000001.jsonl", &log(2)[..300]);
    let (tree, trail) = (disk.tree(), Trail::new(Arc::new(disk.clone())));
    let _ = (
        trail.segments().unwrap(),
        trail.entries().unwrap(),
        trail.head().unwrap(),
        trail.moved_aside().unwrap(),
    );
    assert_eq!(disk.tree(), tree);
    assert!(disk.stat(&RelPath::own("audit/lock")).unwrap().is_none());
}

proptest! {
    #[test]
    fn any_edit_of_the_bytes_is_found(at in 0_usize..8_000, removed in 0_usize..600, added in proptest::collection::vec(any::<u8>(), 0..40)) {
        let whole = log(LINES);
        let at = at % whole.len();
        let end = (at + removed).min(whole.len());
        let bad = [&whole[..at], &added, &whole[end..]].concat();
        prop_assume!(bad != whole);
        prop_assert!(!checked(&bad, Some(anchor(&whole))).is_good() || bad.starts_with(&whole));
    }
}
