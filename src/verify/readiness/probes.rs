//! The configured probes: commands, ports, addresses, and free disk space.

use std::time::Instant;

use super::Readiness;
use crate::{
    base::{Failure, cancel::Cancelled},
    model::{CheckResult, Status, settings::Probe},
    verify::{
        Check, CheckSubject,
        commands::{Rehearsal, folder, millis},
        evidence::bounded,
        nothing, probes,
    },
};

/// Checks that the probes succeed, one result each (`readiness.port.1`, `readiness.http.2`, …).
pub struct ProbesCheck;

impl Check for ProbesCheck {
    fn id(&self) -> &'static str {
        "readiness.probes"
    }

    fn level(&self) -> u8 {
        4
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let Some(of) = subject.readiness() else {
            return nothing();
        };
        let probes = (1..).zip(&of.task.probes);
        let results = probes.map(|(number, probe)| run(&of, number, probe));
        Ok(results.collect::<Result<_, Cancelled>>()?)
    }
}

/// Runs one probe. Fails only when a signal arrived.
fn run(of: &Readiness<'_>, number: usize, probe: &Probe) -> Result<CheckResult, Cancelled> {
    let begun = Instant::now();
    let word = match probe {
        Probe::Command(_) => "command",
        Probe::Port(..) => "port",
        Probe::Http(..) => "http",
        Probe::DiskFree(_) => "disk",
    };
    let id = format!("readiness.{word}.{number}");
    let instead = match probe {
        Probe::DiskFree(_) => None,
        _ => of.commands.instead(),
    };
    if let Some((status, why)) = instead {
        return Ok(result(id, status, vec![why.into()], begun));
    }
    let (status, seen) = match probe {
        Probe::Command(spec) => {
            let dir = folder(of.work_tree, of.task);
            return Rehearsal::default().check(id, 4, spec, &dir, of.variables);
        }
        Probe::Port(host, port, limit) => probes::port(host, *port, *limit)?,
        Probe::Http(url, limit) => probes::http(url, *limit)?,
        Probe::DiskFree(bytes) => probes::disk_free(of.work_tree, *bytes),
    };
    Ok(result(id, status, vec![of.variables.line(&seen)], begun))
}

/// Builds the result of a probe that began at `begun`.
fn result(id: String, status: Status, evidence: Vec<String>, begun: Instant) -> CheckResult {
    CheckResult {
        id,
        level: 4,
        status,
        evidence: bounded(evidence),
        duration_ms: millis(begun.elapsed()),
        hints: Vec::new(),
    }
}
