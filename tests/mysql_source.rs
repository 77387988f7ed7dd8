//! MySQL and MariaDB as a source, against real servers.

#[path = "support/mysql.rs"]
mod mysql;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::server::mysql::connection::Connection;
use mysql::PASSWORD;
use mysql::Server;
use mysql::connect;
use mysql::options;

#[test]
fn connections_verify_whom_they_talk_to() {
    let server = Server::shared();
    let mut admin = server.admin();
    assert!(admin.is_tls() && admin.version().is_mariadb());
    assert_eq!(admin.value("SELECT 'é€😀'").expect("a row").as_deref(), Some("é€😀"));
    let long = admin
        .value("SELECT REPEAT('x', 15 << 20)")
        .expect("a long row")
        .expect("text");
    assert_eq!(long.len(), 15 << 20);

    let (port, folder) = (server.port, server.path().display());
    let uri = |host: &str, rest: &str| format!("mysql://admin:{PASSWORD}@{host}:{port}/?no-defaults=1&{rest}");
    for good in [
        uri("localhost", &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={folder}/ca.pem"))
            .replace("@localhost", "@127.0.0.1"),
        uri("127.0.0.1", &format!("ssl-mode=VERIFY_CA&ssl-ca={folder}/ca.pem")),
        uri("127.0.0.1", "ssl-mode=REQUIRED"),
        uri("127.0.0.1", ""),
    ] {
        assert!(connect(&good).is_tls(), "{good}");
    }
    for (bad, kind, word) in [
        (
            uri("127.0.0.1", &format!("ssl-mode=VERIFY_CA&ssl-ca={folder}/other.pem")),
            Kind::SourceUnreachable,
            "UnknownIssuer",
        ),
        (
            uri("127.0.0.1", "ssl-mode=VERIFY_IDENTITY"),
            Kind::SourceUnreachable,
            "UnknownIssuer",
        ),
        (
            uri("127.0.0.1", "ssl-mode=DISABLED"),
            Kind::SourceUnsupported,
            "Access denied",
        ),
        (
            uri("127.0.0.1", "").replace(PASSWORD, "wrong-9d"),
            Kind::SourceUnsupported,
            "Access denied",
        ),
        (
            "mysql://u@127.0.0.1:1/?no-defaults=1".to_owned(),
            Kind::SourceUnreachable,
            "refused",
        ),
    ] {
        let error = Connection::open(&options(&bad), &Cancel::new()).err().expect("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains(PASSWORD) && !error.to_string().contains("wrong-9d"));
    }
}
