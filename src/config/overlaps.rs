//! Finds tasks that cannot coexist: ids that differ only in case, files that two tasks own,
//! configurations that are another task's file.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::{
    file::OneOrMany,
    place::{places, rule},
    resolve::ConfigFindings,
};
use crate::{
    base::{Fs, Globs, RelPath, yaml},
    model::{Scheme, TagForm, TagForms, TagName, TaskId, TaskSpec, Version, tag_form::is_tag},
};

/// The paths that an unusable entry claims to own.
pub(super) struct PathClaim {
    /// The entry's name.
    name: String,
    /// Globs from the work tree.
    paths: Vec<String>,
}

impl PathClaim {
    /// Returns the claims of the entries with these names. An entry without usable paths has no
    /// claim.
    pub(super) fn all<'n>(
        names: impl IntoIterator<Item = &'n str>,
        bytes: &[u8],
        root: &dyn Fs,
    ) -> Vec<Self> {
        let mut names = names.into_iter().peekable();
        if names.peek().is_none() {
            return Vec::new();
        }
        let whole: Value = yaml::parse(bytes, yaml::YamlLimits::human()).unwrap_or_default();
        // An entry may have its name in another Unicode form than its task.
        let is_of = |key: &str, name: &str| {
            let id = |text: &str| text.parse::<TaskId>().ok();
            key == name || id(key).is_some() && id(key) == id(name)
        };
        let one = |name: &str| {
            let entries = whole.get("tasks")?.as_object()?;
            let (_, entry) = entries.iter().find(|(key, _)| is_of(key, name))?;
            let paths = match entry.get("path")? {
                Value::String(path) => vec![path.clone()],
                Value::Array(paths) => paths
                    .iter()
                    .filter_map(|path| path.as_str().map(String::from))
                    .collect(),
                _ => return None,
            };
            let (_, paths) = places(&format!("tasks.{name}.path"), &OneOrMany(paths), root).ok()?;
            Some(Self {
                name: name.into(),
                paths,
            })
        };
        names.filter_map(one).collect()
    }
}

/// An owner of files: a task, or an entry that cannot be used.
#[derive(Clone, Copy)]
struct PathOwner<'a> {
    name: &'a str,
    paths: &'a [String],
    exclude: &'a [String],
    task: Option<&'a TaskId>,
}

impl<'a> PathOwner<'a> {
    fn of_task(task: &'a TaskSpec) -> Self {
        Self {
            name: task.id.as_str(),
            paths: &task.paths,
            exclude: &task.exclude,
            task: Some(&task.id),
        }
    }

    fn of_claim(claim: &'a PathClaim) -> Self {
        Self {
            name: &claim.name,
            paths: &claim.paths,
            exclude: &[],
            task: None,
        }
    }

    /// Returns true when it excludes everything that a pattern names.
    fn gives_away(&self, glob: &str) -> bool {
        let inside = glob
            .strip_suffix("/**")
            .map_or_else(|| glob.to_string(), |folder| format!("{folder}/x"));
        match (Globs::new(self.exclude), RelPath::parse(inside)) {
            (Ok(excluded), Ok(inside)) => excluded.matches(&inside),
            _ => false,
        }
    }
}

/// Two owners of the same files, and the pattern of these files.
type Overlap<'a> = (PathOwner<'a>, PathOwner<'a>, &'a str);

/// The other owners that one owner overlaps, with the patterns.
type Met<'a> = Vec<(PathOwner<'a>, &'a str)>;

