//! The course of a drill: a release is read, restored into the scratch place, verified and tried,
//! phase by phase.
//!
//! A phase that fails is a failed check; what builds on it is left out.

use std::{ffi::OsString, path::Path, sync::Arc, time::Instant};

use super::{
    Drill, environment, of_version,
    restore::{self, Restored},
    scratch::Scratch,
    share,
};
use crate::{
    base::{
        Failure, Root,
        clock::millis,
        text::{self, size},
    },
    catalog::{
        Release, Scope,
        manifests::{self, Found},
    },
    git::{Attributes, Converter},
    model::{
        Check, Status,
        drill::{DrillReport, Phase},
        manifest::FileEntry,
    },
    verify::{
        Checking, Commands,
        commands::Around,
        configuration::{self, Said},
        evidence::Variables,
        integrity, proof, smoke,
    },
};

/// What is known while a drill goes on.
pub(super) struct Course<'a> {
    scratch: &'a Scratch,
    release: &'a Release,
    /// When the phase began.
    last: Instant,
    pub(super) report: DrillReport,
}

impl<'a> Course<'a> {
    /// A drill that began then.
    pub(super) fn new(
        begun: Instant,
        scratch: &'a Scratch,
        release: &'a Release,
        report: DrillReport,
    ) -> Self {
        Self {
            scratch,
            release,
            last: begun,
            report,
        }
    }

    /// Ends a phase.
    fn phase(&mut self, name: &str, what: String) {
        let ms = millis(self.last.elapsed());
        self.last = Instant::now();
        self.report.phases.push(Phase {
            name: name.into(),
            ms,
            what,
        });
    }

    /// Takes checks in.
    fn checked(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.report.verification.checks.extend(checks);
    }

    /// True when a check failed, so that what builds on it makes no sense.
    fn failed(&self) -> bool {
        self.report.verification.status() == Status::Fail
    }
}

