use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn get(address: &Address, path: &str) -> String {
    let mut stream = Stream::connect(address).await.expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test]
async fn readiness_follows_the_gate_and_every_check() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let address = serve(
        &"127.0.0.1:0".parse().expect("address"),
        health.clone(),
        Metrics::new(),
        &shutdown,
    )
    .expect("serve");
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 503"));
    health.set_ready(true);
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
    health.add_check("postgres", || async { Err("refused".to_owned()) });
    let answer = get(&address, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("postgres: refused"),
        "{answer}"
    );
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (metrics, shutdown) = (Metrics::new(), Shutdown::new());
    let counter = metrics.register(
        "test_requests",
        "Requests.",
        prometheus_client::metrics::counter::Counter::<u64>::default(),
    );
    counter.inc();
    let address = serve(
        &"127.0.0.1:0".parse().expect("address"),
        Health::new(),
        metrics,
        &shutdown,
    )
    .expect("serve");
    let answer = get(&address, "/metrics").await;
    assert!(answer.contains("kiuas_test_requests_total 1"), "{answer}");
}

#[tokio::test]
async fn a_unix_socket_carries_the_process_id_and_goes_with_the_process() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let shutdown = Shutdown::new();
    let wanted = Address::Unix(directory.path().join("web-{pid}.sock"));
    let bound = serve(&wanted, Health::new(), Metrics::new(), &shutdown).expect("serve");
    let Address::Unix(path) = &bound else {
        panic!("not a Unix socket")
    };
    assert!(path.ends_with(format!("web-{}.sock", std::process::id())));
    assert!(get(&bound, "/healthz").await.starts_with("HTTP/1.1 200"));
    shutdown.cut();
    while path.exists() {
        tokio::task::yield_now().await;
    }
}
