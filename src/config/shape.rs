//! Finds the tasks of a repository that says nothing about them: from its tags, and from the files
//! of package managers.
//!
//! Tags decide: `web@1.2.0`, `services/web/v1.2.0` and `web-v1.2.0` make a task of the folder that
//! they name, `v1.2.0` makes one task of the whole repository. Without such tags every package of a
//! monorepo is a task, or else the repository is one. `schemes.rs` reads the scheme from the
//! versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{
    packages::{PACKAGE_MARKS, clean, depth, is_own, package_name, values_of},
    schemes::{self, VersionOwner},
};
use crate::{
    base::{Failure, RelPath, glob::escape},
    catalog::version_place,
    model::{Scheme, Settings, TagForm, TagName, TaskId, Version, is_dated},
    site::{self, RepoSite},
};

/// What stands between the name of a package and a version in a tag, longest first.
const SEPARATORS: [&str; 9] = ["-v", "/v", "@v", "_v", "-", "/", "@", "_", "v"];

/// What a file of settings with found tasks begins with.
const HEAD: &str = "# snapback's configuration, with the tasks that were found; `snapback schema config` prints every key.\nversion: 1\n";

/// The settings of a repository that has none.
pub struct FirstSettings {
    /// The settings.
    pub settings: Settings,
    /// Their text.
    pub text: String,
    /// What was found that no task of these settings has.
    pub remarks: Vec<String>,
}

/// A task that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FoundTask {
    /// Its id.
    pub id: TaskId,
    /// Its folder.
    pub dir: RelPath,
    /// The form of its tags.
    pub tag: TagForm,
    /// The scheme of its versions.
    pub scheme: Scheme,
    /// Folders in it that are not its own: other tasks and submodules.
    pub exclude: Vec<RelPath>,
}

/// Returns the settings of a repository that has none; `None` when the usual ones are enough, or no
/// task is found. With `tagged`, only what tags say counts.
pub fn found_settings(site: &RepoSite, tagged: bool) -> Result<Option<FirstSettings>, Failure> {
    if site.settings.from_file {
        return Ok(None);
    }
    let tags = site.git.tags()?.whole;
    let names = tags
        .iter()
        .filter_map(|tag| std::str::from_utf8(&tag.name).ok());
    let names: Vec<&str> = names.collect();
    let mut remarks = Vec::new();
    let text = if site.settings.tasks.is_empty() {
        let found = tasks(site, &names, tagged, &mut remarks)?;
        (!found.is_empty()).then(|| format!("{HEAD}{}", text(&found)))
    } else {
        schemes::of_discovered(site, &names, tagged)
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let settings = super::settings_of(site.git.work_tree(), &text);
    Ok(Some(FirstSettings {
        settings: settings.map_err(site::Error::Settings)?,
        text,
        remarks,
    }))
}

/// Returns the tasks of the repository; none when it has no files. With `tagged`, only those that
/// tags name.
fn tasks(
    site: &RepoSite,
    names: &[&str],
    tagged: bool,
    remarks: &mut Vec<String>,
) -> Result<Vec<FoundTask>, Failure> {
    let scan = site.git.scan(&[RelPath::root()])?;
    let tracked = scan.tracked.iter().map(|found| &found.path);
    let files: BTreeSet<&RelPath> = tracked.chain(&scan.untracked).collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let survey = Survey::of(site, &files, names);
    let mut found = survey.tasks(tagged);
    leave_others_out(&mut found, &scan.submodules);
    remarks.extend(survey.tags_left(&found));
    for task in &mut found {
        let owner = VersionOwner {
            id: &task.id,
            dir: &task.dir,
            tag: &task.tag,
        };
        task.scheme = schemes::of_task(site, &owner, names, tagged);
    }
    Ok(found)
}

/// Returns the blocks of settings for these tasks.
fn text(tasks: &[FoundTask]) -> String {
    let mut forms = tasks.iter().map(|task| &task.tag);
    let first = forms.next();
    let is_shared = |form: &&TagForm| !form.is_of_one_task() && forms.all(|other| other == *form);
    let shared = first.filter(is_shared).filter(|_| tasks.len() > 1);
    let quoted = |text: String| serde_json::to_string(&text).expect("because text always renders");
    let scheme = tasks.first().map(|task| task.scheme).unwrap_or_default();
    let is_one = tasks.len() > 1 && tasks.iter().all(|task| task.scheme == scheme);
    let mut text = String::new();
    if let Some(form) = shared.filter(|form| *form != TagForm::usual()) {
        let _ = writeln!(text, "  tag: {}", quoted(form.to_string()));
    }
    if is_one && scheme != Scheme::default() {
        let _ = writeln!(text, "  scheme: {}", scheme.word());
    }
    if !text.is_empty() {
        text.insert_str(0, "defaults:\n");
    }
    text += "tasks:\n  discover: []\n";
    for task in tasks {
        let dir = if task.dir.is_root() {
            ".".into()
        } else {
            task.dir.to_text()
        };
        let _ = write!(text, "  {}: {{path: {}", task.id, quoted(dir));
        if shared.is_none() && task.tag != *TagForm::usual() {
            let _ = write!(text, ", tag: {}", quoted(task.tag.to_string()));
        }
        if !is_one && task.scheme != Scheme::default() {
            let _ = write!(text, ", scheme: {}", task.scheme.word());
        }
        if !task.exclude.is_empty() {
            let folders = task.exclude.iter();
            let folders = folders.map(|dir| quoted(format!("/{}", escape(&dir.to_text()))));
            let folders: Vec<String> = folders.collect();
            let _ = write!(text, ", exclude: [{}]", folders.join(", "));
        }
        text += "}\n";
    }
    text
}

/// Leaves out of each task the folders in it that other tasks are, and submodules.
fn leave_others_out(tasks: &mut [FoundTask], submodules: &[RelPath]) {
    let dirs: Vec<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
    for task in tasks {
        let others = dirs.iter().filter(|dir| **dir != task.dir);
        let inside = others.chain(submodules).filter(|dir| dir.is_in(&task.dir));
        let mut inside: Vec<RelPath> = inside.cloned().collect();
        inside.sort();
        let outermost = |dir: &&RelPath| {
            let holds = |other: &&RelPath| other != dir && dir.is_in(other);
            !inside.iter().any(|other| holds(&other))
        };
        task.exclude = inside.iter().filter(outermost).cloned().collect();
    }
}

/// What is known of a repository.
struct Survey<'a> {
    site: &'a RepoSite,
    /// Every folder with files, and the root.
    folders: BTreeSet<RelPath>,
    /// The packages by folder, with the name that each gives itself.
    packages: BTreeMap<RelPath, Option<String>>,
    /// What stands before the versions of tags, with the number of tags.
    beginnings: BTreeMap<&'a str, usize>,
}

