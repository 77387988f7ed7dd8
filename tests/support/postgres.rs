//! A private PostgreSQL server on a folder, a socket and a port of its own, with TLS; stopped when it is dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;

/// The password of the superuser `postgres`, which must not show anywhere.
pub(crate) const NEEDLE: &str = "needle-7d1e:pass\\word";

/// Where Debian has the programs of a version.
pub(crate) const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A running server.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
    /// Whether its data is on a file system of its own.
    is_small: bool,
}

impl Server {
    /// Starts a server of Debian's version.
    pub(crate) fn start() -> Self {
        Self::start_with(Path::new(PROGRAMS), &[])
    }

    /// Starts a server of the version whose programs are there, with lines for its settings.
    pub(crate) fn start_with(programs: &Path, settings: &[&str]) -> Self {
        Self::new(programs).set_up(settings)
    }

    /// Starts a server whose data, without its log, has only so many megabytes; needs root, who may mount.
    pub(crate) fn start_small(megabytes: u32) -> Self {
        let mut server = Self::new(Path::new(PROGRAMS));
        let data = server.path("data");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&data);
        good("mount", &mount.output().expect("mount"));
        server.is_small = true;
        Self::give(&data);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("own folder");
        server.set_up(&["max_wal_size = 32MB", "min_wal_size = 32MB", "wal_recycle = off"])
    }

    fn set_up(self, settings: &[&str]) -> Self {
        let server = self;
        server.make_certificates();
        let password = server.path("password");
        write(&password, NEEDLE);
        Self::give(&password);
        let made = server
            .program("initdb")
            .args(["--username=postgres", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--pgdata"])
            .arg(server.path("data"))
            .arg("--waldir")
            .arg(server.path("log-ahead"))
            .arg("--pwfile")
            .arg(&password)
            .output();
        good("initdb", &made.expect("runuser and initdb"));
        server.write_settings(settings);
        server.launch();
        server
    }

    fn new(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("hub-pg-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        let server = Self {
            folder,
            programs: programs.to_owned(),
            port,
            is_small: false,
        };
        for name in ["socket", "data", "log-ahead"] {
            fs::create_dir(server.path(name)).expect("a folder");
            Self::give(&server.path(name));
        }
        fs::set_permissions(server.path("data"), fs::Permissions::from_mode(0o700)).expect("own folder");
        server
    }

    /// A standby of this server, streaming from it.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::new(&self.programs);
        for name in ["server.crt", "server.key", "ca.crt"] {
            fs::copy(self.path(name), standby.path(name)).expect("a copy");
        }
        Self::give(&standby.path("server.key"));
        let copied = standby
            .program("pg_basebackup")
            .env("PGPASSWORD", NEEDLE)
            .args([
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
                "--username=postgres",
                "--pgdata",
            ])
            .arg(standby.path("data"))
            .arg("--host")
            .arg(self.path("socket"))
            .arg(format!("--port={}", self.port))
            .output();
        good("pg_basebackup", &copied.expect("pg_basebackup"));
        standby.write_settings(&["hot_standby_feedback = on"]);
        standby.launch();
        standby
    }

    /// A path in the folder of the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of the authority that issued the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// The folder of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// A URI without a password: `postgres://user@127.0.0.1:port/database`.
    pub(crate) fn uri(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL as the superuser, which must succeed. Gives rows with `|` between columns.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, &["--command", sql]);
        good("psql", &output);
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Runs stock psql as the superuser.
    pub(crate) fn psql(&self, database: &str, arguments: &[&str]) -> Output {
        self.psql_command(database, arguments)
            .output()
            .expect("psql is installed")
    }

    /// Stock psql as the superuser, not started yet.
    pub(crate) fn psql_command(&self, database: &str, arguments: &[&str]) -> Command {
        // Not every server comes with its clients.
        let own = self.programs.join("psql");
        let psql = if own.exists() {
            own
        } else {
            Path::new(PROGRAMS).join("psql")
        };
        let mut command = Command::new(psql);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("PGPASSWORD", NEEDLE)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
            ])
            .arg("--host")
            .arg(self.socket())
            .arg(format!("--port={}", self.port))
            .args(["--username=postgres", "--dbname", database])
            .args(arguments);
        command
    }

    /// Loads a dump with stock psql, as the head of its `restore.sql` in `folder` says.
    pub(crate) fn follow_restore_sql(&self, database: &str, folder: &Path) -> Output {
        let mut psql = self.psql_command(database, &["--file=restore.sql"]);
        psql.current_dir(folder).output().expect("psql is installed")
    }

    /// The process id of the postmaster.
    pub(crate) fn pid(&self) -> Option<i32> {
        let file = fs::read_to_string(self.path("data/postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok()
    }

    /// What the server wrote into its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Sends a signal to the postmaster, by name: `KILL`, `QUIT`.
    pub(crate) fn signal(&self, name: &str) {
        if let Some(pid) = self.pid() {
            signal(name, pid);
        }
    }

    fn write_settings(&self, settings: &[&str]) {
        let shown = |name: &str| self.path(name).display().to_string();
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("port = {}", self.port),
            format!("unix_socket_directories = '{}'", shown("socket")),
            "fsync = off".to_owned(),
            "ssl = on".to_owned(),
            format!("ssl_cert_file = '{}'", shown("server.crt")),
            format!("ssl_key_file = '{}'", shown("server.key")),
        ];
        lines.extend(settings.iter().map(|line| (*line).to_owned()));
        let main = self.path("data/postgresql.conf");
        let before = fs::read_to_string(&main).expect("initdb made it");
        write(&main, &format!("{before}\n{}\n", lines.join("\n")));
        write(
            &self.path("data/pg_hba.conf"),
            "local all all scram-sha-256\nlocal replication all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n",
        );
    }

    /// An authority, and a certificate of it for `localhost` and 127.0.0.1.
    fn make_certificates(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let openssl = |arguments: &[&str]| {
            good(
                "openssl",
                &Command::new("openssl")
                    .args(arguments)
                    .output()
                    .expect("openssl is installed"),
            );
        };
        let key = ["-newkey", "rsa:2048", "-nodes"];
        let (ca_key, ca) = (at("ca.key"), at("ca.crt"));
        openssl(
            &[
                &["req", "-x509"],
                &key[..],
                &[
                    "-days",
                    "30",
                    "-subj",
                    "/CN=test authority",
                    "-keyout",
                    &ca_key,
                    "-out",
                    &ca,
                ],
            ]
            .concat(),
        );
        let (server_key, request, certificate) = (at("server.key"), at("server.csr"), at("server.crt"));
        openssl(
            &[
                &["req"],
                &key[..],
                &["-subj", "/CN=localhost", "-keyout", &server_key, "-out", &request],
            ]
            .concat(),
        );
        write(
            &self.path("names"),
            "basicConstraints=CA:false\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
        );
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            &at("names"),
            "-out",
            &certificate,
        ]);
        Self::give(&self.path("server.key"));
    }

    /// Servers do not run as root.
    fn give(path: &Path) {
        fs::set_permissions(
            path,
            fs::Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o600 }),
        )
        .expect("own file");
        if is_root() {
            good(
                "chown",
                &Command::new("chown")
                    .arg("postgres:")
                    .arg(path)
                    .output()
                    .expect("chown"),
            );
        }
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["--user", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Starts the server on its data.
    pub(crate) fn launch(&self) {
        let log = self.path("log");
        write(&log, "");
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).expect("own file");
        let started = self
            .program("pg_ctl")
            .args(["start", "--wait", "--timeout=60", "--silent", "--log"])
            .arg(&log)
            .arg("--pgdata")
            .arg(self.path("data"))
            .output();
        let started = started.expect("pg_ctl");
        assert!(
            started.status.success(),
            "pg_ctl: {}{}",
            String::from_utf8_lossy(&started.stderr),
            self.log()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            signal("QUIT", pid);
            let begun = Instant::now();
            while Path::new(&format!("/proc/{pid}")).exists() && begun.elapsed() < Duration::from_secs(10) {
                thread::sleep(Duration::from_millis(10));
            }
            signal("KILL", pid);
        }
        if self.is_small {
            // Lazily: a process that ends this moment may still have a file open.
            drop(Command::new("umount").arg("--lazy").arg(self.path("data")).output());
        }
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(name: &str, pid: i32) {
    // The process may be gone already.
    drop(
        Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .output(),
    );
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
}

fn good(name: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
