//! The demo: a throw-away repository and a walk through it, typed as a user would.
//!
//! Every line shown is run exactly so by this program. Nothing outside the demo's folder is read or
//! written, and the network is not used. Read `Walk::all`.

mod stage;
mod strategies;

use serde_json::{Value, json};

use super::{
    error::Error,
    render::{Paint, duration},
    reply::Reply,
    session::{Session, read_line},
};
use crate::base::Failure;
pub use stage::{DemoFolder, Stage};
use strategies::{Tools, break_momentum, write_strategies};

/// Runs the walk and returns the reply about it. `auto` never waits.
pub fn run(session: &Session, place: &DemoFolder, auto: bool) -> Result<Reply, Failure> {
    if !auto && !session.can_ask() {
        return Err(Error::NeedsAuto.into());
    }
    let stage = Stage::open(place, session.out)?;
    let mut walk = DemoWalk {
        session,
        stage,
        auto,
        steps: Vec::new(),
    };
    let result = walk.all();
    let kept = walk.stage.close();
    let seconds = result?;
    let end = match &kept {
        Some(path) => format!(
            "Kept in {}; in your own repository: snapback init\n",
            path.display()
        ),
        None => "Its folder is removed. In your own repository: snapback init\n".into(),
    };
    let text = format!("Done in {}, everything clean. {end}", duration(seconds));
    Ok(Reply::new(
        text,
        json!({ "steps": walk.steps, "duration_ms": seconds, "kept": kept }),
    ))
}

/// One walk through the demo.
struct DemoWalk<'a> {
    session: &'a Session,
    stage: Stage,
    auto: bool,
    steps: Vec<Value>,
}