impl<'a> Survey<'a> {
    /// Looks at the files and tags.
    fn of(site: &'a RepoSite, files: &BTreeSet<&RelPath>, names: &[&'a str]) -> Self {
        let mut folders = BTreeSet::from([RelPath::root()]);
        let mut packages = BTreeMap::new();
        for file in files {
            folders.extend(file.ancestors());
            let dir = file.parent();
            if PACKAGE_MARKS.contains(&file.name()) && is_own(&dir) {
                let name = package_name(site, file);
                let slot: &mut Option<String> = packages.entry(dir).or_default();
                *slot = slot.take().or(name);
            }
        }
        let mut beginnings = BTreeMap::new();
        let is_python = packages.keys().any(|dir| schemes::is_python(site, dir))
            || schemes::is_python(site, &RelPath::root());
        for begin in names
            .iter()
            .filter_map(|name| before_version(name, is_python))
        {
            *beginnings.entry(begin).or_default() += 1;
        }
        Self {
            site,
            folders,
            packages,
            beginnings,
        }
    }

    /// Returns the tasks.
    fn tasks(&self, tagged: bool) -> Vec<FoundTask> {
        let mut found = self.of_tags();
        if found.is_empty() {
            if let Some(form) = self.form_of_root() {
                return vec![self.root(form)];
            }
            if tagged {
                return Vec::new();
            }
        }
        // A package at the top is released beside those that it holds.
        let top = RelPath::root();
        if !found.is_empty()
            && self.packages.contains_key(&top)
            && (!self.is_private(&top) || self.has_version(&top))
            && let Some(form) = self.form_of_root()
        {
            found.insert(top, (form, 0));
        }
        let usual = found.iter().find(|(dir, _)| !dir.is_root());
        let usual = usual.map(|(_, (form, _))| form.clone());
        let usual = usual
            .filter(|form| !form.is_of_one_task())
            .unwrap_or_default();
        let members = self.members();
        if found.is_empty() && members.is_empty() {
            return vec![self.root(TagForm::default())];
        }
        if !tagged {
            for dir in members {
                let is_inside = found
                    .keys()
                    .any(|other| other.is_in(dir) || dir.is_in(other));
                if !is_inside {
                    found.insert(dir.clone(), (usual.clone(), 0));
                }
            }
        }
        self.named(found)
    }

    /// Returns the folders that tags name, with the form and number of the tags of each.
    fn of_tags(&self) -> BTreeMap<RelPath, (TagForm, usize)> {
        let mut found: BTreeMap<RelPath, (TagForm, usize)> = BTreeMap::new();
        for (begin, count) in &self.beginnings {
            let separators = SEPARATORS.iter();
            let mut owners = separators.filter_map(|end| Some((begin.strip_suffix(end)?, *end)));
            let of_owner = |(owner, end): (&str, &str)| self.of_owner(owner, end);
            let Some((dir, form)) = owners.find_map(of_owner) else {
                continue;
            };
            match found.get(&dir) {
                Some((_, known)) if known >= count => {}
                _ => drop(found.insert(dir, (form, *count))),
            }
        }
        found
    }

    /// Returns the remark on tags of the whole repository that no task has.
    fn tags_left(&self, tasks: &[FoundTask]) -> Option<String> {
        let is_had = tasks.iter().any(|task| task.dir.is_root());
        let form = self
            .form_of_root()
            .filter(|_| !is_had && !tasks.is_empty())?;
        let task = self.root(form);
        let mut line = [task];
        let dirs: Vec<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
        line[0].exclude = dirs;
        let text = text(&line);
        let line = text.lines().last().unwrap_or_default().trim();
        Some(format!(
            "no task has the tags of the form {}; a line below `tasks` in snapback.yaml would make one of the rest of the repository: {line}",
            self.form_of_root()?
        ))
    }

    /// Returns the folder that a text in tags names, and the form.
    fn of_owner(&self, owner: &str, end: &str) -> Option<(RelPath, TagForm)> {
        let form = |word: &str| format!("{word}{end}{{version}}").parse::<TagForm>().ok();
        if let Ok(dir) = RelPath::parse(owner)
            && owner.contains('/')
            && self.folders.contains(&dir)
        {
            return Some((dir, form("{path}")?));
        }
        let mut packages = self.packages.iter();
        let by_package = packages.find(|(_, name)| name.as_deref() == Some(owner));
        let dir = by_package.map(|(dir, _)| dir.clone());
        let by_folder = || {
            let named = |dir: &&RelPath| dir.name() == owner.as_bytes() && is_own(dir);
            self.folders
                .iter()
                .filter(named)
                .min_by_key(|dir| depth(dir))
                .cloned()
        };
        let dir = dir.or_else(by_folder).filter(|dir| !dir.is_root())?;
        let id = self.id_of(&dir);
        let word = if id.as_str() == owner {
            "{task}"
        } else {
            owner
        };
        Some((dir, form(word)?))
    }

    /// Returns the form of tags that name no folder.
    fn form_of_root(&self) -> Option<TagForm> {
        let root = self.root(TagForm::default()).id;
        let mut found: Vec<(usize, TagForm)> = Vec::new();
        for (begin, count) in &self.beginnings {
            let own = SEPARATORS.iter().find_map(|end| {
                let owner = begin.strip_suffix(end)?;
                (owner == root.as_str()).then(|| format!("{{task}}{end}{{version}}"))
            });
            let is_bare = ["", "v", "V", "release-", "release-v", "version-", "r"].contains(begin);
            let bare = is_bare.then(|| format!("{begin}{{version}}"));
            let form = own.or(bare).and_then(|form| form.parse().ok());
            found.extend(form.map(|form| (*count, form)));
        }
        found
            .into_iter()
            .max_by_key(|(count, _)| *count)
            .map(|(_, form)| form)
    }

    /// Returns the task that the whole repository is.
    fn root(&self, tag: TagForm) -> FoundTask {
        let dir = RelPath::root();
        let id = self.id_of(&dir);
        FoundTask {
            id,
            dir,
            tag,
            scheme: Scheme::default(),
            exclude: Vec::new(),
        }
    }

    /// Returns the packages of a monorepo, or without any the folders `tasks/*`; none when the root
    /// is a package itself.
    fn members(&self) -> Vec<&RelPath> {
        let below: Vec<&RelPath> = self.packages.keys().filter(|dir| !dir.is_root()).collect();
        let root = RelPath::root();
        let is_umbrella = !self.packages.contains_key(&root) || self.is_private(&root);
        // A Cargo workspace with one version for all crates is one project.
        let is_one = version_place::in_folder(&*self.site.tree, &root)
            .is_some_and(|place| place.key == "workspace.package.version");
        if below.is_empty() && !self.packages.contains_key(&root) {
            let tasks = RelPath::own("tasks");
            let is_task = |dir: &&RelPath| dir.parent() == tasks && is_own(dir);
            return self.folders.iter().filter(is_task).collect();
        }
        let inner = |dir: &&&RelPath| below.iter().all(|other| other == *dir || !dir.is_in(other));
        if is_umbrella && !is_one {
            below.iter().filter(inner).copied().collect()
        } else {
            Vec::new()
        }
    }

    /// True for a folder whose package only holds others together.
    fn is_private(&self, dir: &RelPath) -> bool {
        let values = |name: &str| values_of(self.site, &dir.join(name));
        let has = |values: &[(String, String)], begin: &str| {
            values.iter().any(|(key, _)| key.starts_with(begin))
        };
        let npm = values("package.json");
        let cargo = values("Cargo.toml");
        has(&npm, "workspaces") || has(&cargo, "workspace.") && !has(&cargo, "package.")
    }

    /// True for a folder whose files have a version.
    fn has_version(&self, dir: &RelPath) -> bool {
        version_place::in_folder(&*self.site.tree, dir).is_some()
    }

    /// Returns the id of the task in a folder: the name of its package or the folder's.
    fn id_of(&self, dir: &RelPath) -> TaskId {
        let own = self.packages.get(dir).and_then(Option::as_deref);
        let top = self.site.git.work_tree().file_name();
        let top = top.map(|name| name.to_string_lossy().into_owned());
        let folder = if dir.is_root() {
            top.unwrap_or_default()
        } else {
            String::from_utf8_lossy(dir.name()).into_owned()
        };
        let scoped = own.and_then(|name| name.rsplit('/').next());
        let mut names = scoped.into_iter().chain([folder.as_str(), "project"]);
        names
            .find_map(|name| clean(name).parse().ok())
            .expect("because `project` is an id")
    }

    /// Gives the tasks their ids; of two with the same, the later ones are named after their path.
    fn named(&self, found: BTreeMap<RelPath, (TagForm, usize)>) -> Vec<FoundTask> {
        let mut taken = BTreeSet::new();
        let mut tasks = Vec::new();
        for (dir, (tag, _)) in found {
            let id = self.id_of(&dir);
            let by_path = || clean(&dir.to_text().replace('/', "-")).parse().ok();
            let is_free = |id: &TaskId| !taken.contains(&id.folded());
            let id = Some(id).filter(is_free).or_else(by_path).filter(is_free);
            if let Some(id) = id {
                taken.insert(id.folded());
                tasks.push(FoundTask {
                    id,
                    dir,
                    tag,
                    scheme: Scheme::default(),
                    exclude: Vec::new(),
                });
            }
        }
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        tasks
    }
}

/// Returns what stands before the version in the name of a release's tag: a semantic version, else
/// one that can only be a date, else one of a Python package.
fn before_version(name: &str, is_python: bool) -> Option<&str> {
    if TagName::is_marker(name) {
        return None;
    }
    let begins = name.char_indices().filter(|(at, c)| {
        let before = name[..*at].chars().next_back();
        c.is_ascii_digit() && before.is_none_or(|c| !c.is_ascii_digit() && c != '.')
    });
    let versions = begins.filter_map(|(at, _)| Some((at, name[at..].parse().ok()?)));
    let versions: Vec<(usize, Version)> = versions.collect();
    let find = |fits: &dyn Fn(&Version) -> bool| versions.iter().find(|(_, v)| fits(v));
    let found = find(&Version::is_semantic).or_else(|| find(&is_dated));
    let found = found.or_else(|| find(&|version| is_python && schemes::is_pythonic(version)));
    found.map(|(at, _)| &name[..*at])
}
