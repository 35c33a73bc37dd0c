//! The audit log for tests: what an operation reports, and what the log must contain afterwards.

use std::sync::Arc;

use jiff::Timestamp;
use snapback::{
    audit::{
        Trail,
        check::{EndedOperation, Outside, check},
    },
    base::Fs,
    journal::{Ending, OperationPhase, history},
    model::{
        OpId,
        audit::{AuditEnd, AuditResult, AuditStatement, AuditedAction, Identity, Origin, Via},
    },
};

/// Returns a fixed report with this id.
pub fn saying(id: &str, end: AuditEnd) -> AuditStatement {
    AuditStatement {
        at: Timestamp::from_second(1_771_909_800).unwrap(),
        who: Identity {
            name: Some("Li Wei".into()),
            email: Some("li.wei@example.com".into()),
            user: Some("li".into()),
            uid: 1000,
            host: "desk".into(),
        },
        what: AuditedAction {
            id: id.into(),
            kind: "rollback".into(),
            by: None,
            task: Some("T01".parse().unwrap()),
            from: Some("1.1.0".parse().unwrap()),
            to: Some("1.0.0".parse().unwrap()),
            about: None,
        },
        why: "it lost money".into(),
        from: Origin {
            via: Via::Terminal,
            tree: None,
            dir: "tasks/T01".into(),
        },
        result: AuditResult {
            end,
            error: (end != AuditEnd::Done).then(|| "bad".to_string()),
        },
    }
}

/// Returns what an operation of the simulated world reports.
pub fn said(id: &OpId, ending: Ending<'_>) -> AuditStatement {
    let end = match ending {
        Ending::Done => AuditEnd::Done,
        Ending::Undone(_) => AuditEnd::PutBack,
        Ending::Stuck => AuditEnd::Stuck,
    };
    saying(&id.to_string(), end)
}

/// Checks that after a recovery the log is whole, with exactly one line for every operation that is
/// over; the newest operation's line says how it ended, or is still owed.
pub fn judge(state: &Arc<dyn Fs>, newest: &OpId, done: bool) -> Result<(), String> {
    let trail = Trail::new(state.clone());
    let mut over = Vec::new();
    for id in history::ids(&**state).map_err(|error| error.to_string())? {
        match history::summary(state, &id).map_err(|error| error.to_string())? {
            Some(listed) if matches!(listed.phase, OperationPhase::Finished { .. }) => {
                over.push(EndedOperation {
                    id,
                    owed: listed.owed.is_some(),
                });
            }
            _ => {}
        }
    }
    let segments = trail.segments().map_err(|error| error.to_string())?;
    let checked = check(
        &segments,
        &Outside {
            over: over.clone(),
            ..Outside::default()
        },
    );
    if !checked.is_good() {
        return Err(format!(
            "V17: the audit log is not whole: {:?}",
            checked.findings
        ));
    }
    let (entries, _) = trail.entries().map_err(|error| error.to_string())?;
    for EndedOperation { id, owed } in &over {
        let ends: Vec<AuditEnd> = entries
            .iter()
            .filter(|entry| entry.said.what.id == id.to_string())
            .map(|entry| entry.said.result.end)
            .collect();
        let wanted = if done {
            AuditEnd::Done
        } else {
            AuditEnd::PutBack
        };
        let fits = if *owed {
            ends.is_empty()
        } else {
            ends.len() == 1 && (id != newest || ends == [wanted])
        };
        if !fits {
            return Err(format!(
                "V17: {id} is over (done {done}, owed {owed}), and its lines say {ends:?}"
            ));
        }
    }
    Ok(())
}