/// Leaves out tasks whose ids differ only in case, or come from two places (two folders whose names
/// are one in Unicode's form NFC): on some systems they are one folder and one tag. Those with
/// releases under an id of their own can still be rolled back. The other tasks are not affected.
pub(super) fn leave_twins_out(
    tasks: Vec<TaskSpec>,
    is_released: &dyn Fn(&TaskId) -> bool,
    warnings: &mut Vec<String>,
) -> Vec<TaskSpec> {
    let folded = |task: &TaskSpec| task.id.folded();
    let mut groups: BTreeMap<String, Vec<TaskSpec>> = BTreeMap::new();
    for task in tasks {
        groups.entry(folded(&task)).or_default().push(task);
    }
    let mut kept = Vec::new();
    for twins in groups.into_values() {
        if twins.len() == 1 {
            kept.extend(twins);
            continue;
        }
        let names: Vec<String> = twins
            .iter()
            .map(|task| format!("{} ({})", task.id, task.dir))
            .collect();
        let is_alone =
            |task: &TaskSpec| twins.iter().filter(|other| other.id == task.id).count() == 1;
        let stays: Vec<bool> = twins
            .iter()
            .map(|task| is_alone(task) && is_released(&task.id))
            .collect();
        let left: Vec<&str> = twins
            .iter()
            .zip(&stays)
            .filter(|(_, stays)| !**stays)
            .map(|(task, _)| task.id.as_str())
            .collect();
        let left = if left.is_empty() {
            String::new()
        } else {
            format!("; left out: {}", left.join(", "))
        };
        warnings.push(format!(
            "{} are the same id but for case or place: rename one{left}",
            names.join(" and ")
        ));
        kept.extend(
            twins
                .into_iter()
                .zip(stays)
                .filter(|(_, stays)| *stays)
                .map(|(task, _)| task),
        );
    }
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    kept
}

/// Leaves out tasks that own the same files as another task or an unusable entry: a rollback of
/// one would change the other.
pub(super) fn leave_overlaps_out(
    tasks: &mut Vec<TaskSpec>,
    claims: &[PathClaim],
    found: &mut ConfigFindings<'_>,
) {
    let owners: Vec<PathOwner<'_>> = tasks
        .iter()
        .map(PathOwner::of_task)
        .chain(claims.iter().map(PathOwner::of_claim))
        .collect();
    for (one, others) in by_one(&overlaps(&owners)) {
        let (other, glob) = others[0];
        let more = if others.len() == 1 {
            String::new()
        } else {
            format!(" (it overlaps with {} more)", others.len() - 1)
        };
        let why = format!(
            "{} and {} both own {glob}{more}; use `exclude` in one of them, or `shared` for files that both use",
            one.name, other.name
        );
        let at = format!(
            "tasks.{}",
            others
                .iter()
                .map(|(other, _)| *other)
                .chain([one])
                .find(|owner| owner.task.is_some())
                .map_or("", |owner| owner.name)
        );
        let tasks = others
            .iter()
            .map(|(other, _)| other.task)
            .chain([one.task])
            .flatten()
            .cloned();
        found.stop(rule(&at, why), tasks);
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// Returns all pairs that own the same files, except pairs of two unusable entries.
fn overlaps<'a>(owners: &[PathOwner<'a>]) -> Vec<Overlap<'a>> {
    let mut by_glob: HashMap<&str, PathOwner<'a>> = HashMap::new();
    let mut pairs: Vec<Overlap<'a>> = Vec::new();
    let globs = || {
        owners
            .iter()
            .flat_map(|owner| owner.paths.iter().map(move |glob| (*owner, glob.as_str())))
    };
    for (owner, glob) in globs() {
        pairs.extend(
            by_glob
                .insert(glob, owner)
                .filter(|other| other.name != owner.name)
                .map(|other| (other, owner, glob)),
        );
    }
    for (owner, glob) in globs() {
        let outer = outer_globs(glob).find_map(|outer| {
            by_glob
                .get(outer.as_str())
                .copied()
                .filter(|other| other.name != owner.name)
        });
        pairs.extend(
            outer
                .filter(|other| !other.gives_away(glob))
                .map(|other| (other, owner, glob)),
        );
    }
    pairs.retain(|(a, b, _)| a.task.is_some() || b.task.is_some());
    pairs
}

/// Groups the pairs, each under the owner that is in more of them: one wrong path is one mistake,
/// however many tasks it overlaps.
fn by_one<'a>(pairs: &[Overlap<'a>]) -> Vec<(PathOwner<'a>, Met<'a>)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (a, b, _) in pairs {
        *counts.entry(a.name).or_default() += 1;
        *counts.entry(b.name).or_default() += 1;
    }
    let mut groups: BTreeMap<&str, (PathOwner<'a>, Met<'a>)> = BTreeMap::new();
    for (a, b, glob) in pairs {
        let (one, other) = if counts[b.name] > counts[a.name] {
            (b, a)
        } else {
            (a, b)
        };
        groups
            .entry(one.name)
            .or_insert_with(|| (*one, Vec::new()))
            .1
            .push((*other, glob));
    }
    groups.into_values().collect()
}

