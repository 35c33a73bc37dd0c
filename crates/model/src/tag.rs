//! What the name of a tag says: a release of a task, or that a rollback happened.
//!
//! ```text
//! release  <task>-v<version>                         T01-v1.2.0, T01-v1.2.0-hotfix-20260224
//! marker   <task>-v<to>-rollback-from-v<from>[+<n>]  T01-v1.2.0-rollback-from-v1.3.0
//! ```
//!
//! This is the default form; a task may have another ([`crate::TagForm`]), with the same stem. A
//! hotfix is a release whose version ends in `-hotfix-YYYYMMDD`. A marker records that a rollback
//! happened; it is never a version. The n-th marker of the same pair (n from 2) ends in `+n`; the
//! first one, too, when the version that was left has a `+` itself, so the last `+` is never in
//! doubt.

use super::Version;
use crate::{Scheme, TagForm, TaskId, tag_form::TagOwner};

/// What the name of a tag says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagName {
    /// A version of a task.
    Release {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
    },
    /// The record of a rollback.
    Marker {
        /// The task.
        task: TaskId,
        /// The version that was rolled back to.
        to: Version,
        /// The version that was left.
        from: Version,
        /// 1 for the first rollback of this pair.
        nth: u32,
    },
}

/// Where markers are that are no tags.
pub const MARKERS: &str = "refs/snapback/markers/";

/// Separator between the two versions of a marker.
const ROLLBACK_FROM: &str = "-rollback-from-v";

impl TagName {
    /// Returns the tag of a release.
    pub fn release(task: &TaskId, version: &Version) -> Self {
        Self::Release {
            task: task.clone(),
            version: version.clone(),
        }
    }

    /// True for a name in the form of a rollback marker.
    pub fn is_marker(name: &str) -> bool {
        name.contains(ROLLBACK_FROM)
    }

    /// Returns all possible readings of a name in the default form, longest id first; `scheme`
    /// knows the tasks. Ids may contain `-v` themselves, so each `-v` is tried whose rest is legal
    /// and whose prefix is a known task. `T01-v2` next to `T01` is never ambiguous;
    /// `T01-v1.0.0-v2.0.0` is, when both `T01` and `T01-v1.0.0` are tasks.
    pub fn readings(name: &str, scheme: &dyn Fn(&TaskId) -> Option<Scheme>) -> Vec<Self> {
        let mut readings = Self::of_any_scheme(name, &|id| scheme(id).is_some());
        readings.retain(|reading| scheme(reading.task()).is_some_and(|own| reading.is_of(own)));
        readings
    }

    /// Like [`TagName::readings`], whatever scheme the versions are of.
    pub(super) fn of_any_scheme(name: &str, is_task: &dyn Fn(&TaskId) -> bool) -> Vec<Self> {
        let of_id = |owner: TagOwner<'_>| match owner {
            TagOwner::Id(id) => TaskId::exactly(id).filter(is_task),
            TagOwner::Folder(_) | TagOwner::OfForm => None,
        };
        TagForm::usual().readings(name, &of_id)
    }

    /// True when its versions are of a scheme.
    pub fn is_of(&self, scheme: Scheme) -> bool {
        match self {
            Self::Release { version, .. } => scheme.accepts(version),
            Self::Marker { to, from, .. } => scheme.accepts(to) && scheme.accepts(from),
        }
    }

    /// Parses what stands for the version in the name of a tag of a task.
    pub(super) fn of_stem(task: TaskId, stem: &str) -> Option<Self> {
        let Some((to, from)) = stem.split_once(ROLLBACK_FROM) else {
            return Some(Self::Release {
                task,
                version: stem.parse().ok()?,
            });
        };
        let (from, nth) = match from.rsplit_once('+') {
            None => (from, 1),
            Some((from, nth)) => {
                let first = if from.contains('+') { 1 } else { 2 };
                let number: u32 = nth.parse().ok()?;
                (number >= first && nth == number.to_string()).then_some((from, number))?
            }
        };
        Some(Self::Marker {
            task,
            to: to.parse().ok()?,
            from: from.parse().ok()?,
            nth,
        })
    }

    /// Returns what stands for the version in its name.
    pub(super) fn stem(&self) -> String {
        match self {
            Self::Release { version, .. } => version.to_string(),
            Self::Marker { to, from, nth, .. } => {
                let nth = if *nth == 1 && !from.as_str().contains('+') {
                    String::new()
                } else {
                    format!("+{nth}")
                };
                format!("{to}{ROLLBACK_FROM}{from}{nth}")
            }
        }
    }

    /// Returns the task.
    pub fn task(&self) -> &TaskId {
        match self {
            Self::Release { task, .. } | Self::Marker { task, .. } => task,
        }
    }

    /// Returns the second reference, which preserves a release when its tag is deleted by hand.
    pub fn keep_reference(task: &TaskId, version: &Version) -> String {
        format!("refs/snapback/keep/{task}/{version}")
    }
}

