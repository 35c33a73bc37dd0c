//! Checks whether a release's signatures satisfy the demand.
//!
//! Either kind suffices: the tag's, which names the commit of the files and, in its message, the
//! manifest's digest; or the manifest's, which names every file, the commit and the tag. The bytes
//! are judged before they are parsed, and everything parsed later has the digest that was judged.

use crate::{
    base::{Failure, Hint, Kind},
    catalog::{Release, manifests},
    git::PeeledTag,
    model::{
        Advice, CheckResult, Manifest, Status,
        manifest::TaskVersion,
        signature::{Demand, ManifestSignature, SignatureJudgement, SignatureState, Unread},
    },
    site::RepoSite,
    verify::{Check, CheckSubject, nothing},
};

/// Checks that a signature of the release satisfies the demand. Runs before the manifest is parsed.
pub struct SignatureCheck;

impl Check for SignatureCheck {
    fn id(&self) -> &'static str {
        "integrity.signature"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::Release(of) => {
                let result = signature(of.site, of.release, of.demand)?;
                Ok(result.into_iter().collect())
            }
            _ => nothing(),
        }
    }
}

/// Judges the signatures of a release; `None` when none is demanded.
pub fn signature(
    site: &RepoSite,
    release: &Release,
    demand: Demand,
) -> Result<Option<CheckResult>, Failure> {
    if demand == Demand::None {
        return Ok(None);
    }
    let run = SignatureCheck.begin();
    let tag = site.git.tag_signature(&release.tag_id, &release.tag)?;
    let manifest = of_manifest(site, release)?;
    let states = [tag.state, manifest.state];
    let mut evidence = match states {
        [SignatureState::Missing, SignatureState::Missing] => tag.evidence(""),
        _ => {
            let found = [("", &tag), ("manifest ", &manifest)]
                .into_iter()
                .filter(|(_, found)| found.state != SignatureState::Missing);
            found
                .flat_map(|(what, found)| found.evidence(what))
                .collect()
        }
    };
    if tag.state == SignatureState::Good
        && manifests::digest_in(&site.git.peel_tag(&release.tag_id)?.message).is_none()
    {
        evidence.push(
            "the tag names no manifest digest: its signature covers the commit, not the manifest"
                .into(),
        );
    }
    let (task, version) = (release.task.as_str(), release.version.to_string());
    let unsigned = states.iter().all(|state| *state == SignatureState::Missing);
    let hint = if unsigned {
        Hint::say(format!(
            "{task} {version} is not signed; sign the next release: snapback create-snapshot -t {task} --sign"
        ))
    } else {
        Advice::ListKeys.because("see whose keys are trusted here")
    };
    Ok(Some(CheckResult {
        hints: vec![hint],
        ..run.end(status(states, demand), evidence)
    }))
}

/// Returns true when the check found any signature.
pub fn has_signature(check: &CheckResult) -> bool {
    check.evidence.first().is_some_and(|line| {
        !line.starts_with(&format!("signature: {}", SignatureState::Missing.word()))
    })
}

/// Combines the two states into a status.
fn status(states: [SignatureState; 2], demand: Demand) -> Status {
    let one_is = |wanted: &[SignatureState]| states.iter().any(|state| wanted.contains(state));
    match demand {
        // A good signature does not outweigh a forged one.
        _ if one_is(&[SignatureState::Bad, SignatureState::Revoked]) => Status::Fail,
        _ if one_is(&[SignatureState::Good]) => Status::Pass,
        Demand::Required if one_is(&[SignatureState::Unjudged]) => Status::Inconclusive,
        Demand::Required => Status::Fail,
        Demand::Optional | Demand::None => Status::Skipped,
    }
}

