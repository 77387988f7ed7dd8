//! Certificates that clients show.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::postgres::Server;
use crate::support::collect;
use crate::support::refused;
use crate::support::source;

/// A server that lets in whoever shows a certificate of its authority, and the folder of the certificates and keys.
struct Certified {
    server: Server,
    authority: String,
    folder: tempfile::TempDir,
}

impl Certified {
    fn start() -> Self {
        let server = Server::start();
        server.sql(
            "postgres",
            "CREATE ROLE robot LOGIN SUPERUSER; CREATE TABLE t(a int); INSERT INTO t VALUES (1)",
        );
        let authority = server.authority().display().to_string();
        server.sql("postgres", &format!("ALTER SYSTEM SET ssl_ca_file = '{authority}'"));
        write(
            &server.path("data/pg_hba.conf"),
            "local all postgres scram-sha-256\nhostssl all all 127.0.0.1/32 cert clientcert=verify-full\n",
        );
        server.sql("postgres", "SELECT pg_reload_conf()");
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            server,
            authority,
            folder,
        }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Makes `NAME.key`, and `NAME.crt` for the role of that name; without lines for the certificate, it is one of X.509 version 1.
    fn certify(&self, name: &str, lines: Option<&str>) {
        let subject = format!("/CN={name}");
        let (key, request) = (self.at(&format!("{name}.key")), self.at("request"));
        let asked = ["-subj", &subject, "-keyout", &key, "-out", &request];
        openssl(&["req", "-newkey", "rsa:2048", "-nodes"], &asked);
        let authority_key = self.server.path("ca.key").display().to_string();
        let certificate = self.at(&format!("{name}.crt"));
        let signed = ["-in", &request, "-CA", &self.authority, "-CAkey", &authority_key];
        let mut signed = [signed.as_slice(), &["-out", &certificate]].concat();
        let extensions = self.at("extensions");
        if let Some(lines) = lines {
            write(Path::new(&extensions), lines);
            signed.extend(["-extfile", &extensions]);
        }
        openssl(&["x509", "-req", "-CAcreateserial", "-days", "30"], &signed);
        self.mode(&key, 0o600);
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.folder.path().join(path), fs::Permissions::from_mode(mode)).expect("own file");
    }

    fn uri(&self, mode: &str, certificate: &str, key: &str) -> String {
        format!(
            "postgres://robot@127.0.0.1:{}/postgres?sslmode={mode}&sslrootcert={}&sslcert={}&sslkey={}",
            self.server.port,
            self.authority,
            self.at(certificate),
            self.at(key)
        )
    }
}

#[test]
fn certificates_of_clients() {
    let certified = Certified::start();
    certified.certify("robot", None);
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        // Rows too: the workers and pg_dump show the certificate as well.
        let (collected, _) = collect(source(&certified.uri(mode, "robot.crt", "robot.key"), &[]));
        assert!(collected.streams.contains_key("hub/post-data.sql"), "{mode}");
    }
    let (_, why) = refused(source(&certified.uri("disable", "robot.crt", "robot.key"), &[]));
    assert!(why.contains("no pg_hba.conf entry"), "{why}");
}

#[test]
fn certificates_that_do_not_serve() {
    let certified = Certified::start();
    certified.certify("robot", Some("basicConstraints=CA:false"));
    certified.certify("other", None);
    let (key, pkcs8, old) = (
        certified.at("robot.key"),
        certified.at("locked.key"),
        certified.at("old.key"),
    );
    let locked = ["-in", &key, "-passout", "pass:needle", "-out"];
    openssl(&["pkcs8", "-topk8"], &[locked.as_slice(), &[&pkcs8]].concat());
    openssl(
        &["rsa", "-aes256", "-traditional"],
        &[locked.as_slice(), &[&old]].concat(),
    );
    certified.mode("other.key", 0o644);
    for (certificate, key, part) in [
        ("robot.crt", "locked.key", "locked"),
        ("robot.crt", "old.key", "locked"),
        ("robot.crt", "other.key", "others may read this key"),
        ("none.crt", "robot.key", "none.crt"),
        ("robot.crt", "none.key", "none.key"),
    ] {
        let (_, why) = refused(source(&certified.uri("verify-full", certificate, key), &[]));
        assert!(why.contains(part), "{certificate} {key}: {why}");
    }
    // Of the same authority, and for somebody else.
    certified.mode("other.key", 0o600);
    let (_, why) = refused(source(&certified.uri("verify-full", "other.crt", "other.key"), &[]));
    assert!(why.contains("certificate authentication failed"), "{why}");
    let (_, why) = refused(source(&certified.uri("verify-full", "robot.crt", "other.key"), &[]));
    assert!(why.contains("sslkey must be the key of sslcert"), "{why}");
    // In a certificate of version 1 nobody but the server looks.
    let (_, why) = refused(source(&certified.uri("verify-full", "other.crt", "robot.key"), &[]));
    assert!(why.contains("DecryptError"), "{why}");
}

fn openssl(command: &[&str], rest: &[&str]) {
    let made = Command::new("openssl")
        .args(command)
        .args(rest)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
}
