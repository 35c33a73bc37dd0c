//! The demo's three strategies, and the mistake in one of them.

use super::stage::Stage;
use crate::{base::Failure, cli::error::Error};

/// Size in bytes of the database where there is no Python to create a real one.
const PLAIN_DATABASE: usize = 4 << 20;

/// The tools on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// Python with its sqlite3 module.
    Python,
    /// Only a shell.
    Shell,
}

impl Tools {
    /// Looks for git, which is required, and Python, which is optional.
    pub fn find(stage: &Stage) -> Result<Self, Failure> {
        if stage.types("git --version")?.0 != 0 {
            return Err(Error::Demo("git is not installed".into()).into());
        }
        let python = stage.types("python3 -c 'import sqlite3'")?.0 == 0;
        Ok(if python { Self::Python } else { Self::Shell })
    }
}

/// Writes the configuration and the strategies.
pub fn write_strategies(stage: &Stage, tools: Tools) -> Result<(), Failure> {
    let settings = include_str!("files/snapback.yaml");
    let settings = match tools {
        Tools::Python => settings.to_string(),
        Tools::Shell => settings.replace("python3 -B smoke.py", "sh smoke.sh"),
    };
    stage.write("snapback.yaml", settings.as_bytes())?;
    stage.write(".gitignore", b"*.sqlite\n__pycache__/\n")?;
    let momentum = [
        include_str!("files/momentum.py"),
        include_str!("files/momentum_smoke.py"),
    ];
    strategy(stage, "T01", "1.2.0", momentum)?;
    strategy(
        stage,
        "T02",
        "0.9.1",
        [
            include_str!("files/carry.py"),
            include_str!("files/carry_smoke.py"),
        ],
    )?;
    strategy(
        stage,
        "T03",
        "2.0.0",
        [
            include_str!("files/pairs.py"),
            include_str!("files/pairs_smoke.py"),
        ],
    )?;
    database(stage, tools, 1)
}

/// Writes one strategy.
fn strategy(
    stage: &Stage,
    task: &str,
    version: &str,
    [code, smoke]: [&str; 2],
) -> Result<(), Failure> {
    stage.write(
        &format!("tasks/{task}/config.yaml"),
        config(version, 1).as_bytes(),
    )?;
    stage.write(&format!("tasks/{task}/strategy.py"), code.as_bytes())?;
    stage.write(&format!("tasks/{task}/smoke.py"), smoke.as_bytes())?;
    stage.write(
        &format!("tasks/{task}/smoke.sh"),
        include_bytes!("files/smoke.sh"),
    )
}

fn config(version: &str, leverage: u32) -> String {
    format!(
        "# Read by the strategy and by snapback.\nversion: {version}\nmax_leverage: {leverage}\n"
    )
}

/// Makes the mistake of version 1.3.0.
pub fn break_momentum(stage: &Stage, tools: Tools) -> Result<(), Failure> {
    stage.write(
        "tasks/T01/strategy.py",
        include_bytes!("files/momentum_broken.py"),
    )?;
    stage.write(
        "tasks/T01/entry_filter.py",
        include_bytes!("files/entry_filter.py"),
    )?;
    stage.write("tasks/T01/config.yaml", config("1.2.0", 5).as_bytes())?;
    database(stage, tools, 2)
}

/// Writes the database of T01; another `edition` has entirely different bytes.
fn database(stage: &Stage, tools: Tools, edition: u32) -> Result<(), Failure> {
    if tools == Tools::Shell {
        return stage.write("tasks/T01/market.sqlite", &plain_database(edition));
    }
    let dir = stage.repository().join("tasks/T01");
    // The program is passed in a here-document instead of a file, so that no file of it remains.
    let line = format!(
        "python3 -B - 1.{edition} <<'END'\n{}\nEND",
        include_str!("files/market.py")
    );
    match stage.run(&line, &dir)? {
        (0, _) => Ok(()),
        (_, output) => Err(Error::Demo(format!("the database was not made: {output}")).into()),
    }
}

/// Returns bytes without tables: SQLite's header, then noise.
fn plain_database(edition: u32) -> Vec<u8> {
    let mut bytes = b"SQLite format 3\0".to_vec();
    let mut state = edition;
    while bytes.len() < PLAIN_DATABASE {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{DemoFolder, Stage},
        *,
    };
    use crate::cli::render::TextStyle;

    #[test]
    fn the_good_version_passes_its_smoke_test_and_the_broken_one_does_not() {
        let open =
            || Stage::open(&DemoFolder::Temporary(false), TextStyle::default()).expect("it opens");
        for tools in [Tools::Shell, Tools::find(&open()).expect("git is there")] {
            let stage = open();
            let smoke = if tools == Tools::Python {
                "cd tasks/T01 && python3 -B smoke.py"
            } else {
                "cd tasks/T01 && sh smoke.sh"
            };
            write_strategies(&stage, tools).expect("they are written");
            let before = stage.digests().expect("it reads");
            let (code, output) = stage.types(smoke).expect("it runs");
            assert_eq!(code, 0, "{output}");
            break_momentum(&stage, tools).expect("it is written");
            let (code, output) = stage.types(smoke).expect("it runs");
            assert_eq!(code, 1, "{output}");
            let after = stage.digests().expect("it reads");
            let database = |files: &[(String, String)]| {
                files
                    .iter()
                    .find(|(path, _)| path.ends_with("sqlite"))
                    .cloned()
            };
            assert_ne!(database(&before), database(&after));
        }
    }

    #[test]
    fn the_small_strategies_pass() {
        let stage =
            Stage::open(&DemoFolder::Temporary(false), TextStyle::default()).expect("it opens");
        let tools = Tools::find(&stage).expect("git is there");
        write_strategies(&stage, tools).expect("they are written");
        let smoke = if tools == Tools::Python {
            "python3 -B smoke.py"
        } else {
            "sh smoke.sh"
        };
        for task in ["T02", "T03"] {
            assert_eq!(
                stage
                    .types(&format!("cd tasks/{task} && {smoke}"))
                    .expect("it runs")
                    .0,
                0
            );
        }
    }
}
