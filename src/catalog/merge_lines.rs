//! The lines of `.gitattributes` by which git merges registry and manifests. `init` writes them;
//! the driver that they name is set up with the hooks.

use crate::base::RelPath;

/// The driver's name in attributes and configuration.
pub const NAME: &str = "snapback-registry";

/// Returns the attribute lines for a registry and a folder of manifests.
pub fn of(registry: &RelPath, snapshots: &RelPath) -> String {
    format!(
        "{} merge={NAME}\n{}/*.yaml merge=binary\n",
        pattern(registry),
        pattern(snapshots)
    )
}

/// Returns a path as an attribute pattern, anchored at the top.
fn pattern(path: &RelPath) -> String {
    let text = path.to_text();
    let special = |c: char| c.is_whitespace() || c.is_control() || "*?[]\\\"!#".contains(c);
    if !text.contains(special) {
        return format!("/{text}");
    }
    let escaped: String = text
        .chars()
        .flat_map(|c| {
            if "*?[]\\".contains(c) {
                vec!['\\', c]
            } else {
                vec![c]
            }
        })
        .collect();
    let quoted = escaped
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\t', "\\t");
    format!("\"/{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_patterns() {
        let path = |text: &str| pattern(&RelPath::parse(text).expect("it is honest"));
        assert_eq!(path("task_registry.json"), "/task_registry.json");
        assert_eq!(path("a b/[x].json"), "\"/a b/\\\\[x\\\\].json\"");
    }
}