impl Drill<'_> {
    /// Everything that a recovery does, in order; stops at what cannot be gone on from.
    pub(super) fn recover(&self, course: &mut Course<'_>) -> Result<(), Failure> {
        let Some(found) = self.read_release(course)? else {
            return Ok(());
        };
        let converter = self
            .site
            .git
            .converter(Attributes::Commit(&found.tag.commit))?;
        let Some(restored) = self.restore_files(&found, &converter, course)? else {
            return Ok(());
        };
        let scratch = course.scratch;
        if let Some((checks, said)) =
            environment::put(self, &found, scratch, &mut course.report.notes)?
        {
            course.checked(checks);
            course.phase("environment", said);
        }
        course.checked(self.verify(
            scratch.root(),
            &found,
            &converter,
            restored.is_registry_left,
        ));
        course.phase(
            "verify",
            format!(
                "{} read and hashed again",
                text::count(course.report.files, "file")
            ),
        );
        if !course.failed() {
            let checks = self.smoke(scratch, &found)?;
            let said = format!(
                "{} of {} commands",
                if self.how.commands == Commands::Run {
                    self.task.smoke.len()
                } else {
                    0
                },
                self.task.smoke.len()
            );
            course.checked(checks);
            course.phase("smoke", said);
        }
        Ok(())
    }

    /// Reads the release; `None` when it cannot be gone on from.
    fn read_release(&self, course: &mut Course<'_>) -> Result<Option<Arc<Found>>, Failure> {
        let release = course.release;
        let checking = Checking::begin(1, "integrity.manifest");
        let found = match manifests::load(self.site, release) {
            Ok(found) => found,
            Err(failure) => {
                course.checked([checking.unmade(failure, &self.site.git)?]);
                return Ok(None);
            }
        };
        let way = format!(
            "tag {} -> commit {} -> manifest",
            release.tag(),
            found.tag.commit.short()
        );
        let scope = Scope::new(&self.site.settings, self.task)?;
        course.checked([
            checking.end(Status::Pass, vec![way.clone()]),
            proof::commit(self.site, &scope, &found, true)?,
        ]);
        share::look(self, &found, &mut course.report)?;
        course.phase("read", way);
        Ok((!course.failed()).then_some(found))
    }

    /// Restores the files into the scratch place; `None` when that failed.
    fn restore_files(
        &self,
        found: &Found,
        converter: &Converter,
        course: &mut Course<'_>,
    ) -> Result<Option<Restored>, Failure> {
        let checking = Checking::begin(1, "integrity.restore");
        match restore::restore(self, found, converter, course.scratch) {
            Ok(mut restored) => {
                let (files, bytes) = (restored.files, restored.bytes);
                (course.report.files, course.report.bytes) = (files, bytes);
                course.report.notes.append(&mut restored.notes);
                let said = format!(
                    "{}, {} into an empty place",
                    text::count(files, "file"),
                    size(bytes)
                );
                course.checked([checking.end(Status::Pass, vec![said.clone()])]);
                course.phase("restore", said);
                Ok(Some(restored))
            }
            Err(failure) => {
                // What is elsewhere says nothing of the version.
                let is_elsewhere =
                    manifests::absent(&self.site.git, course.release).explains(&failure);
                let (status, hints) = (
                    if is_elsewhere {
                        Status::Inconclusive
                    } else {
                        Status::Fail
                    },
                    failure.hints(),
                );
                course.checked([Check {
                    hints,
                    ..checking.end(status, of_version(failure)?)
                }]);
                course.phase("restore", "it could not be restored".into());
                Ok(None)
            }
        }
    }

    /// Levels 1 and 2 on what was restored.
    fn verify(
        &self,
        root: &Root,
        found: &Found,
        converter: &Converter,
        is_registry_left: bool,
    ) -> Vec<Check> {
        let wanted = |file: &FileEntry| self.is_of_version(file);
        let text = |failure: Failure| failure.to_string();
        let registry =
            crate::catalog::registry::in_tree(root, &self.site.settings).and_then(|registry| {
                Ok(registry
                    .map(|registry| registry.version(&self.task.id))
                    .transpose()?
                    .flatten())
            });
        let config = match &self.task.config {
            Some(_) => crate::catalog::registry::config_version(root, self.task).map_err(text),
            None => Ok(Some(self.version.clone())),
        };
        let said = Said {
            registry: registry.map_err(text),
            config,
            is_registry_left,
        };
        let manifest = &found.manifest;
        let work = integrity::WorkTree {
            tree: root,
            converter,
            file_mode: true,
            takes_pointers: false,
        };
        let mut checks = vec![integrity::tree(&work, manifest, &wanted, &|_| false)];
        checks.extend(configuration::versions(
            self.version,
            &said,
            manifest.metadata.adopted,
        ));
        checks.push(configuration::lockfiles(root, manifest, converter));
        checks.extend(integrity::line_ends(manifest));
        checks
    }

    /// Level 3, in the scratch place and off the network.
    fn smoke(&self, scratch: &Scratch, found: &Found) -> Result<Vec<Check>, Failure> {
        let dir = scratch.tree().join(self.task.dir.as_os());
        let dir = if dir.is_dir() {
            dir
        } else {
            scratch.tree().to_path_buf()
        };
        let variables = Variables::read(
            self.task
                .environment_variables
                .iter()
                .chain(&found.manifest.dependencies.environment_variables),
        );
        let text = |path: &Path| OsString::from(path);
        let set = vec![
            ("SNAPBACK_DRILL", OsString::from("1")),
            ("TMPDIR", text(scratch.temp())),
            // No git command finds the user's repository from here.
            ("GIT_CEILING_DIRECTORIES", text(scratch.path())),
            // An environment that is borrowed must stay as it is.
            ("PYTHONDONTWRITEBYTECODE", OsString::from("1")),
        ];
        let around = Around {
            offline: Some(self.how.offline),
            set,
        };
        Ok(smoke::smoke_around(
            &self.task.smoke,
            &dir,
            &variables,
            self.how.commands,
            &around,
        )?)
    }
}
