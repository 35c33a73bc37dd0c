//! A release as a change for the operator.

use crate::{
    base::Failure,
    catalog::tasks,
    draft::Draft,
    drill::way_back,
    model::{Settings, request::CreateSnapshot, settings::OnVerifyFail},
    operate::Change,
    site::RepoSite,
    verdict,
};

impl Change for CreateSnapshot {
    /// Describes the release, and notes if the task's rollback target is broken.
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        site.refuse_flaws()?;
        let spec = tasks::spec(site, &self.task)?;
        let releases = tasks::releases_of(site, &self.task)?;
        let standings = verdict::standings_of(site, &self.task)?;
        let mut draft = super::draft(site, spec, &releases, &standings, self)?;
        if let Some(version) = draft.plan.to.clone().filter(|_| !draft.plan.nothing_to_do) {
            let broken = way_back::broken(site, spec, &version)?;
            draft.plan.notes.extend(broken);
        }
        Ok(draft)
    }

    fn on_verify_fail(&self, _settings: &Settings) -> OnVerifyFail {
        if self.allow_failing {
            OnVerifyFail::Keep
        } else {
            OnVerifyFail::Undo
        }
    }

    fn runs_pre_commit(&self) -> bool {
        self.run_hooks
    }
}
