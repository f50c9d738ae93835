//! Where this machine has the programs of PostgreSQL and RabbitMQ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::install;
use crate::terminal::{Interrupt, Progress};

/// The oldest PostgreSQL that will do: `psql` reads passwords from the environment since this version.
const OLDEST_POSTGRES: u32 = 14;

/// The directory of one PostgreSQL's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTools {
    /// Has `postgres`, `initdb`, `psql` and `pg_isready`.
    pub bin: PathBuf,
    /// The major version.
    pub major: u32,
}

/// The programs that make up RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErlangTools {
    /// RabbitMQ's own start script, not the distribution's wrapper that changes the user.
    pub server: PathBuf,
    /// Erlang's port mapper.
    pub epmd: PathBuf,
}

/// What both servers are run with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// PostgreSQL's programs.
    pub postgres: PostgresTools,
    /// RabbitMQ's programs.
    pub rabbitmq: ErlangTools,
}

/// Which servers to use instead of searching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Choice {
    /// The directory of PostgreSQL's programs, such as /usr/lib/postgresql/17/bin
    #[arg(long, value_name = "DIRECTORY", env = "SHOP_POSTGRES_BIN")]
    pub postgres_bin: Option<PathBuf>,
    /// The directory of RabbitMQ's scripts, such as /usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin
    #[arg(long, value_name = "DIRECTORY", env = "SHOP_RABBITMQ_SBIN")]
    pub rabbitmq_bin: Option<PathBuf>,
}

impl Choice {
    /// That of the environment, in `SHOP_POSTGRES_BIN` and `SHOP_RABBITMQ_SBIN`.
    pub fn of_the_environment() -> Self {
        let directory = |name| std::env::var_os(name).map(PathBuf::from);
        Self { postgres_bin: directory("SHOP_POSTGRES_BIN"), rabbitmq_bin: directory("SHOP_RABBITMQ_SBIN") }
    }
}

impl Tools {
    /// Finds both, installing Debian's packages where one is missing and this is allowed.
    pub fn find_or_install(choice: &Choice, progress: &Progress, interrupt: &Interrupt) -> Result<Self> {
        let postgres = || postgres(choice.postgres_bin.as_deref());
        let rabbitmq = || rabbitmq(choice.rabbitmq_bin.as_deref());
        let mut missing = Vec::new();
        if postgres()?.is_none() {
            missing.push("postgresql");
        }
        if rabbitmq()?.is_none() {
            missing.push("rabbitmq-server");
        }
        if !missing.is_empty() {
            install::install(&missing, progress)?;
            interrupt.check()?;
        }
        Ok(Self {
            postgres: postgres()?.context("PostgreSQL was installed but its programs cannot be found")?,
            rabbitmq: rabbitmq()?.context("RabbitMQ was installed but its programs cannot be found")?,
        })
    }
}

/// What the tests use beside the servers: programs, and Debian's packages that have them.
const OF_THE_TESTS: [(&str, &str); 1] = [("pgbouncer", "pgbouncer")];

/// What looks at pages, for tests and for pictures.
const OF_THE_BROWSER: [(&str, &str); 3] = [("chromium", "chromium"), ("node", "nodejs"), ("npm", "npm")];

/// Installs what the tests use beside the servers and a browser, where it is missing and this is allowed.
pub fn install_for_tests(progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    install_programs(&OF_THE_TESTS, progress, interrupt)
}

/// Installs a browser and what steers it, where they are missing and this is allowed.
///
/// The browser at the path in `SHOP_CHROMIUM` is used instead of Debian's.
pub fn install_browser(progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    install_programs(&OF_THE_BROWSER, progress, interrupt)
}

/// Installs a program for `cargo shop chaos` from Debian's package of the same name, where it is missing and
/// this is allowed.
pub fn install_for_chaos(program: &str, progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    install_programs(&[(program, program)], progress, interrupt)
}

fn install_programs(programs: &[(&str, &str)], progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    // Not every user's search path has the directory of the programs that serve.
    let has = |program: &str| {
        let is_given = program == "chromium" && std::env::var_os("SHOP_CHROMIUM").is_some();
        is_given || search_path().chain([PathBuf::from("/usr/sbin")]).any(|dir| dir.join(program).is_file())
    };
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        install::install(&missing, progress)?;
        interrupt.check()?;
    }
    Ok(())
}

/// The newest PostgreSQL of this machine that has all the programs needed.
fn postgres(chosen: Option<&Path>) -> Result<Option<PostgresTools>> {
    if let Some(bin) = chosen {
        return match postgres_in(bin) {
            Some(tools) => Ok(Some(tools)),
            None => bail!("there is no PostgreSQL {OLDEST_POSTGRES} or later in {}", bin.display()),
        };
    }
    let packaged = entries("/usr/lib/postgresql").into_iter().map(|version| version.join("bin"));
    let found = packaged.chain(search_path()).chain([PathBuf::from("/usr/local/pgsql/bin")]);
    Ok(found.filter_map(|bin| postgres_in(&bin)).max_by_key(|tools| tools.major))
}