/// Judges the signature of a release's manifest.
fn of_manifest(site: &RepoSite, release: &Release) -> Result<SignatureJudgement, Failure> {
    let message = match site.git.peel_tag(&release.tag_id) {
        Ok(tag) => tag.message,
        // Checks that need more of the tag than its signature report what is wrong with it.
        Err(_) => {
            return Ok(SignatureJudgement::only(
                SignatureState::Missing,
                "the tag cannot be read",
            ));
        }
    };
    let signature = match ManifestSignature::in_message(&message) {
        Ok(signature) => signature,
        Err(Unread::Missing) => {
            return Ok(SignatureJudgement::only(
                SignatureState::Missing,
                "the manifest is not signed",
            ));
        }
        Err(Unread::Unknown(algorithm)) => {
            let algorithm = crate::base::text::escape(algorithm.as_bytes());
            return Ok(SignatureJudgement::only(
                SignatureState::UnknownKey,
                format!("nothing here knows its algorithm, {algorithm:?}"),
            ));
        }
        Err(Unread::Wrong(why)) => return Ok(SignatureJudgement::only(SignatureState::Bad, why)),
    };
    let (tag, bytes) = match manifests::bytes(site, release) {
        Ok(found) => found,
        Err(failure) if failure.kind() == Kind::Bad => {
            return Ok(SignatureJudgement::only(
                SignatureState::Bad,
                failure.to_string(),
            ));
        }
        Err(failure) => {
            return Ok(SignatureJudgement::only(
                SignatureState::Unjudged,
                failure.to_string(),
            ));
        }
    };
    let (mut judgement, signer) = site.keys().judge(&signature, &bytes);
    if judgement.state != SignatureState::Good {
        return Ok(judgement);
    }
    let (subject, created_at) = Manifest::parse_subject(&bytes)?;
    let spoil = |state, why: String| SignatureJudgement {
        state,
        why,
        ..judgement.clone()
    };
    if let Some(why) = of_another(release, &tag, &subject) {
        judgement = spoil(SignatureState::Bad, why);
    } else if let Some(until) = signer.and_then(|signer| signer.valid_until) {
        // The signer supplies the time; no other clock can be trusted either.
        if created_at.value().is_none_or(|made| made >= until) {
            judgement = spoil(
                SignatureState::Expired,
                format!("its key was good for releases until {until}"),
            );
        }
    }
    Ok(judgement)
}

/// Returns why a signed manifest is not the one of this release.
fn of_another(release: &Release, tag: &PeeledTag, subject: &TaskVersion) -> Option<String> {
    if !subject.is(&release.task, &release.version) {
        return Some(format!(
            "it is that of {} {}",
            subject.task, subject.version
        ));
    }
    if manifests::digest_in(&tag.message).is_none() {
        return Some("the tag does not name the digest of the manifest".into());
    }
    let commit = subject.commit.to_string();
    (commit != tag.commit.as_str()).then(|| {
        format!(
            "it is that of the commit {commit}, and the tag names {}",
            tag.commit
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_one_spoils_a_good_one_and_a_good_one_is_enough() {
        use SignatureState::{Bad, Expired, Good, Missing, Revoked, Unjudged, UnknownKey};
        let all = [Good, Bad, UnknownKey, Expired, Revoked, Missing, Unjudged];
        for (a, b) in all.into_iter().flat_map(|a| all.map(|b| (a, b))) {
            let has = |state: SignatureState| a == state || b == state;
            let (required, optional) = (
                status([a, b], Demand::Required),
                status([a, b], Demand::Optional),
            );
            assert_eq!(
                required == Status::Fail,
                has(Bad) || has(Revoked) || !(has(Good) || has(Unjudged)),
                "{a:?} {b:?}"
            );
            assert_eq!(
                required == Status::Pass,
                has(Good) && !has(Bad) && !has(Revoked),
                "{a:?} {b:?}"
            );
            assert_eq!(
                optional == Status::Fail,
                has(Bad) || has(Revoked),
                "{a:?} {b:?}"
            );
            assert_eq!(optional == Status::Pass, required == Status::Pass);
        }
    }
}
