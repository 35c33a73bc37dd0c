//! One-way versions: versions with changes that a rollback does not revert.
//!
//! They are declared in the settings or detected: migrations that the newer version has and the
//! older one does not know, and variables that the older one needs and that are no longer set.
//! Variables are only reported: their names come from reading sources, and many are optional. The
//! floor is the lowest version that can be rolled back to without crossing a one-way version.

use crate::{Version, settings::OneWayVersion};
use base::RelPath;

/// Names of folders that hold database migrations.
const FOLDERS: [&[u8]; 2] = [b"migrations", b"migrate"];
/// Suffixes of the names of migrations.
const ENDS: [&str; 11] = [
    ".py", ".sql", ".rb", ".js", ".ts", ".php", ".go", ".java", ".kt", ".cs", ".exs",
];
/// Number of names that are listed.
const NAMED: usize = 3;

/// Describes the declared one-way versions above `to` and not above `from`.
pub fn declared(doors: &[OneWayVersion], from: &Version, to: &Version) -> Vec<String> {
    let between = doors
        .iter()
        .filter(|door| *to < door.version && door.version <= *from);
    let words = |door: &OneWayVersion| match &door.why {
        Some(why) => format!("{} is declared one-way: {why}", door.version),
        None => format!("{} is declared one-way", door.version),
    };
    between.map(words).collect()
}

/// Returns the lowest rollback target of `from` that crosses no declared one-way version.
pub fn floor<'a>(doors: &'a [OneWayVersion], from: &Version) -> Option<&'a Version> {
    doors
        .iter()
        .map(|door| &door.version)
        .filter(|version| *version <= from)
        .max()
}

/// True for a file that looks like a database migration, as named by Django, Alembic, Rails, Flyway
/// and similar tools.
pub fn is_migration(path: &RelPath) -> bool {
    let name = String::from_utf8_lossy(path.name()).to_ascii_lowercase();
    if name.starts_with("__init__.") || !ENDS.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    let folder = path.parent();
    let in_folder =
        FOLDERS.contains(&folder.name()) || folder.as_bytes().ends_with(b"alembic/versions");
    let versioned = |digits: &str| digits.starts_with(|c: char| c.is_ascii_digit());
    let is_flyway = name.ends_with(".sql")
        && name
            .strip_prefix('v')
            .is_some_and(|rest| versioned(rest) && rest.contains("__"));
    // Helper files next to migrations have no number in most tools.
    (in_folder && name.contains(|c: char| c.is_ascii_digit())) || is_flyway
}

/// Describes the migrations that would be gone; `None` when there are none.
pub fn migrations<'a>(gone: impl Iterator<Item = &'a RelPath>) -> Option<String> {
    let names: Vec<String> = gone.map(ToString::to_string).collect();
    let said = listed(&names)?;
    Some(format!(
        "{} added since: {said}",
        if names.len() == 1 {
            "a migration was".into()
        } else {
            format!("{} migrations were", names.len())
        }
    ))
}

/// Describes the variables that the older version needs, the newer one does not, and that are not
/// set.
pub fn variables(
    older: &[String],
    newer: &[String],
    is_set: impl Fn(&str) -> bool,
) -> Option<String> {
    let gone: Vec<String> = older
        .iter()
        .filter(|name| !newer.contains(name) && !is_set(name))
        .cloned()
        .collect();
    listed(&gone).map(|said| format!("it needs what was removed since and is not set: {said}"))
}

/// Lists the first names; `None` when there are none.
fn listed(names: &[String]) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    let said = names
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    (!names.is_empty()).then(|| {
        if more == 0 {
            said
        } else {
            format!("{said} and {more} more")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("it is a version")
    }

    #[test]
    fn a_declared_door_is_passed_only_downwards() {
        let doors = [
            OneWayVersion {
                version: version("2.0.0"),
                why: Some("schema 5".into()),
            },
            OneWayVersion {
                version: version("1.5.0"),
                why: None,
            },
        ];
        let passed = |from: &str, to: &str| declared(&doors, &version(from), &version(to)).len();
        assert_eq!(
            [
                passed("2.1.0", "2.0.0"),
                passed("2.1.0", "1.9.0"),
                passed("2.0.0", "1.9.0"),
                passed("2.1.0", "1.0.0")
            ],
            [0, 1, 1, 2]
        );
        assert_eq!([passed("1.0.0", "2.1.0"), passed("1.4.0", "1.0.0")], [0, 0]);
        assert_eq!(
            declared(&doors, &version("2.0.0"), &version("1.9.0")),
            ["2.0.0 is declared one-way: schema 5"]
        );
        assert_eq!(floor(&doors, &version("2.3.0")), Some(&version("2.0.0")));
        assert_eq!(floor(&doors, &version("1.6.0")), Some(&version("1.5.0")));
        assert_eq!(floor(&doors, &version("1.0.0")), None);
    }

    #[test]
    fn migrations_are_known_by_their_places_and_names() {
        let yes = [
            "app/migrations/0002_add.py",
            "db/migrate/20240101_x.rb",
            "a/alembic/versions/1a2b_x.py",
            "sql/V2__orders.sql",
        ];
        let no = [
            "app/migrations/__init__.py",
            "app/migrations/helpers.py",
            "migrations.py",
            "docs/migrations/0001.md",
            "v2__x.py",
        ];
        for path in yes {
            assert!(is_migration(&RelPath::own(path)), "{path}");
        }
        for path in no {
            assert!(!is_migration(&RelPath::own(path)), "{path}");
        }
        let paths: Vec<RelPath> = yes.iter().map(|path| RelPath::own(*path)).collect();
        let said = migrations(paths.iter()).expect("there are some");
        assert!(
            said.starts_with("4 migrations were added since: app/migrations/0002_add.py, ")
                && said.ends_with(" and 1 more"),
            "{said}"
        );
        assert_eq!(migrations(std::iter::empty()), None);
    }

    #[test]
    fn only_variables_that_are_gone_and_unset_are_a_door() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let door = |set: &'static str| {
            variables(&names(&["A", "B"]), &names(&["B", "C"]), move |name| {
                name == set
            })
        };
        assert_eq!(
            door("").expect("A is gone"),
            "it needs what was removed since and is not set: A"
        );
        assert_eq!(door("A"), None);
    }
}
