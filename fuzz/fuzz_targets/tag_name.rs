//! Tag names in any form are written back as they were read; in the default form, they name a
//! reference that git takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::RelPath,
    model::{Scheme, TagForm, TagName, TaskId, tag_form::TagOwner},
};

fuzz_target!(|text: &str| {
    let (form, name) = text.split_once('\n').unwrap_or(("", text));
    in_usual_form(name);
    let Ok(form) = form.parse::<TagForm>() else {
        return;
    };
    for (owner, _) in form.splits(name) {
        let (id, folder) = match owner {
            TagOwner::Id(id) => (id, "x"),
            TagOwner::Folder(folder) => ("x", folder),
            TagOwner::OfForm => ("x", "x"),
        };
        let dir = if folder.is_empty() { Ok(RelPath::root()) } else { RelPath::parse(folder) };
        let (Some(id), Ok(dir)) = (TaskId::exactly(id), dir) else {
            continue;
        };
        for reading in form.readings(name, &|found| (found == owner).then(|| id.clone())) {
            assert_eq!(form.write(&reading, &dir), name, "{form}: {reading:?}");
        }
    }
});

/// Checks a name in the default form.
fn in_usual_form(name: &str) {
    // Every task is known: the longest way through the grammar.
    for scheme in Scheme::ALL {
        let readings = TagName::readings(name, &|_: &TaskId| Some(scheme));
        if let Some(tag) = readings.first() {
            check(name, tag, scheme);
        }
    }
}

/// Checks the reading of a name.
fn check(name: &str, tag: &TagName, scheme: Scheme) {
    let written = TagForm::usual().write(tag, &RelPath::root());
    assert_eq!(written, name, "a name has one form");
    let alone = TagName::readings(name, &|id| (id == tag.task()).then_some(scheme));
    assert_eq!(alone.first(), Some(tag), "the task alone is enough");
    let known = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "._+-!".contains(c);
    assert!(
        name.chars().all(|c| known(c) && !c.is_control() && !c.is_whitespace()),
        "nothing else can be in a tag: {name:?}"
    );
    assert!(
        !name.contains("..") && !name.ends_with(".lock") && !name.starts_with('-'),
        "git would refuse {name:?}"
    );
}