impl DemoWalk<'_> {
    /// Runs all steps; returns their duration without waiting, in milliseconds.
    fn all(&mut self) -> Result<u64, Failure> {
        let tools = Tools::find(&self.stage)?;
        self.set_up(tools)?;
        self.release()?;
        let good = self.stage.digests()?;
        self.break_it(tools)?;
        let bad = self.stage.digests()?;
        self.types("snapback verify-rollback -t T01 --expected 1.3.0", &[4])?;
        self.roll_back(&good)?;
        self.undo_and_redo(&good, &bad)?;
        self.look_back()?;
        Ok(self.stage.took_ms())
    }

    /// Creates a repository with three tasks whose commands are agreed to.
    fn set_up(&mut self, tools: Tools) -> Result<(), Failure> {
        self.title(
            "A throw-away repository",
            "three strategies, one with a database of a few MB that git ignores",
        )?;
        write_strategies(&self.stage, tools)?;
        self.types(
            "git init --quiet --initial-branch=main . && git config user.name Demo && git config user.email demo@example.invalid",
            &[0],
        )?;
        self.types("snapback init --yes --quiet", &[0])?;
        self.types(
            "git add --all && git commit --quiet -m 'Three strategies'",
            &[0],
        )?;
        self.types("snapback trust --yes", &[0])?;
        Ok(())
    }

    /// Makes the first release of each task.
    fn release(&mut self) -> Result<(), Failure> {
        self.title(
            "Release",
            "each version gets a commit, a manifest and a tag",
        )?;
        self.types(
            "snapback create-snapshot -t T01 -m 'tighter stop' --yes",
            &[0],
        )?;
        self.types(
            "snapback create-snapshot -t T02 -m 'first release' --yes --quiet",
            &[0],
        )?;
        self.types(
            "snapback create-snapshot -t T03 -m 'first release' --yes --quiet",
            &[0],
        )?;
        self.types("snapback status", &[0])?;
        Ok(())
    }

    /// Makes a broken release.
    fn break_it(&mut self, tools: Tools) -> Result<(), Failure> {
        self.title(
            "Break it",
            "1.3.0 loosens the stop, raises the leverage and rebuilds the database; its smoke test fails, and it is released all the same",
        )?;
        break_momentum(&self.stage, tools)?;
        // Its smoke test fails: it is refused, and then released all the same.
        for how in ["--yes", "--allow-failing --yes"] {
            self.types(
                &format!(
                    "snapback create-snapshot -t T01 --version 1.3.0 -m 'faster entries' {how}"
                ),
                &[0, 4, 8],
            )?;
        }
        Ok(())
    }

    /// Rolls back to the previous release, which has these files.
    fn roll_back(&mut self, good: &[(String, String)]) -> Result<(), Failure> {
        self.title(
            "Roll back",
            "code, configuration and database; everything is saved first",
        )?;
        self.types(
            "snapback rollback -t T01 --from 1.3.0 --to 1.2.0 -m 'drawdown' --yes",
            &[0],
        )?;
        self.must_be(good, "1.2.0")?;
        self.types("snapback verify-rollback -t T01 --expected 1.2.0", &[0])?;
        Ok(())
    }

    /// Undoes the rollback, and redoes it.
    fn undo_and_redo(
        &mut self,
        good: &[(String, String)],
        bad: &[(String, String)],
    ) -> Result<(), Failure> {
        self.title(
            "Changed your mind",
            "an undo is exact, too: the broken version is back, byte for byte",
        )?;
        // The smoke test of 1.3.0 still fails, which the exit code may report.
        self.types("snapback undo --yes", &[0, 4])?;
        self.must_be(bad, "1.3.0")?;
        self.types("snapback redo --yes", &[0])?;
        self.must_be(good, "1.2.0")
    }

    /// Shows the history, and lets git check the repository.
    fn look_back(&mut self) -> Result<(), Failure> {
        self.title(
            "Look back",
            "who, when, why; and git agrees that all is well",
        )?;
        self.types("snapback history -t T01", &[0])?;
        self.silent("git fsck --strict --no-dangling")?;
        self.silent("git status --porcelain")
    }

    /// Announces a part of the walk, after waiting for Enter unless it runs automatically.
    fn title(&mut self, title: &str, about: &str) -> Result<(), Failure> {
        if !self.auto && !self.steps.is_empty() {
            self.session.say("  (Enter goes on) ");
            read_line()?;
        }
        self.stage.show(
            &format!(
                "\n{}: {about}\n",
                self.session.out.paint(Paint::Strong, title)
            ),
            self.session.globals.json,
        );
        Ok(())
    }

    /// Types a line; its exit code must be one of `expected`.
    fn types(&mut self, line: &str, expected: &[i32]) -> Result<String, Failure> {
        let json = self.session.globals.json;
        self.stage.show(
            &format!("$ {}\n", self.session.out.paint(Paint::Copy, line)),
            json,
        );
        let (code, output) = self.stage.types(line)?;
        self.stage.show(&output, json);
        if code != 0 {
            self.stage.show(&format!("  (exit code {code})\n"), json);
        }
        self.steps
            .push(json!({ "line": line, "exit_code": code, "output": output }));
        if expected.contains(&code) {
            return Ok(output);
        }
        let seen = if json {
            format!(": {output}")
        } else {
            String::new()
        };
        Err(Error::DemoIsWrong(format!("`{line}` ended with {code}{seen}")).into())
    }

    /// Types a line that must not print anything.
    fn silent(&mut self, line: &str) -> Result<(), Failure> {
        let output = self.types(line, &[0])?;
        if !output.is_empty() {
            return Err(Error::DemoIsWrong(format!("`{line}` is not silent")).into());
        }
        self.stage.show(
            &format!("  {} clean\n", self.session.out.ok()),
            self.session.globals.json,
        );
        Ok(())
    }

    /// Checks that the files of all tasks are as expected, byte for byte.
    fn must_be(&self, expected: &[(String, String)], version: &str) -> Result<(), Failure> {
        let found = self.stage.digests()?;
        let other = expected
            .iter()
            .chain(&found)
            .find(|file| !(expected.contains(file) && found.contains(file)));
        match other {
            None => {
                let line = format!(
                    "  {} {} as in {version}, byte for byte\n",
                    self.session.out.ok(),
                    crate::base::text::count(found.len(), "file")
                );
                self.stage.show(&line, self.session.globals.json);
                Ok(())
            }
            Some((path, _)) => {
                Err(Error::DemoIsWrong(format!("{path} is not what {version} had")).into())
            }
        }
    }
}
