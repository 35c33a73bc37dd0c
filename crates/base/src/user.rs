//! The user who runs this process: the user id, and the name where `/etc/passwd` has it.

/// Returns the real user id, and its name in `/etc/passwd`. Environment variables are not used:
/// anybody can set them.
pub fn current() -> (u32, Option<String>) {
    let uid = rustix::process::getuid().as_raw();
    (uid, name(uid))
}

/// Returns the effective user id: the owner of files that this process creates.
pub fn effective() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the name of a user, if known.
pub fn name(uid: u32) -> Option<String> {
    name_in(&table(), uid)
}

/// Returns the name of a user for use in a sentence, with the number if no name is known.
pub fn called(uid: u32) -> String {
    name(uid).unwrap_or_else(|| format!("the user with number {uid}"))
}

/// Returns the home folder of a user, if known.
pub fn home(uid: u32) -> Option<std::path::PathBuf> {
    home_in(&table(), uid).map(Into::into)
}

/// Reads the user table; empty if there is none.
fn table() -> String {
    std::fs::read_to_string("/etc/passwd").unwrap_or_default()
}

/// Returns the name of a user in the table.
fn name_in(table: &str, uid: u32) -> Option<String> {
    field_of(table, uid, 0)
        .find(|name| !name.is_empty())
        .map(str::to_string)
}

/// Returns the home folder of a user in the table.
fn home_in(table: &str, uid: u32) -> Option<&str> {
    field_of(table, uid, 5).find(|home| home.starts_with('/'))
}

/// Iterates over one field of each of a user's lines.
fn field_of(table: &str, uid: u32, nth: usize) -> impl Iterator<Item = &str> {
    let is_theirs =
        move |line: &&str| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(uid);
    table
        .lines()
        .filter(is_theirs)
        .filter_map(move |line| line.split(':').nth(nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let table =
            "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nli:x:1000:1000:Li:/li:/bin/sh\n";
        assert_eq!(
            (name_in(table, 1000), name_in(table, 0)),
            (Some("li".into()), Some("root".into()))
        );
        assert_eq!(
            (name_in(table, 7), name_in(table, 8), name_in("", 0)),
            (None, None, None)
        );
        assert_eq!(
            (home_in(table, 1000), home_in(table, 7), home_in(table, 8)),
            (Some("/li"), Some("/"), None)
        );
        assert_eq!(
            home_in("li:x:1000:1000:Li:home:/bin/sh\nli:x:1000\n", 1000),
            None
        );
    }
}
