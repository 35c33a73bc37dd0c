//! Who runs this process: the number of the system's user, and the name where a file has it.

/// The user's number, and the name that `/etc/passwd` gives it. Variables are not asked: anybody
/// can set them.
pub fn current() -> (u32, Option<String>) {
    let uid = rustix::process::getuid().as_raw();
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    (uid, name_in(&table, uid))
}

/// The user with whose rights this process acts: whose files it makes.
pub fn effective() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name of a user, where a file has it.
pub fn name(uid: u32) -> Option<String> {
    name_in(&std::fs::read_to_string("/etc/passwd").unwrap_or_default(), uid)
}

/// The home folder of a user, where a file has it.
pub fn home(uid: u32) -> Option<std::path::PathBuf> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut own = fields.filter(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    own.find_map(|fields| fields.get(5).filter(|home| home.starts_with('/')).map(Into::into))
}

/// The name of a user in the table of users.
fn name_in(table: &str, uid: u32) -> Option<String> {
    let of = |line: &str| -> Option<(u32, String)> {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        Some((id.parse().ok()?, name.to_string()))
    };
    table.lines().filter_map(of).find(|(id, name)| *id == uid && !name.is_empty()).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nli:x:1000:1000:Li:/li:/bin/sh\n";
        assert_eq!((name_in(table, 1000), name_in(table, 0)), (Some("li".into()), Some("root".into())));
        assert_eq!((name_in(table, 7), name_in(table, 8), name_in("", 0)), (None, None, None));
    }
}
