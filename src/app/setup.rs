//! Before there is anything: what `init` writes.

use std::path::Path;

use super::{App, Options};
use crate::{
    base::{Failure, RelPath, fs::read_limited, glob::Globs, sqlite},
    catalog::Scope,
    config,
    draft::{Draft, FileDraft, StepDraft, tree},
    git::Scan,
    model::{Plan, Report, Request, operation::OpKind, overview::InitFile},
    operate, site,
};

impl App {
    /// The files that `init` would write into the repository that holds a folder, and patterns of
    /// databases and data in the tasks' folders that no release keeps by the settings that are
    /// there.
    pub fn init_files(dir: &Path) -> Result<(Vec<InitFile>, Vec<String>), Failure> {
        let app = App::open(
            dir,
            Options {
                dry_run: true,
                ..Options::default()
            },
        )?;
        app.refuse_flaws()?;
        let scan = app
            .site
            .git
            .scan(&[crate::base::RelPath::root()])
            .unwrap_or_default();
        let tracks = |globs: &Globs| {
            scan.tracked
                .iter()
                .any(|tracked| globs.matches(&tracked.path))
        };
        let data = app.data_left_out(&scan)?;
        Ok((
            config::init_files(app.work_tree(), app.settings(), tracks, &data)?,
            data,
        ))
    }

    /// Patterns of databases and data in the tasks' folders that neither git nor the store keeps.
    fn data_left_out(&self, scan: &Scan) -> Result<Vec<String>, Failure> {
        let scopes = self
            .site
            .settings
            .tasks
            .iter()
            .map(|task| Scope::new(&self.site.settings, task));
        let scopes: Vec<Scope> = scopes.collect::<Result<_, _>>()?;
        let is_left_out = |path: &&RelPath| {
            scopes
                .iter()
                .any(|scope| scope.owns(path) && !scope.names_large(path))
        };
        let files = scan
            .untracked
            .iter()
            .chain(&scan.ignored)
            .filter(is_left_out);
        Ok(config::data_patterns(files, |path| {
            sqlite::is_database(&*self.site.tree, path).unwrap_or(false)
        }))
    }

    /// Puts back what an `init` left that was interrupted; true when there was one.
    pub fn settle_init(dir: &Path, options: Options) -> Result<bool, Failure> {
        let app = App::open(dir, options)?;
        if app
            .unfinished()?
            .is_none_or(|line| line.kind != OpKind::Init)
        {
            return Ok(false);
        }
        app.abort().map(|_| true)
    }

    /// Writes them, all or none. A file that is not as it was when they were shown is an error.
    pub fn init(dir: &Path, options: Options, files: &[InitFile]) -> Result<Report, Failure> {
        App::open(dir, options)?.apply_seen(&Request::Init(files.to_vec()), |_| Ok(()))
    }

    /// Describes the files of `init`.
    pub(super) fn draft_of_init(&self, files: &[InitFile]) -> Result<Draft, Failure> {
        let no_task = "none".parse().expect("because it is a legal id");
        let mut draft = Draft::new(Plan::new(OpKind::Init, &no_task), "init");
        let tree = &*self.site.tree;
        for file in files {
            let failed = |source| site::Error::State {
                path: self.work_tree().join(file.path.as_os()),
                source,
            };
            let stat = tree.stat(&file.path).map_err(failed)?;
            let now = stat
                .map(|_| read_limited(tree, &file.path, 64 << 20))
                .transpose()
                .map_err(failed)?;
            if now.as_deref() != file.before.as_ref().map(String::as_bytes) {
                return Err(operate::Error::PlanOutOfDate.into());
            }
            let before = tree::existing(tree, &self.site.git, &file.path, None)?;
            let mode = before
                .as_ref()
                .map_or(0o666 & !self.site.umask, |kept| kept.state.mode);
            let after = Some(tree::with_bytes(mode, file.after.clone().into_bytes()));
            draft.files.push(FileDraft {
                path: file.path.clone(),
                before,
                after,
            });
        }
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        draft.steps = vec![StepDraft::Files];
        Ok(draft)
    }
}