/// Returns the full name of a tag's reference.
pub fn reference(tag: &str) -> String {
    format!("refs/tags/{tag}")
}

/// Returns the reference of a marker that is no tag.
pub fn marker_reference(tag: &str) -> String {
    format!("{MARKERS}{tag}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tasks with these ids, of the usual scheme.
    fn semver(tasks: &[&str]) -> impl Fn(&TaskId) -> Option<Scheme> {
        move |id| tasks.contains(&id.as_str()).then_some(Scheme::Semver)
    }

    fn parse(name: &str, tasks: &[&str]) -> Option<TagName> {
        TagName::readings(name, &semver(tasks)).into_iter().next()
    }

    #[test]
    fn ids_that_are_prefixes_of_each_other_do_not_mix() {
        let tasks = ["T01", "T010", "T01-v2"];
        for (name, task, version) in [
            ("T01-v1.2.0", "T01", "1.2.0"),
            ("T010-v1.2.0", "T010", "1.2.0"),
            ("T01-v2-v1.0.0", "T01-v2", "1.0.0"),
        ] {
            let expected = TagName::release(
                &task.parse().expect("id"),
                &version.parse().expect("version"),
            );
            assert_eq!(parse(name, &tasks), Some(expected));
        }
        assert_eq!(
            parse("T99-v1.0.0", &tasks),
            None,
            "an unknown task is not guessed"
        );
    }

    #[test]
    fn markers_and_hotfixes_of_the_users_document() {
        let marker = parse("T01-v1.2.0-rollback-from-v1.3.0", &["T01"]).expect("it is a marker");
        assert!(matches!(&marker, TagName::Marker { nth: 1, .. }));
        let again = parse("T01-v1.2.0-rollback-from-v1.3.0+2", &["T01"]).expect("it is a marker");
        assert!(matches!(&again, TagName::Marker { nth: 2, .. }));
        let hotfix = parse("T01-v1.2.0-hotfix-20260224", &["T01"]).expect("it is a release");
        assert!(
            matches!(&hotfix, TagName::Release { version, .. } if version.hotfix_day() == Some("20260224"))
        );
    }

    #[test]
    fn a_name_that_two_tasks_could_have_is_the_longer_ones() {
        let readings = |name: &str, tasks: &[&str]| -> Vec<String> {
            let readings = TagName::readings(name, &semver(tasks)).into_iter();
            readings.map(|name| name.task().to_string()).collect()
        };
        let tasks = ["T01", "T01-v1.0.0", "T01-v2", "T01-v1.0.0-rollback-from"];
        assert_eq!(readings("T01-v1.0.0-v2.0.0", &tasks), ["T01-v1.0.0", "T01"]);
        assert_eq!(readings("T01-v1.0.0-v2.0.0", &tasks[1..]), ["T01-v1.0.0"]);
        assert_eq!(
            readings("T01-v1.0.0-rollback-from-v2.0.0", &tasks),
            ["T01-v1.0.0-rollback-from", "T01"]
        );
        assert_eq!(
            readings("T01-v1.0.0-v2.0.0-rollback-from-v1.0.0", &tasks),
            ["T01-v1.0.0", "T01"]
        );
        assert_eq!(readings("T01-v2-v1.0.0", &tasks), ["T01-v2"]);
        assert_eq!(readings("T01-v1.0.0", &tasks), ["T01"]);
        assert_eq!(readings("T01-v1.2.0-hotfix-20260224", &tasks), ["T01"]);
    }

    #[test]
    fn foreign_and_hostile_names_are_not_tags_of_ours() {
        for name in [
            "v1.2.0",
            "T01-v",
            "T01-v1.2",
            "T01-v1.2.0;id",
            "$(id)-v1.0.0",
            "T01-v1.2.0+1",
            "T01-v1.2.0-rollback-from-v1.3.0+1",
            "T01-v01.2.0",
        ] {
            assert_eq!(parse(name, &["T01"]), None, "{name}");
        }
    }

    #[test]
    fn a_tag_is_one_of_a_task_only_with_a_version_of_its_scheme() {
        let readings = |name: &str, scheme: Scheme| {
            TagName::readings(name, &|id| (id.as_str() == "T01").then_some(scheme)).len()
        };
        for (name, semver, pep440, calver) in [
            ("T01-v1.2.0", 1, 1, 0),
            ("T01-v1", 0, 1, 0),
            ("T01-v1.2", 0, 1, 0),
            ("T01-v1.2.0rc1", 0, 1, 0),
            ("T01-v1.2.0-rc.1", 1, 0, 0),
            ("T01-v2!1.0", 0, 1, 0),
            ("T01-v2026.02.24", 0, 1, 1),
            ("T01-v2026.02.24-rc1", 0, 0, 1),
            ("T01-v1.1-rollback-from-v1.2", 0, 1, 0),
            ("T01-v1.1.0-rollback-from-v1.2", 0, 1, 0),
        ] {
            assert_eq!(readings(name, Scheme::Semver), semver, "{name}");
            assert_eq!(readings(name, Scheme::Pep440), pep440, "{name}");
            assert_eq!(readings(name, Scheme::Calver), calver, "{name}");
        }
    }

    #[test]
    fn a_marker_of_a_version_with_a_plus_has_one_reading() {
        let of = |from: &str, nth: u32| TagName::Marker {
            task: "T01".parse().expect("id"),
            to: "1.0+a".parse().expect("version"),
            from: from.parse().expect("version"),
            nth,
        };
        for (marker, stem) in [
            (of("1.2", 1), "1.0+a-rollback-from-v1.2"),
            (of("1.2", 2), "1.0+a-rollback-from-v1.2+2"),
            (of("1.2+2", 1), "1.0+a-rollback-from-v1.2+2+1"),
            (of("1.2+b.1", 3), "1.0+a-rollback-from-v1.2+b.1+3"),
        ] {
            assert_eq!(marker.stem(), stem);
            assert_eq!(TagName::of_stem(marker.task().clone(), stem), Some(marker));
        }
        for stem in ["1.0-rollback-from-v1.2+b", "1.0-rollback-from-v1.2+1"] {
            assert_eq!(TagName::of_stem(of("1", 1).task().clone(), stem), None);
        }
    }

    proptest! {
        #[test]
        fn parse_is_the_inverse_of_format(
            task in "[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9_])?",
            numbers in any::<[u16; 6]>(),
            pre in proptest::option::of("(rc\\.[0-9]|hotfix-2026[01][0-9][0-2][0-9]|[a-z][a-z0-9-]{0,8})"),
            nth in 1u32..5,
        ) {
            prop_assume!(task.parse::<TaskId>().is_ok());
            let [a, b, c, d, e, f] = numbers;
            let pre = pre.map(|p| format!("-{p}")).unwrap_or_default();
            let (Ok(to), Ok(from)) = (format!("{a}.{b}.{c}{pre}").parse::<Version>(), format!("{d}.{e}.{f}").parse::<Version>()) else { return Ok(()) };
            let task: TaskId = task.parse().expect("assumed above");
            // The only ambiguity left is a task whose id itself continues like a version of another
            // known task.
            for tag in [TagName::release(&task, &to), TagName::Marker { task: task.clone(), to: to.clone(), from: from.clone(), nth }] {
                let name = TagForm::default().write(&tag, &base::RelPath::root());
                prop_assert_eq!(TagName::readings(&name, &|id| (*id == task).then_some(Scheme::Semver)), vec![tag]);
            }
        }
    }
}
