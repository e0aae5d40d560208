//! Real sockets of this machine: who is there, who is not, who may not.

use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;

use super::*;

/// Ample; only failures take that long.
const AMPLE: Duration = Duration::from_secs(20);

fn unix(path: &Path) -> Socket {
    Socket::new(SocketAddress::Unix(path.to_owned()))
}

async fn refused(socket: &mut Socket) -> PortError {
    socket.open(0).await.err().expect("it does not open")
}

async fn speaks(line: &mut BoxedLine, far: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut bytes = [0; 4];
    line.write_all(b"ping").await.unwrap();
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
    far.write_all(b"pong").await.unwrap();
    line.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"pong");
    far.write_all(b"old").await.unwrap();
    // What has arrived can be read or thrown away; what comes later is there.
    line.read_exact(&mut bytes[..1]).await.unwrap();
    line.discard_input().unwrap();
    far.write_all(b"new!").await.unwrap();
    line.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"new!");
}

#[tokio::test]
async fn a_unix_socket_is_a_line_until_the_other_side_closes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service");
    let listener = UnixListener::bind(&path).unwrap();
    let mut line = unix(&path).open(0).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    speaks(&mut line, &mut far).await;
    assert!(!line.lingers());
    drop(far);
    assert_eq!(line.read(&mut [0; 4]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_tcp_address_is_a_line_that_connects_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut line = Socket::new(SocketAddress::Tcp("127.0.0.1".into(), port)).open(0).await.unwrap();
    let accepted = async { listener.accept().await.unwrap().0 };
    let (written, mut far) = tokio::join!(line.write_all(b"hello"), accepted);
    written.unwrap();
    assert!(line.lingers());
    far.read_exact(&mut [0; 5]).await.unwrap();
    speaks(&mut line, &mut far).await;
}

#[tokio::test]
async fn a_tcp_address_where_nobody_listens_is_an_error_of_the_first_exchange() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut line = Socket::new(SocketAddress::Tcp("127.0.0.1".into(), port)).open(0).await.unwrap();
    let error = line.write_all(b"hello").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let words = error.to_string();
    assert!(words.starts_with(&format!("tcp:127.0.0.1:{port}: nobody listens there")), "{words}");
    assert_eq!(line.read(&mut [0; 4]).await.unwrap(), 0);
    assert!(line.write_all(b"hello").await.is_err());
}

#[tokio::test]
async fn a_socket_that_is_not_there_or_that_nobody_listens_on_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service");
    let words = format!(
        "unix:{}: nobody listens there; start the program that does, or name another address",
        path.display()
    );
    let error = refused(&mut unix(&path)).await;
    assert!(error.is_absent());
    assert_eq!(error.to_string(), words);
    drop(StdListener::bind(&path).unwrap());
    let error = refused(&mut unix(&path)).await;
    assert!(error.is_absent());
    assert_eq!(error.to_string(), words);
    assert!(refused(&mut unix(&path.join("below-a-file"))).await.is_absent());
}

#[tokio::test]
async fn a_listener_that_takes_nobody_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service");
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let mut socket = unix(&path);
    let mut lines = Vec::new();
    let error = loop {
        match socket.open(0).await {
            Ok(line) => lines.push(line),
            Err(error) => break error,
        }
        assert!(lines.len() < 10, "it has taken all of them");
    };
    assert!(error.to_string().contains("takes no more connections"), "{error}");
}

#[tokio::test]
async fn a_socket_that_appears_is_worth_opening_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/service");
    let mut socket = unix(&path);
    let trouble = Trouble::from(refused(&mut socket).await);
    let made = async {
        tokio::task::yield_now().await;
        std::fs::create_dir(folder.path().join("later")).unwrap();
        UnixListener::bind(&path).unwrap()
    };
    let worth = socket.worth_opening(&trouble);
    let (woken, listener) = tokio::join!(timeout(AMPLE, worth), made);
    woken.expect("inotify tells of it");
    assert!(unix(&path).open(0).await.is_ok());
    drop(listener);
}

#[test]
fn what_is_missing_is_named_with_its_owner_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service");
    let _listener = StdListener::bind(&path).unwrap();
    // Whoever runs the tests passes through, so the words are those of the socket.
    let words = missing(&path);
    let owner = rustix::process::geteuid().as_raw();
    assert!(words.contains(&format!("may not write to the socket, which belongs to user {owner}")));
    assert!(words.starts_with("permission denied: "), "{words}");
}
