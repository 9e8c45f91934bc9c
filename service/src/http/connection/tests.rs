#![allow(clippy::unwrap_used)]
use super::*;
use crate::access::Access;
use crate::drain::{DrainStart, drain};
use crate::http::exposition::Family;
use crate::http::{Pages, READER_PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

/// Far beyond every patience; time is virtual.
const ENDLESS: Duration = Duration::from_secs(3600);

fn connected(pipe: usize) -> (DuplexStream, DrainStart, JoinHandle<()>) {
    let metrics = || vec![Family::counter("a_total", &"long ".repeat(20_000), 1)];
    let pages = Pages { role: "farm oak".to_owned(), metrics: Arc::new(metrics), more: Vec::new() };
    let door = Arc::new(Door::new(pages, Access::new("s3cret", "/state/token"), || 1));
    let (theirs, ours) = duplex(pipe);
    let (start, drain) = drain();
    (theirs, start, tokio::spawn(serve(ours, true, door, drain)))
}

/// The answer's head, and its body taken.
async fn answer(stream: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_the_next_question_and_ends_with_the_drain() {
    let (mut theirs, start, serving) = connected(1 << 16);
    for _ in 0..3 {
        theirs.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(answer(&mut theirs).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(HEAD_PATIENCE / 2).await;
    }
    theirs
        .write_all(
            b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await
        .unwrap();
    let mut head = vec![0; 1 << 16];
    let mut got = 0;
    while !String::from_utf8_lossy(&head[..got]).contains("no page /x") {
        got += theirs.read(&mut head[got..]).await.unwrap();
    }
    let head = String::from_utf8_lossy(&head[..got]).into_owned();
    assert!(!head.contains("a_total") && head.contains("content-length: 1"), "a head, and no body: {head}");
    start.begin();
    timeout(HEAD_PATIENCE / 2, serving)
        .await
        .expect("an idle connection does not hold up the drain")
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_in_is_cut_off_and_one_too_long_refused() {
    let (mut theirs, _start, serving) = connected(1 << 16);
    let began = Instant::now();
    let trickle = async {
        while theirs.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        ended = timeout(ENDLESS, serving) => ended.unwrap().unwrap(),
    }
    assert!(began.elapsed() < HEAD_PATIENCE * 2, "{:?}", began.elapsed());

    let (mut theirs, _start, _serving) = connected(1 << 20);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
    theirs.write_all(long.as_bytes()).await.unwrap();
    assert!(answer(&mut theirs).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_never_takes_the_answer_is_cut_off() {
    let (mut theirs, _start, serving) = connected(1024);
    theirs.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let began = Instant::now();
    timeout(ENDLESS, serving).await.unwrap().unwrap();
    assert!(began.elapsed() < READER_PATIENCE * 2, "{:?}", began.elapsed());
}
