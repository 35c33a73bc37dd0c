//! The merge driver of the registry: a few lines in git's configuration and local attributes, added
//! with the hooks and removed exactly.
//!
//! With it, releases of different tasks merge automatically. A manifest is never merged line by
//! line: two manifests of one version are two releases, and a person must choose. If snapback is
//! missing, the lines fall back to git's own merge.

use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::{
    Error, config_text,
    place::{HOOK_DIR, HOOK_FILE},
    script::quoted,
};
use crate::{
    base::{
        Failure, Fs, RelPath, Root,
        fs::{create_dir_all, read_limited, write_durably},
    },
    catalog::merge_lines::{self, NAME},
    site::RepoSite,
};

/// Above the lines; followed by how the file was before.
const BEGIN: &str =
    "# snapback merge driver: begin (`snapback hooks uninstall` takes these lines away";
/// Below the lines.
const END: &str = "# snapback merge driver: end";
/// Maximum size of an attributes file to edit, in bytes.
const LIMIT: u64 = 1 << 20;

/// The state of a file before the lines were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileBefore {
    /// It ended in a line end.
    Ended,
    /// It did not end in a line end.
    Unended,
    /// It did not exist.
    NoFile,
    /// Its folder did not exist either.
    NoFolder,
}

impl FileBefore {
    const ALL: [Self; 4] = [Self::Ended, Self::Unended, Self::NoFile, Self::NoFolder];

    /// Returns the first line of our block.
    fn line(self) -> String {
        let how = match self {
            Self::Ended => "",
            Self::Unended => "; after a line without an end",
            Self::NoFile => "; there was no file",
            Self::NoFolder => "; there was no folder",
        };
        format!("{BEGIN}{how})\n")
    }
}

/// Returns the attribute lines of a site.
pub fn attributes(site: &RepoSite) -> String {
    merge_lines::of(&site.settings.registry, &site.settings.snapshots)
}

/// Returns the configuration lines: the driver command, with git's own merge as fallback.
fn configuration(program: &Path) -> Option<String> {
    let program = String::from_utf8(quoted(program.as_os_str())).ok()?;
    let command = format!(
        "p={program}; [ -x \"$p\" ] || p=$(command -v snapback) || {{ git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B; \
         exit $?; }}; \"$p\" registry merge %O %A %B %L %P"
    );
    let command = String::from_utf8(config_text::quoted(command.as_bytes()).ok()?).ok()?;
    Some(format!(
        "[merge \"{NAME}\"]\n\tname = merge of the registry by task\n\tdriver = {command}\n"
    ))
}

/// A file with or without our lines.
struct Edited {
    file: PathBuf,
    old: Option<Vec<u8>>,
    /// `None` = remove the file; true = with its folder.
    new: Result<Vec<u8>, bool>,
}

impl Edited {
    fn changes(&self) -> bool {
        self.old.as_deref() != self.new.as_deref().ok()
    }
}

/// Appends our lines to the text, replacing earlier ones.
fn with(old: Option<&[u8]>, has_folder: bool, lines: &str) -> Vec<u8> {
    let before_now = old.map(without);
    let (text, before) = match (&before_now, old) {
        (Some((text, Some(before))), _) => (text.clone(), *before),
        (_, Some(text)) if text.is_empty() || text.ends_with(b"\n") => {
            (text.to_vec(), FileBefore::Ended)
        }
        (_, Some(text)) => (text.to_vec(), FileBefore::Unended),
        (_, None) => (
            Vec::new(),
            if has_folder {
                FileBefore::NoFile
            } else {
                FileBefore::NoFolder
            },
        ),
    };
    let gap = if text.is_empty() || text.ends_with(b"\n") {
        ""
    } else {
        "\n"
    };
    [
        &text,
        gap.as_bytes(),
        before.line().as_bytes(),
        lines.as_bytes(),
        END.as_bytes(),
        b"\n",
    ]
    .concat()
}

/// Removes our lines, and returns the file's earlier state; foreign lines in between stay.
fn without(text: &[u8]) -> (Vec<u8>, Option<FileBefore>) {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let begin = lines.iter().enumerate().find_map(|(at, line)| {
        FileBefore::ALL
            .into_iter()
            .find(|before| *line == before.line().as_bytes())
            .map(|before| (at, before))
    });
    let Some((begin, before)) = begin else {
        return (text.to_vec(), None);
    };
    let is_end = |line: &&[u8]| line.trim_end_with(|c| c == '\n') == END.as_bytes();
    let Some(end) = lines[begin..].iter().position(is_end).map(|at| begin + at) else {
        return (text.to_vec(), None);
    };
    let mut inside = foreign(&lines[begin + 1..end]);
    let mut head = lines[..begin].concat();
    if before == FileBefore::Unended && inside.is_empty() && end + 1 == lines.len() {
        head.pop();
    }
    head.append(&mut inside);
    head.extend(lines[end + 1..].concat());
    (head, Some(before))
}

/// Returns the foreign lines between ours, below their section header.
fn foreign(lines: &[&[u8]]) -> Vec<u8> {
    let (mut kept, mut header) = (Vec::new(), None);
    for line in lines {
        let text = line.trim();
        let is_ours = text.ends_with_str(format!(" merge={NAME}"))
            || text.ends_with(b" merge=binary")
            || is_setting(text);
        if text.starts_with(b"[") {
            header = Some(*line);
        } else if !is_ours {
            kept.extend(header.take().unwrap_or_default());
            kept.extend(*line);
        }
    }
    kept
}

