//! A private PostgreSQL.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::user::{give, server_user};
use super::{Place, PostgresTools, Purpose, first_byte};
use crate::home::{Home, create_dir, write_private};
use crate::process::{Launch, RunAs, Running, wait_until, without_foreign_settings};
use crate::registry::Name;
use crate::terminal::Interrupt;

/// How long it may take to start, recovery after a kill included.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pause before it is started once more because its predecessor was still leaving.
const SECOND_TRY: Duration = Duration::from_millis(300);

/// One private server: over TCP on a loopback port, with passwords, without a Unix socket.
#[derive(Debug)]
pub struct Postgres {
    tools: PostgresTools,
    dir: PathBuf,
    home: Home,
    port: u16,
    purpose: Purpose,
    user: Option<RunAs>,
}

impl Postgres {
    /// Describes the server of this place. Nothing is created yet.
    pub fn new(tools: &PostgresTools, place: &Place, home: &Home, port: u16) -> Result<Self> {
        Ok(Self {
            tools: tools.clone(),
            dir: place.dir.join("postgres"),
            home: home.clone(),
            port,
            purpose: place.purpose,
            user: server_user("postgres")?,
        })
    }

    /// Starts it, after creating its data directory if there is none, and waits until it answers.
    pub fn start(&self, superuser_password: &str, interrupt: &Interrupt) -> Result<Running> {
        self.launch(superuser_password)?.or_killed(|server| self.await_ready(server, interrupt))
    }

    /// Starts it, after creating its data directory if there is none, and records it as one that should run.
    pub fn launch(&self, superuser_password: &str) -> Result<Running> {
        if self.data().is_dir() {
            self.check_version()?;
        } else {
            self.create(superuser_password)?;
        }
        self.run()
    }

    /// Waits until a server that was launched answers. One that found its predecessor still leaving is started once more.
    pub fn await_ready(&self, server: &mut Running, interrupt: &Interrupt) -> Result<()> {
        let ready = wait_until("PostgreSQL's start", PATIENCE, interrupt, || {
            if server.ended()?.is_some() && self.found_predecessor() {
                std::thread::sleep(SECOND_TRY);
                *server = self.run()?;
            }
            server.must_run()?;
            Ok(self.is_ready().then_some(()))
        });
        let log = self.home.log(Name::Postgres);
        ready.with_context(|| format!("PostgreSQL did not start; its log is {}", log.display()))
    }

    /// What `.shop/env`, services and tests connect with.
    pub fn url(port: u16, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Whether a PostgreSQL listens on this port (it may still be recovering).
    pub fn answers(port: u16) -> bool {
        // The protocol's SSLRequest; the answer is one letter.
        let letter = first_byte(port, &[0, 0, 0, 8, 4, 210, 22, 47]);
        letter.is_ok_and(|letter| matches!(letter, b'S' | b'N'))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn run(&self) -> Result<Running> {
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            // No socket file: its path would have to be shorter than 108 bytes, and nothing needs it.
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "log_line_prefix=%m [%p] %u@%d ".to_owned(),
        ];
        if self.purpose == Purpose::Test {
            settings
                .extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        let log = self.home.log(Name::Postgres);
        let launch = Launch::new(&self.tools.bin.join("postgres"), &log)
            .args([Path::new("-D"), &self.data()])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .directory(&self.dir)
            .run_as(self.user);
        let server = Running::start(Name::Postgres, launch, &log)?;
        server.record(&self.home)?;
        Ok(server)
    }

    /// Creates the data directory under another name first: one that was cut off half-way is never used.
    fn create(&self, superuser_password: &str) -> Result<()> {
        create_dir(&self.dir, 0o700)?;
        give(&self.dir, self.user)?;
        let fresh = self.dir.join("data.new");
        Place::clear(&fresh)?;
        let password_file = self.dir.join("password");
        write_private(&password_file, superuser_password.as_bytes())?;
        give(&password_file, self.user)?;

        let mut initdb = Command::new(self.tools.bin.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", password_file.display()))
            .arg(if self.purpose == Purpose::Test { "--no-sync" } else { "--data-checksums" })
            .arg("-D")
            .arg(&fresh)
            .current_dir(&self.dir)
            // Ctrl-C is for this process.
            .process_group(0)
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            initdb.uid(user.uid).gid(user.gid);
        }
        let output = initdb.output().context("cannot run initdb")?;
        fs::remove_file(&password_file).context("cannot remove initdb's password file")?;
        if !output.status.success() {
            bail!("initdb failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::rename(&fresh, self.data()).context("cannot put the new data directory in its place")
    }

    fn check_version(&self) -> Result<()> {
        let version = fs::read_to_string(self.data().join("PG_VERSION"))
            .with_context(|| format!("{} is not a PostgreSQL data directory", self.data().display()))?;
        if version.trim() != self.tools.major.to_string() {
            bail!(
                "the data in {} is PostgreSQL {}'s, and PostgreSQL {} is what runs here now: \
                 set SHOP_POSTGRES_BIN to the older one's programs, or clear the data with cargo shop reset",
                self.data().display(),
                version.trim(),
                self.tools.major
            );
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let mut asked = Command::new(self.tools.bin.join("pg_isready"));
        asked.args(["-q", "-h", "127.0.0.1", "-t", "2", "-p", &self.port.to_string()]).stdin(Stdio::null());
        without_foreign_settings(&mut asked).status().is_ok_and(|status| status.success())
    }

    /// Whether the last start failed because a killed server is still leaving: its sessions hold its memory for
    /// a moment, and its number exists until its parent has taken notice. Both pass by themselves.
    fn found_predecessor(&self) -> bool {
        let signs = ["pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];
        crate::terminal::tail(&self.home.log(Name::Postgres), 3)
            .is_ok_and(|lines| lines.iter().any(|line| signs.iter().any(|sign| line.contains(sign))))
    }
}
