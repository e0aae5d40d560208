//! Many clients, clients that do not read, and clients that go.

use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpStream, UnixStream};

use crate::fixture::{AMPLE, Client, Daemon, soon, within};

const INFO: &str = r#"{"action":"getDeviceInfo","taskId":"1"}"#;

/// `bridge.status`, whose answers are long.
const LONG: &str = "{\"call\":\"bridge.status\"}\n";

/// Asks and asks without reading a single answer, until the daemon has had enough of it.
async fn never_reads(client: &mut Client) {
    let requests = LONG.repeat(64);
    let given_up = async { while client.try_bytes(requests.as_bytes()).await.is_ok() {} };
    soon("a client that never reads is disconnected", given_up).await;
}

/// Sections that make every listener of codes slow soon.
const TIGHT: &str = "[limits]\npaused_frames = 8\nwaiting_frames = 16\nwaiting_bytes = 65536\n\
                     [qr_scanner]\ndriver = \"simulated\"\n";

/// Codes of `length` are scanned until the daemon has given `clients` of its clients up.
async fn scan_until_given_up(daemon: &Daemon, length: usize, clients: u64) {
    let mut hand = daemon.unix().await;
    let scan = json!({
        "call": "bridge.simulate",
        "params": {"device": "qr_scanner", "do": "scan", "text": "7".repeat(length)},
    });
    let scan = scan.to_string();
    let scanned = async {
        loop {
            assert_eq!(hand.ask(&scan).await["res"]["success"], true);
            let status = hand.ask(LONG.trim()).await;
            if status["res"]["data"]["dropped"]["clients"] == clients {
                return;
            }
        }
    };
    within(2 * AMPLE, "the slow clients are given up", scanned).await;
}

#[tokio::test]
async fn a_listener_that_never_reads_is_disconnected_while_others_hear_everything() {
    let mut daemon = Daemon::start("", TIGHT).await;
    let mut slow = [daemon.unix().await, daemon.tcp_client().await, daemon.ws().await];
    for client in &mut slow {
        client.on("initQRListener").await;
    }
    let mut quick = daemon.unix().await;
    quick.on("initQRListener").await;
    let hears = async {
        loop {
            assert_eq!(quick.next().await["channel"], "initQRListener");
        }
    };
    tokio::select! {
        biased;
        () = scan_until_given_up(&daemon, 8000, 3) => {}
        () = hears => {}
    }
    let said = daemon.said("reads too slowly").await;
    assert!(said.contains("WARN"), "{said}");
    for client in &mut slow {
        // What had been written may still be read; then comes the end.
        client.rest().await;
    }
    assert_eq!(daemon.unix().await.ask(INFO).await["success"], true);
}

