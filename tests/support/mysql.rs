//! Private MariaDB and MySQL servers: a temporary folder, a Unix socket, loopback with TLS on a free port, stopped by pid on drop.
//!
//! Accounts: `root@localhost` and `admin@127.0.0.1`, both with [`PASSWORD`] and every privilege.
#![allow(
    dead_code,
    reason = "every test binary compiles all of this, and none uses all of it"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::cancel::Cancel;
use hub_backup::server::mysql::connection::Connection;
use hub_backup::server::mysql::options::Options;
use hub_backup::server::mysql::options::Surroundings;
use hub_backup::server::mysql::parameters::Parameters;
use tempfile::TempDir;

/// The password of every account; it must not show anywhere.
pub(crate) const PASSWORD: &str = "needle-7c41-mysql";

/// The server is given this long to start, and to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    folder: TempDir,
    /// The folder as the server sees it, which differs within a root of its own.
    inside: PathBuf,
    root: Option<PathBuf>,
    pub(crate) port: u16,
    process: Mutex<Option<Child>>,
}

fn must(command: &mut Command) -> String {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// An authority, and a certificate of the server that it signed.
fn certificates(folder: &Path) {
    let shell = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt 2>/dev/null
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=stranger -keyout other.key -out other.pem 2>/dev/null";
    let _said = must(Command::new("sh").args(["-ec", shell]).current_dir(folder));
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("room");
}

impl Server {
    /// The server that the tests of this binary share; it ends with the last of them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::mariadb(""));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A MariaDB of its own, with `more` lines of settings.
    pub(crate) fn mariadb(more: &str) -> Self {
        Self::begin(None, more)
    }

    /// Oracle's MySQL within the root folder `root` of another distribution.
    pub(crate) fn mysql_in(root: &Path, more: &str) -> Self {
        Self::begin(Some(root), more)
    }

    fn begin(root: Option<&Path>, more: &str) -> Self {
        let folder = match root {
            Some(root) => tempfile::Builder::new().prefix("my").tempdir_in(root.join("tmp")),
            None => tempfile::Builder::new().prefix("my").tempdir(),
        };
        let folder = folder.expect("a folder");
        let inside = match root {
            Some(root) => Path::new("/").join(folder.path().strip_prefix(root).expect("below it")),
            None => folder.path().to_owned(),
        };
        let mut server = Self {
            folder,
            inside,
            root: root.map(Path::to_owned),
            port: free_port(),
            process: Mutex::new(None),
        };
        certificates(server.path());
        server.configure(more);
        server.install();
        server.start();
        server.make_accounts();
        server
    }

    fn configure(&mut self, more: &str) {
        let (d, port) = (self.inside.display(), self.port);
        for folder in ["data", "binlog"] {
            fs::create_dir(self.path().join(folder)).expect("new");
        }
        let own = if self.root.is_some() {
            "mysqlx=OFF\nsecure-file-priv=\ngtid_mode=ON\nenforce_gtid_consistency=ON\ninnodb_redo_log_capacity=32M\n"
        } else {
            "binlog_format=ROW\ninnodb_log_file_size=16M\n"
        };
        let text = format!(
            "[mysqld]\ndatadir={d}/data\nsocket={d}/s.sock\npid-file={d}/pid\nport={port}\nbind-address=127.0.0.1\n\
             log-error={d}/err.log\nlog-bin={d}/binlog/b\nserver-id=1\nssl-ca={d}/ca.pem\nssl-cert={d}/server.crt\n\
             ssl-key={d}/server.key\ntmpdir={d}\nskip-name-resolve\ninnodb_flush_log_at_trx_commit=2\nevent_scheduler=OFF\n\
             innodb_buffer_pool_size=64M\n{own}{more}\n"
        );
        write(&self.path().join("my.cnf"), &text);
        let _said = must(Command::new("chmod").arg("755").arg(self.path()));
        let target = format!("mysql: {}", self.inside.display());
        let _said = must(self.command("sh").args(["-ec", &format!("chown -R {target}")]));
    }

    /// A program where the server's programs are.
    pub(crate) fn command(&self, program: &str) -> Command {
        match &self.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    fn install(&self) {
        let d = self.inside.display();
        let _said = if self.root.is_some() {
            must(self.command("mysqld").args([
                &format!("--defaults-file={d}/my.cnf"),
                "--user=mysql",
                "--initialize-insecure",
            ]))
        } else {
            must(self.command("mariadb-install-db").args([
                "--no-defaults",
                &format!("--datadir={d}/data"),
                "--user=mysql",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                &format!("--tmpdir={d}"),
            ]))
        };
    }

    /// Starts the server, again after [`Self::kill`].
    pub(crate) fn start(&self) {
        let program = if self.root.is_some() {
            "mysqld"
        } else {
            "/usr/sbin/mariadbd"
        };
        let mut command = self.command(program);
        command
            .arg(format!("--defaults-file={}/my.cnf", self.inside.display()))
            .arg("--user=mysql");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let ended = child.try_wait().expect("our child");
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "the server does not start: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        *self.process.lock().expect("nobody panics here") = Some(child);
    }

    fn make_accounts(&self) {
        let word = format!("'{PASSWORD}'");
        let more = if self.root.is_some() {
            format!("CREATE USER admin@'127.0.0.1' IDENTIFIED BY {word}")
        } else {
            format!("CREATE USER admin@'127.0.0.1' IDENTIFIED BY {word} REQUIRE SSL")
        };
        let text = format!("mysql:socket={} user=root no-defaults=1", self.socket().display());
        let mut root = connect(&text);
        for statement in [
            more.as_str(),
            "GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION",
            &format!("ALTER USER root@localhost IDENTIFIED BY {word}"),
        ] {
            let _done = root.run(statement).expect(statement);
        }
    }

    /// The folder with `ca.pem`, `other.pem` (an authority that signed nothing), the socket and the data.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("s.sock")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("err.log")).unwrap_or_default()
    }

    /// The server over TLS with a verified certificate, as `user`, whose password is [`PASSWORD`]; `rest` is the database and more parameters.
    pub(crate) fn uri(&self, user: &str, rest: &str) -> String {
        let sign = if rest.contains('?') { '&' } else { '?' };
        let ca = self.path().join("ca.pem");
        format!(
            "mysql://{user}:{PASSWORD}@127.0.0.1:{}/{rest}{sign}no-defaults=1&ssl-mode=VERIFY_IDENTITY&ssl-ca={}",
            self.port,
            ca.display()
        )
    }

    /// A session of `admin`.
    pub(crate) fn admin(&self) -> Connection {
        connect(&self.uri("admin", ""))
    }

    /// Runs statements, one each.
    pub(crate) fn run(&self, statements: &[&str]) {
        let mut admin = self.admin();
        for statement in statements {
            let _done = admin
                .run(statement)
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// Runs a script through the stock client.
    pub(crate) fn script(&self, text: &str) {
        use std::io::Write as _;
        let mut command = self.stock("");
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the stock client");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(text.as_bytes())
            .expect("it reads");
        let ran = child.wait_with_output().expect("our child");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// The stock client as root over the socket, with its password in a private file.
    pub(crate) fn stock(&self, database: &str) -> Command {
        let file = self.path().join("client.cnf");
        if !file.exists() {
            write(&file, &format!("[client]\npassword={PASSWORD}\n"));
            let _said = must(Command::new("chmod").arg("600").arg(&file));
        }
        let (program, inside) = if self.root.is_some() {
            ("mysql", &self.inside)
        } else {
            ("mariadb", &self.inside)
        };
        let mut command = self.command(program);
        command
            .arg(format!("--defaults-file={}/client.cnf", inside.display()))
            .arg(format!("--socket={}/s.sock", inside.display()))
            .args(["--user=root", "--default-character-set=utf8mb4"]);
        if !database.is_empty() {
            command.arg(database);
        }
        command
    }

    /// The stock client with `folder`, which is below [`Self::path`], as its working folder.
    pub(crate) fn stock_in(&self, folder: &Path) -> Command {
        let client = self.stock("");
        if self.root.is_none() {
            let mut client = client;
            client.current_dir(folder);
            return client;
        }
        let inside = self.inside.join(folder.strip_prefix(self.path()).expect("below"));
        let root = self.root.as_ref().expect("looked at above");
        let mut command = Command::new("chroot");
        command.arg(root).args(["env", "-C"]).arg(inside);
        command.args(client.get_args().skip(1));
        command
    }

    /// Does in `folder` what the head of its `restore.sql` says, with the client of this server.
    pub(crate) fn follow_restore_sql(&self, folder: &Path) -> Output {
        let text = fs::read_to_string(folder.join("restore.sql")).expect("restore.sql");
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("--   ")).collect();
        assert_eq!(lines.len(), 2, "{text}");
        let client = self.stock_in(folder);
        let words = std::iter::once(client.get_program()).chain(client.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
        let script = format!("client() {{ {} \"$@\"; }}\n{}", words.join(" "), lines.join("\n"));
        let script = script.replace("| mariadb --", "| client --");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(folder).stdout(Stdio::null());
        shell.output().expect("sh")
    }

    fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.path().join("pid")).unwrap_or_default();
        let pid = pid.trim();
        if !pid.is_empty() {
            let _sent = Command::new("kill").args([name, pid]).stderr(Stdio::null()).status();
        }
    }

    /// Kills the server as a crash would.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
        if let Some(mut child) = self.process.lock().expect("nobody panics here").take() {
            let _killed = child.kill();
            let _status = child.wait();
        }
    }

    /// Stops every thread of the server until [`Self::go_on`]: a peer that neither answers nor closes.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go_on();
        self.signal("-TERM");
        let lock = self
            .process
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(mut child) = lock.take() else { return };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _killed = child.kill();
        let _status = child.wait();
    }
}

/// The options that a URI stands for, without any surroundings.
pub(crate) fn options(uri: &str) -> Options {
    let (scheme, rest) = uri.split_once(':').expect("a scheme");
    let parameters = Parameters::parse(scheme, rest).expect("parameters");
    Options::resolve(&parameters, &Surroundings::default(), &[]).expect("options")
}

/// A session as a URI says.
pub(crate) fn connect(uri: &str) -> Connection {
    Connection::open(&options(uri), &Cancel::new()).unwrap_or_else(|error| panic!("{error}"))
}