fn postgres_in(bin: &Path) -> Option<PostgresTools> {
    let complete =
        ["postgres", "initdb", "psql", "pg_isready"].iter().all(|program| bin.join(program).is_file());
    if !complete {
        return None;
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let major = postgres_major(&String::from_utf8_lossy(&output.stdout))?;
    (major >= OLDEST_POSTGRES).then(|| PostgresTools { bin: bin.to_owned(), major })
}

/// The major version in what `postgres --version` says.
fn postgres_major(text: &str) -> Option<u32> {
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The newest RabbitMQ of this machine, if Erlang's port mapper is there too.
fn rabbitmq(chosen: Option<&Path>) -> Result<Option<ErlangTools>> {
    if let Some(sbin) = chosen {
        let server = sbin.join("rabbitmq-server");
        if !is_start_script(&server) {
            bail!("there is no RabbitMQ in {}", sbin.display());
        }
        let Some(epmd) = epmd_beside(sbin).or_else(epmd) else { return Ok(None) };
        return Ok(Some(ErlangTools { server, epmd }));
    }
    let Some(epmd) = epmd() else { return Ok(None) };
    let versions =
        entries("/usr/lib/rabbitmq/lib").into_iter().chain(entries("/opt")).chain(entries("/usr/local"));
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.join("sbin")).collect();
    packaged.sort_by_key(|sbin| version_of(sbin));
    let server = packaged.into_iter().rev().chain(search_path()).map(|dir| dir.join("rabbitmq-server"));
    Ok(server.into_iter().find(|script| is_start_script(script)).map(|server| ErlangTools { server, epmd }))
}

/// Whether this is RabbitMQ's own script, with its environment beside it. Debian's wrapper in `/usr/sbin` is a
/// link to a script of another name; it would switch to another user and to the machine's configuration.
fn is_start_script(script: &Path) -> bool {
    let real = fs::canonicalize(script).unwrap_or_default();
    real.is_file()
        && real.file_name().is_some_and(|name| name == "rabbitmq-server")
        && real.with_file_name("rabbitmq-env").is_file()
}

/// The numbers in a directory's name, so that 3.10 comes after 3.9.
fn version_of(sbin: &Path) -> Vec<u32> {
    let name = sbin.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// The port mapper of the Erlang that lies beside a RabbitMQ, as Debian and archives with both have it.
fn epmd_beside(sbin: &Path) -> Option<PathBuf> {
    let places = ["erlang/bin/epmd", "lib/erlang/bin/epmd", "bin/epmd"];
    let places = sbin.ancestors().skip(1).flat_map(|dir| places.map(|place| dir.join(place)));
    places.into_iter().find(|program| program.is_file())
}

fn epmd() -> Option<PathBuf> {
    let erlang = entries("/usr/lib/erlang").into_iter().map(|dir| dir.join("bin"));
    let dirs = search_path().chain([PathBuf::from("/usr/lib/erlang/bin")]).chain(erlang);
    dirs.map(|dir| dir.join("epmd")).find(|program| program.is_file())
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn entries(dir: &str) -> Vec<PathBuf> {
    fs::read_dir(dir).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(postgres_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(postgres_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(postgres_major("command not found"), None);
    }

    #[test]
    fn the_port_mapper_beside_the_chosen_rabbitmq_is_used_first() {
        let root = std::env::temp_dir().join(format!("shop-epmd-{}", std::process::id()));
        let sbin = root.join("usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin");
        let erlang = root.join("usr/lib/erlang/bin");
        for dir in [&sbin, &erlang] {
            fs::create_dir_all(dir).unwrap();
        }
        for file in [sbin.join("rabbitmq-server"), sbin.join("rabbitmq-env"), erlang.join("epmd")] {
            fs::write(file, "").unwrap();
        }
        let found = rabbitmq(Some(&sbin)).unwrap().unwrap();
        assert_eq!(found, ErlangTools { server: sbin.join("rabbitmq-server"), epmd: erlang.join("epmd") });
        let nowhere = rabbitmq(Some(&root)).unwrap_err().to_string();
        assert_eq!(nowhere, format!("there is no RabbitMQ in {}", root.display()));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn rabbitmq_3_10_is_newer_than_3_9() {
        let sbin = |version: &str| {
            version_of(Path::new(&format!("/usr/lib/rabbitmq/lib/rabbitmq_server-{version}/sbin")))
        };
        assert!(sbin("3.10.8") > sbin("3.9.27"));
        assert!(sbin("4.0.1") > sbin("3.13.7"));
    }
}