#[tokio::test]
async fn the_requests_of_a_client_that_does_not_read_are_not_read_either() {
    let daemon = Daemon::start("", "").await;
    let stream = soon("unix connects", UnixStream::connect(daemon.socket())).await.expect("open");
    // The kernel's buffers and 256 answers fill up, and then nothing more is taken from us.
    let full = async {
        let mut taken = 0;
        loop {
            match tokio::time::timeout(Duration::from_secs(1), stream.writable()).await {
                Err(_) => return taken,
                Ok(ready) => ready.expect("it is open"),
            }
            match stream.try_write(LONG.as_bytes()) {
                Ok(written) => taken += written,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
    };
    let taken = soon("the daemon stops reading", full).await;
    let others = daemon.unix().await.ask(INFO).await;
    assert_eq!(others["success"], true);
    // Nothing is lost: every request that was sent whole is answered once we read.
    let mut client = Client::lines(stream);
    for _ in 0..taken / LONG.len() {
        assert_eq!(client.next().await["call"], "bridge.status");
    }
    let status = daemon.unix().await.ask(LONG.trim()).await;
    assert_eq!(status["res"]["data"]["dropped"]["clients"], 0);
}

#[tokio::test]
async fn a_client_that_never_reads_keeps_nobody_waiting() {
    let daemon = Daemon::start("", "").await;
    let mut slow = daemon.unix().await;
    let mut client = daemon.unix().await;
    let others = async {
        for _ in 0..500 {
            assert_eq!(client.ask(INFO).await["success"], true);
        }
    };
    tokio::select! {
        biased;
        () = soon("the others' calls go on", others) => {}
        // It is paused and never disconnected: its requests alone do not pass the bound.
        () = never_reads(&mut slow) => panic!("it was disconnected"),
    }
}

#[tokio::test]
async fn of_200_clients_at_once_each_gets_its_answer() {
    let daemon = Daemon::start("", "").await;
    let mut clients = Vec::new();
    for number in 0..200 {
        clients.push(match number % 3 {
            0 => daemon.unix().await,
            1 => daemon.tcp_client().await,
            _ => daemon.ws().await,
        });
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&format!(r#"{{"action":"getDeviceInfo","taskId":{number}}}"#)).await;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.next().await;
        assert_eq!((&reply["taskId"], &reply["success"]), (&json!(number), &json!(true)));
    }
    let status = clients[0].ask(LONG.trim()).await;
    assert_eq!(status["res"]["data"]["connections"], 200);
}

#[tokio::test]
async fn of_200_clients_that_listen_each_hears_the_scan() {
    let daemon = Daemon::simulated().await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = daemon.unix().await;
        client.on("initQRListener").await;
        clients.push(client);
    }
    daemon.simulate(json!({"device": "qr_scanner", "do": "scan", "text": "to all"})).await;
    for client in &mut clients {
        assert_eq!(client.next().await["data"], json!({"qrCode": "to all"}));
    }
}

#[tokio::test]
async fn of_200_clients_that_wait_for_a_card_the_oldest_gets_it() {
    let daemon = Daemon::simulated().await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = daemon.unix().await;
        client.send(&format!(r#"{{"action":"getIDCardInfo","taskId":{number}}}"#)).await;
        client.nothing_came().await;
        clients.push(client);
    }
    daemon.simulate(json!({"device": "id_card", "do": "put", "card": "li-si"})).await;
    let reply = clients[0].next().await;
    assert_eq!((&reply["taskId"], &reply["data"]["name"]), (&json!(0), &json!("李四")));
    for client in &mut clients[1..] {
        client.nothing_came().await;
    }
    // When the others go, all their places in the queue go with them.
    clients.drain(1..199);
    daemon.simulate(json!({"device": "id_card", "do": "put", "card": "wang-wu"})).await;
    let reply = clients[1].next().await;
    assert_eq!((&reply["taskId"], &reply["data"]["name"]), (&json!(199), &json!("王五")));
}

async fn three_that_are_served(daemon: &Daemon) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = daemon.unix().await;
        assert_eq!(client.ask(INFO).await["success"], true);
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn connections_over_the_limit_are_turned_away_until_one_goes() {
    let mut daemon = Daemon::start("", "[limits]\nconnections = 3\n").await;
    let mut clients = three_that_are_served(&daemon).await;
    // Over all transports.
    for mut turned_away in [
        daemon.unix().await,
        daemon.tcp_client().await,
        Client::lines(TcpStream::connect(daemon.http()).await.expect("it is open")),
    ] {
        assert_eq!(turned_away.rest().await, Vec::<String>::new());
    }
    daemon.said("connections is reached").await;
    assert_eq!(clients[0].ask(INFO).await["success"], true);
    clients.pop();
    let let_in = async {
        loop {
            let mut client = daemon.unix().await;
            if client.try_bytes(format!("{INFO}\n").as_bytes()).await.is_ok()
                && client.text().await.is_some()
            {
                return;
            }
        }
    };
    soon("there is room again", let_in).await;
}

#[tokio::test]
async fn a_lower_limit_of_connections_holds_once_those_over_it_have_gone() {
    let mut daemon = Daemon::start("", "[limits]\nconnections = 3\n").await;
    let clients = three_that_are_served(&daemon).await;
    daemon.rewrite("", "[limits]\nconnections = 2\n");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.said("read again").await;
    for mut client in clients {
        client.finish_sending().await;
        client.rest().await;
    }
    let mut first = daemon.unix().await;
    assert_eq!(first.ask(INFO).await["success"], true);
    let mut second = daemon.unix().await;
    assert_eq!(second.ask(INFO).await["success"], true);
    assert_eq!(daemon.unix().await.rest().await, Vec::<String>::new());
}