/// Returns true for a line of our section.
fn is_setting(line: &[u8]) -> bool {
    line == b"name = merge of the registry by task" || line.starts_with(b"driver = \"p=")
}

/// Returns the edits of both files; `program` is what git should run, `None` removes the lines.
fn edits(site: &RepoSite, program: Option<&Path>) -> Result<[Edited; 2], Failure> {
    let git = &site.git;
    let config = git.config_path();
    let old = git.read_config(&config)?;
    let new = match program.and_then(configuration) {
        Some(lines) => with(Some(&old), true, &lines),
        None => without(&old).0,
    };
    let config = Edited {
        file: config,
        old: Some(old),
        new: Ok(new),
    };
    let file = git.common_dir().join("info/attributes");
    let common = open(git.common_dir())?;
    let failed = |source| Error::Folder {
        name: file.to_string_lossy().into_owned(),
        source,
    };
    let has_folder = common
        .stat(&RelPath::own("info"))
        .map_err(failed)?
        .is_some();
    let name = RelPath::own("info/attributes");
    let old = common
        .stat(&name)
        .map_err(failed)?
        .map(|_| read_limited(&common, &name, LIMIT))
        .transpose()
        .map_err(failed)?;
    let new = match (program, &old) {
        (Some(_), _) => Ok(with(old.as_deref(), has_folder, &attributes(site))),
        (None, None) => Err(false),
        (None, Some(text)) => match without(text) {
            (text, Some(before @ (FileBefore::NoFile | FileBefore::NoFolder)))
                if text.is_empty() =>
            {
                Err(before == FileBefore::NoFolder)
            }
            (text, _) => Ok(text),
        },
    };
    Ok([config, Edited { file, old, new }])
}

/// Opens the git directory.
fn open(common: &Path) -> Result<Root, Error> {
    Root::open(common).map_err(|source| Error::Folder {
        name: common.to_string_lossy().into_owned(),
        source,
    })
}

/// Returns what an installation would do; no line when everything is in place.
pub fn plan(site: &RepoSite, program: &Path) -> Result<Vec<String>, Failure> {
    let changes = edits(site, Some(program))?.iter().any(Edited::changes);
    Ok(if changes {
        vec!["let git merge the registry by task".into()]
    } else {
        Vec::new()
    })
}

/// Returns what removing the driver would do.
pub fn plan_removal(site: &RepoSite) -> Result<Vec<String>, Failure> {
    let changes = edits(site, None)?.iter().any(Edited::changes);
    Ok(if changes {
        vec!["let git merge the registry line by line again".into()]
    } else {
        Vec::new()
    })
}

/// Writes the lines; `None` removes them. May run again after a kill.
pub fn write(site: &RepoSite, program: Option<&Path>) -> Result<(), Failure> {
    let [config, attributes] = edits(site, program)?;
    // As long as attributes name the driver, the configuration must define it.
    if program.is_some() {
        write_config(site, &config)?;
        return write_attributes(site, &attributes);
    }
    write_attributes(site, &attributes)?;
    write_config(site, &config)
}

fn write_config(site: &RepoSite, edited: &Edited) -> Result<(), Failure> {
    site.git.clear_config_lock(&edited.file)?;
    match (&edited.old, &edited.new) {
        (Some(old), Ok(new)) if edited.changes() => {
            Ok(site.git.replace_config(&edited.file, old, new)?)
        }
        _ => Ok(()),
    }
}

fn write_attributes(site: &RepoSite, edited: &Edited) -> Result<(), Failure> {
    if !edited.changes() {
        return Ok(());
    }
    let common = open(site.git.common_dir())?;
    let failed = |source| {
        Failure::from(Error::Folder {
            name: edited.file.to_string_lossy().into_owned(),
            source,
        })
    };
    let (folder, name) = (RelPath::own("info"), RelPath::own("info/attributes"));
    match &edited.new {
        Ok(new) => {
            create_dir_all(&common, &folder, 0o755).map_err(failed)?;
            let mode = common
                .stat(&name)
                .map_err(failed)?
                .map_or(0o666, |stat| stat.mode);
            write_durably(&common, &name, new, mode, (HOOK_FILE, HOOK_DIR)).map_err(failed)
        }
        Err(with_folder) => {
            common.remove_file(&name).map_err(failed)?;
            let is_empty = common.list(&folder).map_err(failed)?.is_empty();
            if *with_folder && is_empty {
                common.remove_dir(&folder).map_err(failed)
            } else {
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_as_they_came() {
        for (old, has_folder) in [
            (Some(&b""[..]), true),
            (Some(b"a\n"), true),
            (Some(b"a\nb"), true),
            (None, true),
            (None, false),
        ] {
            let new = with(old, has_folder, "x merge=snapback-registry\n");
            assert_eq!(
                with(Some(&new), true, "x merge=snapback-registry\n"),
                new,
                "twice is once"
            );
            let (back, before) = without(&new);
            assert_eq!(back, old.unwrap_or_default());
            assert_eq!(
                before == Some(FileBefore::NoFolder),
                old.is_none() && !has_folder
            );
            let (later, _) = without(&[&new[..], b"c\n"].concat());
            assert!(
                later.ends_with(b"c\n") && !later.contains_str("snapback"),
                "{}",
                later.as_bstr()
            );
        }
        let mixed = with(
            Some(b"a\n"),
            true,
            "[merge \"snapback-registry\"]\n\tname = merge of the registry by task\n\trecursive = binary\n",
        );
        assert_eq!(
            without(&mixed).0.as_bstr(),
            "a\n[merge \"snapback-registry\"]\n\trecursive = binary\n"
        );
        assert_eq!(without(b"a\n").1, None);
    }
}