/// Leaves out tasks whose configuration is another task's file: a release of one would change the
/// other.
pub(super) fn leave_foreign_configs_out(tasks: &mut Vec<TaskSpec>, found: &mut ConfigFindings<'_>) {
    let owns = |task: &TaskSpec, path: &RelPath| {
        let matches = |globs: &[String]| Globs::new(globs).is_ok_and(|globs| globs.matches(path));
        matches(&task.paths) && !matches(&task.exclude)
    };
    let unknown = found.stopped();
    for task in tasks.iter() {
        // A file in the task's own folder belongs to no other task, even if the task excludes it.
        let is_elsewhere = |config: &&RelPath| !config.is_in(&task.dir) && !owns(task, config);
        let Some(config) = task.config.as_ref().filter(is_elsewhere) else {
            continue;
        };
        let at = format!("tasks.{}.config", task.id);
        if let Some(other) = tasks
            .iter()
            .find(|other| other.id != task.id && owns(other, config))
        {
            let why = format!("{config} is a file of {}; use `exclude` there", other.id);
            found.stop(rule(&at, why), [task.id.clone(), other.id.clone()]);
        } else if let Some(other) = unknown.first() {
            let why = format!(
                "whether {config} is a file of {other} too cannot be told while the entry of {other} is wrong"
            );
            found.stop(rule(&at, why), [task.id.clone()]);
        }
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// Leaves out tasks that would have the same tags.
pub(super) fn leave_same_tags_out(tasks: &mut Vec<TaskSpec>, found: &mut ConfigFindings<'_>) {
    let mut forms: BTreeMap<&TagForm, Vec<&TaskSpec>> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.tag.is_of_one_task()) {
        forms.entry(&task.tag).or_default().push(task);
    }
    for (form, tasks) in forms.into_iter().filter(|(_, tasks)| tasks.len() > 1) {
        let why = format!(
            "{} and {} would have the same tags, {form}; put {{task}} or {{path}} into it",
            tasks[0].id, tasks[1].id
        );
        let ids = tasks.iter().map(|task| task.id.clone());
        found.stop(rule(&format!("tasks.{}.tag", tasks[0].id), why), ids);
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// Leaves out tasks whose tags git would not take, or that could as well be another task's.
pub(super) fn leave_odd_tags_out(tasks: &mut Vec<TaskSpec>, found: &mut ConfigFindings<'_>) {
    let first: Version = "1.0.0".parse().expect("because it is a version");
    let forms = TagForms::of(TagForm::usual().clone(), tasks);
    let ids: HashSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
    let scheme = |id: &TaskId| ids.contains(id).then(Scheme::default);
    let mut stopped: Vec<(&TaskSpec, Option<TaskId>, String)> = Vec::new();
    for task in tasks.iter().filter(|task| task.tag != *TagForm::usual()) {
        let own = TagName::release(&task.id, &first);
        let name = task.tag.write(&own, &task.dir);
        if !is_tag(&name) {
            let why = format!("git does not take {name} as the name of a tag");
            stopped.push((task, None, why));
            continue;
        }
        let readings = forms.readings(&name, &scheme).into_iter();
        let mut others = readings.filter(|reading| *reading != own);
        if let Some(other) = others.next() {
            let other = other.task().clone();
            let why = format!(
                "the tag {name} of {} could as well be one of {other}",
                task.id
            );
            stopped.push((task, Some(other), why));
        }
    }
    for (task, other, why) in stopped {
        let ids = other.into_iter().chain([task.id.clone()]);
        found.stop(rule(&format!("tasks.{}.tag", task.id), why), ids);
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// Returns `x/**` for every folder that contains a pattern, deepest first.
fn outer_globs(glob: &str) -> impl Iterator<Item = String> + '_ {
    let mut at = glob.strip_suffix("/**").unwrap_or(glob);
    let mut done = glob == "**";
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        if let Some((outer, _)) = at.rsplit_once('/') {
            at = outer;
            return Some(format!("{outer}/**"));
        }
        done = true;
        Some("**".to_string())
    })
}
