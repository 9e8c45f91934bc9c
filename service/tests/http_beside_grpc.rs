//! Promise: one port speaks gRPC and HTTP/1.1, each as if it were alone; who says nothing holds no place.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_service::access::Access;
use hedgerow_service::drain::{DrainStart, drain};
use hedgerow_service::http::Pages;
use hedgerow_service::http::exposition::Family;
use hedgerow_service::listener::{DRAIN_PATIENCE, FIRST_BYTES_PATIENCE, Reach, bind, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const PATIENCE: Duration = Duration::from_secs(60);

fn port() -> (SocketAddr, DrainStart, JoinHandle<()>) {
    let listener = bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
    let address = listener.local_addr().unwrap();
    let (start, drain) = drain();
    let pages = Pages {
        role: "farm oak".to_owned(),
        metrics: Arc::new(|| vec![Family::gauge("a", "A.", 1.0)]),
        more: Vec::new(),
    };
    let serving = tokio::spawn(async move {
        let routes = tonic::service::Routes::default();
        serve(listener, routes, &[hedgerow_proto::FARM_SERVICE], pages, Access::new("t", "/t"), drain)
            .await
            .unwrap();
    });
    (address, start, serving)
}

async fn health(address: SocketAddr) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    HealthClient::new(channel)
}

async fn is_well(client: &mut HealthClient<Channel>) -> bool {
    let request = HealthCheckRequest { service: hedgerow_proto::FARM_SERVICE.to_owned() };
    client.check(request).await.is_ok_and(|answer| answer.into_inner().status == 1)
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_and_http_share_a_port_and_the_drain_ends_both() {
    let (address, start, serving) = port();
    let mut client = health(address).await;
    assert!(is_well(&mut client).await);
    let gets: Vec<_> = (0..100).map(|_| tokio::spawn(get(address, "/metrics"))).collect();
    for answer in gets {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\na 1\n"), "{answer}");
    }
    assert!(is_well(&mut client).await);
    // One that is idle, and one in the midst of its request.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HT").await.unwrap();
    start.begin();
    timeout(DRAIN_PATIENCE * 4, serving).await.expect("the drain is over in time").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preface_in_pieces_is_grpc_all_the_same() {
    let (address, _start, _serving) = port();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for byte in preface {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The server's own settings: length, then type 4.
    let mut frame = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_half_a_word_is_let_go() {
    let (address, _start, _serving) = port();
    for said in [&b""[..], b"PRI * HT", b"GET / HT"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(FIRST_BYTES_PATIENCE * 10, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "`{}` holds a place", String::from_utf8_lossy(said));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_readers_are_told_so_and_do_not_keep_grpc_out() {
    let (address, _start, _serving) = port();
    let mut held = Vec::new();
    for _ in 0..hedgerow_service::http::MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        held.push(stream);
    }
    let answer = get(address, "/").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("too many HTTP connections now"),
        "{answer}"
    );
    assert!(is_well(&mut health(address).await).await);
}
