use std::net::TcpListener;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;
use crate::testing::TestRedis;

/// Makes an authority and a certificate for `localhost` in `directory`.
fn certificates(directory: &Path) {
    let key = KeyPair::generate().expect("key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).expect("authority");
    let issuer = Issuer::new(authority, &key);
    let server_key = KeyPair::generate().expect("key");
    let server = CertificateParams::new(vec!["localhost".to_owned()])
        .expect("parameters")
        .signed_by(&server_key, &issuer)
        .expect("certificate");
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text);
    write("authority.pem", certificate.pem()).expect("write");
    write("server.pem", server.pem()).expect("write");
    write("server-key.pem", server_key.serialize_pem()).expect("write");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}

#[tokio::test]
async fn a_connection_over_tls_checks_the_servers_certificate() {
    let directory = tempfile::tempdir().expect("temporary directory");
    certificates(directory.path());
    let file = |name: &str| directory.path().join(name).display().to_string();
    let port = free_port().to_string();
    let _server = TestRedis::start_with(&[
        "--tls-port",
        &port,
        "--bind",
        "127.0.0.1",
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server-key.pem"),
        "--tls-ca-cert-file",
        &file("authority.pem"),
    ]);
    crate::tls::install_provider();
    let trusting = RedisSettings {
        url: format!("rediss://localhost:{port}"),
        ca_path: file("authority.pem"),
        ..RedisSettings::default()
    };
    Redis::cache(&trusting)
        .expect("settings")
        .ping()
        .await
        .expect("ping");
    // The system's authorities do not know ours.
    let wary = RedisSettings {
        ca_path: String::new(),
        ..trusting
    };
    assert!(Redis::cache(&wary).expect("settings").ping().await.is_err());
}

#[tokio::test]
async fn connections_carry_the_name_of_their_process() {
    let server = TestRedis::start();
    let mut connection = server.queue().get().await.expect("connection");
    let name: String = redis::cmd("CLIENT")
        .arg("GETNAME")
        .query_async(&mut connection)
        .await
        .expect("name");
    assert!(
        name.ends_with(&format!("-{}", std::process::id())),
        "{name}"
    );
}

#[test]
fn a_missing_file_of_authorities_is_named() {
    let settings = RedisSettings {
        ca_path: "/nowhere/authority.pem".to_owned(),
        ..RedisSettings::default()
    };
    let error = Redis::cache(&settings).expect_err("accepted");
    assert!(
        error.to_string().contains("/nowhere/authority.pem"),
        "{error}"
    );
}
