//! Events as messages on standard error: bars on a terminal, else a line every ten seconds.
//!
//! A sink for [`Event`]. It never fails: if the terminal closes, messages are lost, but no work.

use std::{
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Paint, TextStyle, safe};
use crate::{
    base::text::{for_terminal, size},
    model::{
        OpId,
        event::{Event, Sink},
    },
};

/// Interval between lines when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The step whose text is the output of a command in a preview: an answer, not a message.
const PREVIEW: &str = "preview";

/// The amount of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Warnings only.
    Quiet,
    /// Finished steps, and a line every ten seconds during long work.
    Lines,
    /// Finished steps, and a bar during long work.
    Bars,
}

/// The sink of the command line.
pub struct Progress {
    style: TextStyle,
    talk: Talk,
    state: Mutex<ProgressState>,
}

#[derive(Default)]
struct ProgressState {
    began: Vec<OpId>,
    work: Option<ProgressWork>,
    warnings: Vec<String>,
    preview: String,
}

struct ProgressWork {
    what: &'static str,
    total: u64,
    done: u64,
    bytes: bool,
    began: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Creates the sink.
    pub fn new(style: TextStyle, talk: Talk) -> Self {
        Self {
            style,
            talk,
            state: Mutex::default(),
        }
    }

    /// Returns the operations that were begun or resumed; their journals record the outcome.
    pub fn began(&self) -> Vec<OpId> {
        self.state().began.clone()
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.state().warnings.clone()
    }

    /// Returns the output of a command in a preview, line by line, unchanged.
    pub fn preview(&self) -> String {
        self.state().preview.clone()
    }

    /// Removes the bar, so that it does not overwrite what is printed next.
    pub fn finish(&self) {
        if let Some(bar) = self.state().work.take().and_then(|work| work.bar) {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, state: &ProgressState, step: &str, text: &str) {
        if self.talk != Talk::Quiet {
            say(
                state.work.as_ref(),
                &format!("  {} {:<10} {}", self.style.ok(), safe(step), safe(text)),
            );
        }
    }

    fn begin(&self, what: &'static str, total: u64, bytes: bool) -> ProgressWork {
        let now = Instant::now();
        let bar = (self.talk == Talk::Bars).then(|| {
            let bar = ProgressBar::with_draw_target(
                (total > 0).then_some(total),
                ProgressDrawTarget::stderr_with_hz(10),
            );
            bar.set_style(bar_style(total > 0, bytes));
            bar.set_message(what);
            bar
        });
        ProgressWork {
            what,
            total,
            done: 0,
            bytes,
            began: now,
            said: now,
            bar,
        }
    }
}

impl Sink for Progress {
    fn take(&self, event: Event) {
        let mut state = self.state();
        match event {
            Event::Began { op } => state.began.push(op),
            Event::WorkBegan { what, total, bytes } => {
                state.work = Some(self.begin(what, total, bytes));
            }
            Event::WorkDone { more } => {
                if let Some(work) = &mut state.work {
                    work.advance(more, self.talk);
                }
            }
            Event::WorkEnded { .. } => {
                if let Some(bar) = state.work.take().and_then(|work| work.bar) {
                    bar.finish_and_clear();
                }
            }
            Event::StepDone {
                step: PREVIEW,
                text,
            } => state.preview = text,
            Event::StepDone { step, text } => self.step(&state, step, &text),
            Event::Warning(text) => {
                let word = self.style.paint(Paint::Attention, "warning:");
                say(state.work.as_ref(), &format!("{word} {}", safe(&text)));
                state.warnings.push(text);
            }
        }
    }
}

impl ProgressWork {
    fn advance(&mut self, more: u64, talk: Talk) {
        self.done = self.done.saturating_add(more);
        if let Some(bar) = &self.bar {
            bar.inc(more);
        } else if talk == Talk::Lines && self.said.elapsed() >= LINE_EVERY {
            let now = Instant::now();
            self.said = now;
            say(
                None,
                &line(
                    self.what,
                    self.done,
                    self.total,
                    self.bytes,
                    now - self.began,
                ),
            );
        }
    }
}

/// Renders `  hashing: 40 % (1.2 GB of 3.0 GB), about 20 s left`.
fn line(what: &str, done: u64, total: u64, bytes: bool, took: Duration) -> String {
    let amount = |number: u64| {
        if bytes {
            size(number)
        } else {
            number.to_string()
        }
    };
    if total == 0 || done == 0 {
        return format!("  {what}: {}", amount(done));
    }
    let percent = u128::from(done) * 100 / u128::from(total);
    let left = took.as_millis() * u128::from(total.saturating_sub(done)) / u128::from(done) / 1000;
    format!(
        "  {what}: {percent} % ({} of {}), about {left} s left",
        amount(done),
        amount(total)
    )
}

fn bar_style(known: bool, bytes: bool) -> ProgressStyle {
    let template = match (known, bytes) {
        (true, true) => {
            "  {msg:<10} {bar:24} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
        }
        (true, false) => "  {msg:<10} {bar:24} {pos} of {len}  {per_sec}  {eta} left",
        (false, true) => "  {msg:<10} {spinner} {decimal_bytes}  {decimal_bytes_per_sec}",
        (false, false) => "  {msg:<10} {spinner} {pos}  {per_sec}",
    };
    ProgressStyle::with_template(template)
        .expect("because the template is constant")
        .progress_chars("=> ")
}

/// Writes a line above the bar, if there is one.
fn say(work: Option<&ProgressWork>, line: &str) {
    let write = || {
        let _ = writeln!(std::io::stderr(), "{}", for_terminal(line));
    };
    match work.and_then(|work| work.bar.as_ref()) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_how_long_it_takes() {
        let took = Duration::from_secs(10);
        assert_eq!(
            line("hashing", 1_200_000_000, 3_000_000_000, true, took),
            "  hashing: 40 % (1.2 GB of 3.0 GB), about 15 s left"
        );
        assert_eq!(line("reading", 7, 0, false, took), "  reading: 7");
    }

    #[test]
    fn it_knows_which_operations_have_begun() {
        let sink = Progress::new(TextStyle::default(), Talk::Quiet);
        sink.take(Event::WorkBegan {
            what: "hashing",
            total: 2,
            bytes: false,
        });
        sink.take(Event::WorkDone { more: 2 });
        assert!(sink.began().is_empty());
        sink.take(Event::WorkEnded { what: "hashing" });
        sink.take(Event::StepDone {
            step: PREVIEW,
            text: "a\nb".into(),
        });
        assert_eq!(sink.preview(), "a\nb");
        sink.take(Event::Began {
            op: OpId::new(1, 1),
        });
        assert_eq!(sink.began(), [OpId::new(1, 1)]);
    }

    #[test]
    fn all_bars_can_be_drawn() {
        for (total, bytes) in [(0, false), (0, true), (9, false), (9, true)] {
            let work =
                Progress::new(TextStyle::default(), Talk::Bars).begin("saving", total, bytes);
            assert!(work.bar.is_some());
        }
    }
}
