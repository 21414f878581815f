//! Live results over a WebSocket.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::stack::Stack;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn watch(stack: &Stack, poll: &str) -> Socket {
    let address = format!("ws://{}{poll}/live", stack.address);
    connect_async(address).await.expect("socket").0
}

/// The next message that `wanted` accepts.
async fn next(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Value {
    let search = async {
        while let Some(message) = socket.next().await {
            let message = message.expect("message");
            if !message.is_text() {
                continue;
            }
            let value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if wanted(&value) {
                return value;
            }
        }
        panic!("the socket was closed");
    };
    let found = tokio::time::timeout(Duration::from_secs(30), search).await;
    found.expect("a message in time")
}

#[tokio::test]
async fn a_watcher_sees_the_counts_now_and_after_each_vote() {
    let stack = Stack::start_with_worker().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    let choices = stack.visitor().get(&poll).await.choices();
    let mut socket = watch(&stack, &poll).await;
    let first = next(&mut socket, |_| true).await;
    let none = json!({"counts": {&choices[0]: 0, &choices[1]: 0}, "total": 0, "closed": false});
    assert_eq!(first, none);

    stack.visitor().vote(&poll, 1).await;
    let second = next(&mut socket, |value| value["total"] == 1).await;
    let one = json!({"counts": {&choices[0]: 0, &choices[1]: 1}, "total": 1, "closed": false});
    assert_eq!(second, one);
}

#[tokio::test]
async fn a_watcher_sees_the_poll_close() {
    let stack = Stack::start_with_worker().await;
    let mut ada = stack.author("ada").await;
    let poll = ada.create("Q?", "a\nb", "").await;
    let mut socket = watch(&stack, &poll).await;
    ada.submit(&poll, &format!("{poll}/close"), &[]).await;
    next(&mut socket, |value| value["closed"] == true).await;
}

#[tokio::test]
async fn a_watcher_of_another_poll_hears_nothing() {
    let stack = Stack::start_with_worker().await;
    let mut ada = stack.author("ada").await;
    let (one, other) = (
        ada.create("One?", "a\nb", "").await,
        ada.create("Other?", "a\nb", "").await,
    );
    let (mut watcher, mut stranger) = (watch(&stack, &one).await, watch(&stack, &other).await);
    next(&mut stranger, |_| true).await;
    stack.visitor().vote(&one, 0).await;
    next(&mut watcher, |value| value["total"] == 1).await;
    // Its own vote is the next thing that the stranger hears of.
    stack.visitor().vote(&other, 0).await;
    let choices = stack.visitor().get(&other).await.choices();
    let heard = next(&mut stranger, |value| value["total"] != 0).await;
    assert_eq!(heard["counts"][&choices[0]], 1);
}

#[tokio::test]
async fn there_is_no_socket_without_a_poll() {
    let stack = Stack::start().await;
    let path = "/polls/00000000-0000-7000-8000-000000000000/live";
    let refused = connect_async(format!("ws://{}{path}", stack.address)).await;
    match refused {
        Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 404),
        other => panic!("{other:?}"),
    }
}
