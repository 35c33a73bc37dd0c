//! A new step is one file: the journal runs it, undoes it when a later one fails, and finishes it
//! after a crash.

use std::path::PathBuf;

use serde_json::{Value, json};
use snapback::{
    base::{Due, Failure, cancel::Cancelled},
    journal::{JournalStep, RunEnd, Runner, history},
    model::Operation,
    steps,
};

use super::vaults::Place;

/// Increments a number in a file.
struct Counter {
    file: PathBuf,
}

impl Counter {
    fn value(&self) -> u64 {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    fn set(&self, value: &Value) {
        std::fs::write(&self.file, value.to_string()).unwrap();
    }
}

impl JournalStep for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(json!({ "before": self.value(), "after": self.value() + 1 }))
    }

    fn apply(&mut self, prepared: &Value, _due: &Due) -> Result<(), Failure> {
        self.set(&prepared["after"]);
        Ok(())
    }

    fn undo(&mut self, prepared: &Value, _due: &Due) -> Result<(), Failure> {
        self.set(&prepared["before"]);
        Ok(())
    }
}

/// A step that always fails.
struct Impossible;

impl JournalStep for Impossible {
    fn name(&self) -> &'static str {
        "impossible"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Err(Cancelled { signal: 15 }.into())
    }

    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }
}

/// Returns the steps of an operation: a change of a file, and the added step.
fn steps_of<'a>(place: &'a Place, operation: &'a Operation) -> Vec<Box<dyn JournalStep + 'a>> {
    let mut steps = steps::build_without_git(&place.site, operation).unwrap();
    steps.push(Box::new(counter(place)));
    steps
}

fn begin<'a>(
    place: &Place,
    operation: &Operation,
    steps: Vec<Box<dyn JournalStep + 'a>>,
) -> Runner<'a> {
    Runner::begin(&place.site.state, operation, steps).unwrap()
}

fn counter(place: &Place) -> Counter {
    Counter {
        file: place.dir.path().join("count"),
    }
}

#[test]
fn an_added_step() {
    let place = Place::new();
    place.write("home/a", "old");
    let operation = place.operation(vec![place.change("home", "a", "new")]);
    let ended = begin(&place, &operation, steps_of(&place, &operation)).run();
    assert!(matches!(ended.unwrap(), RunEnd::Done));
    assert_eq!(
        (counter(&place).value(), place.read("home/a")),
        (1, "new".into())
    );
}

#[test]
fn an_added_step_is_taken_back_when_a_later_one_fails() {
    let place = Place::new();
    place.write("home/a", "old");
    place.write("count", "7");
    let operation = place.operation(vec![place.change("home", "a", "new")]);
    let mut steps = steps_of(&place, &operation);
    steps.push(Box::new(Impossible));
    let ended = begin(&place, &operation, steps).run().unwrap();
    assert!(matches!(ended, RunEnd::Undone(_)));
    assert_eq!(
        (counter(&place).value(), place.read("home/a")),
        (7, "old".into())
    );
}

#[test]
fn an_added_step_is_finished_after_a_crash() {
    let place = Place::new();
    let operation = place.operation(vec![place.change("home", "a", "new")]);
    drop(begin(&place, &operation, steps_of(&place, &operation)));
    let found = history::unfinished(&place.site.state).unwrap().unwrap();
    let ended = Runner::new(found.log, steps_of(&place, &operation)).run();
    assert!(matches!(ended.unwrap(), RunEnd::Done));
    assert_eq!(counter(&place).value(), 1);
}
