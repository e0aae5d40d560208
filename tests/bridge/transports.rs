//! Unix socket and TCP: where they are, who is let in, what is refused at start.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::fixture::{Daemon, finish, hharome, kind, run, soon, write_config};

const TOKEN: &str = "token = \"0123456789abcdef\"\n";
const INFO: &str = r#"{"action":"getDeviceInfo","taskId":"1"}"#;

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Starts the daemon with `config` in `folder` and expects it to refuse; its words.
async fn refused(folder: &TempDir, config: &str) -> String {
    let file = folder.path().join("config.toml");
    let config = config.replace("{dir}", folder.path().to_str().expect("UTF-8"));
    std::fs::write(file, config).expect("it is written");
    let (code, stdout, stderr) = run(folder.path(), &["serve", "--config", "config.toml"]).await;
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    stderr
}

#[tokio::test]
async fn the_socket_has_mode_0660_in_a_folder_of_0700() {
    let daemon = Daemon::start("", "").await;
    assert!(daemon.socket().metadata().expect("it is there").file_type().is_socket());
    assert_eq!(mode(&daemon.socket()), 0o660);
    assert_eq!(mode(daemon.socket().parent().expect("a folder")), 0o700);
}

#[tokio::test]
async fn the_socket_has_the_mode_that_is_configured() {
    let daemon = Daemon::start("unix_mode = \"0600\"\n", "").await;
    assert_eq!(mode(&daemon.socket()), 0o600);
}

/// Where a daemon whose file names no socket has it.
async fn default_socket(folder: &Path, variables: &[(&str, &Path)]) -> String {
    let mut command = hharome(folder);
    command.env_remove("XDG_RUNTIME_DIR").envs(variables.iter().copied());
    std::fs::write(folder.join("config.toml"), "[listen]\n").expect("it is written");
    let mut daemon = command.args(["serve", "--config", "config.toml"]).spawn().expect("it starts");
    let mut lines = BufReader::new(daemon.stderr.take().expect("stderr is piped")).lines();
    let found = async {
        while let Some(line) = lines.next_line().await.expect("UTF-8") {
            if let Some((_, address)) = line.split_once("listening transport=\"unix\" address=") {
                return address.trim().to_owned();
            }
        }
        panic!("it ended");
    };
    let found = soon("it listens", found).await;
    daemon.kill().await.expect("it is killed");
    found
}

#[tokio::test]
async fn without_a_named_socket_it_lies_in_the_runtime_folder() {
    let folder = TempDir::new().expect("a folder");
    let (run, xdg) = (folder.path().join("run"), folder.path().join("xdg"));
    std::fs::create_dir(&run).expect("a folder");
    std::fs::create_dir(&xdg).expect("a folder");
    let both = [("RUNTIME_DIRECTORY", run.as_path()), ("XDG_RUNTIME_DIR", xdg.as_path())];
    let found = default_socket(folder.path(), &both).await;
    assert_eq!(Path::new(&found), run.join("bridge.sock"));
    let found = default_socket(folder.path(), &both[1..]).await;
    assert_eq!(Path::new(&found), xdg.join("hharome/bridge.sock"));
    assert_eq!(mode(&xdg.join("hharome")), 0o700);
}

#[tokio::test]
async fn a_socket_on_which_a_daemon_listens_is_an_error() {
    let daemon = Daemon::start("", "").await;
    let (code, _, stderr) = run(daemon.folder(), &["serve", "--config", "config.toml"]).await;
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("bridge.sock"), "{stderr}");
    // The first one still has it.
    assert_eq!(daemon.unix().await.ask(INFO).await["success"], true);
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let folder = TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("hharome")).expect("a folder");
    let socket = folder.path().join("hharome/bridge.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    assert!(socket.exists());
    let daemon = Daemon::start_in(folder, "", "").await;
    assert_eq!(daemon.unix().await.ask(INFO).await["success"], true);
}

#[tokio::test]
async fn a_socket_that_cannot_be_judged_is_left_alone() {
    let folder = TempDir::new().expect("a folder");
    set_mode(folder.path(), 0o700);
    let socket = folder.path().join("other.sock");
    // Alive, but no stream: connecting is refused for another reason than that nobody is there.
    let _alive = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    let said = refused(&folder, "[listen]\nunix = \"{dir}/other.sock\"\n").await;
    assert!(said.contains("other.sock"), "{said}");
    assert!(socket.exists());
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_refused_and_left_there() {
    let folder = TempDir::new().expect("a folder");
    set_mode(folder.path(), 0o700);
    std::fs::write(folder.path().join("file"), "precious").expect("it is written");
    let said = refused(&folder, "[listen]\nunix = \"{dir}/file\"\n").await;
    assert!(said.contains("file"), "{said}");
    let left = std::fs::read_to_string(folder.path().join("file")).expect("it is there");
    assert_eq!(left, "precious");
}

#[tokio::test]
async fn a_folder_in_tmp_has_to_be_ours_with_mode_0700() {
    let folder = TempDir::new().expect("a folder");
    let shared = tempfile::Builder::new().prefix("hharome-test-").tempdir_in("/tmp");
    let shared = shared.expect("a folder in /tmp");
    let config = format!("[listen]\nunix = \"{}/bridge.sock\"\n", shared.path().display());
    for wrong in [0o755, 0o770, 0o701] {
        set_mode(shared.path(), wrong);
        let said = refused(&folder, &config).await;
        assert!(said.contains("0700"), "{wrong:o}: {said}");
    }
    set_mode(shared.path(), 0o700);
    // A link to it may be changed by whoever made the link.
    let link = format!("/tmp/hharome-test-link-{}", std::process::id());
    symlink(shared.path(), &link).expect("a link");
    let said = refused(&folder, &format!("[listen]\nunix = \"{link}/bridge.sock\"\n")).await;
    std::fs::remove_file(&link).expect("it is removed");
    assert!(said.contains("0700"), "{said}");
    assert!(!shared.path().join("bridge.sock").exists());
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_a_token() {
    for key in ["tcp", "http"] {
        let folder = TempDir::new().expect("a folder");
        let config = format!("[listen]\nunix = \"{{dir}}/s\"\n{key} = \"0.0.0.0:0\"\n");
        let said = refused(&folder, &config).await;
        assert!(said.contains("config.toml:3: [listen]"), "{said}");
        assert!(said.contains(key) && said.contains("token"), "{said}");
    }
}

#[tokio::test]
async fn a_port_that_another_has_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for key in ["tcp", "http"] {
        let folder = TempDir::new().expect("a folder");
        set_mode(folder.path(), 0o700);
        let config = format!("[listen]\nunix = \"{{dir}}/s\"\n{key} = \"{address}\"\n");
        let said = refused(&folder, &config).await;
        assert!(said.contains(key) && said.contains(&address), "{said}");
        assert!(!folder.path().join("s").exists(), "the socket is left behind");
    }
}

#[tokio::test]
async fn with_a_file_tcp_and_http_are_off_unless_it_names_them() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("config.toml"), "[listen]\nunix = \"\"\n").expect("written");
    let mut command = hharome(folder.path());
    let (code, _, stderr) = finish(command.args(["serve", "--config", "config.toml"])).await;
    assert_eq!(code, 2, "with all three off nobody could connect: {stderr}");
}

#[tokio::test]
async fn tcp_without_a_token_and_with_a_real_device_is_warned_of() {
    let mut daemon = Daemon::start("", crate::id_card::SECTION).await;
    let said = daemon.said("without a token").await;
    assert!(said.contains("WARN"), "{said}");
    let mut daemon = Daemon::start(TOKEN, crate::id_card::SECTION).await;
    daemon.said("listening transport=\"ws\"").await;
    assert!(!daemon.log().iter().any(|line| line.contains("without a token")));
}

#[tokio::test]
async fn nothing_is_said_before_the_client_speaks() {
    let daemon = Daemon::start("", "").await;
    for mut client in [daemon.unix().await, daemon.tcp_client().await, daemon.ws().await] {
        client.nothing_came().await;
    }
}

#[tokio::test]
async fn all_transports_give_the_same_reply() {
    let daemon = Daemon::start("", "[device_info]\nsn = \"K-1\"\n").await;
    let expected = daemon.unix().await.ask(INFO).await;
    assert_eq!(expected["data"]["sn"], "K-1");
    assert_eq!(daemon.tcp_client().await.ask(INFO).await, expected);
    assert_eq!(daemon.ws().await.ask(INFO).await, expected);
}

#[tokio::test]
async fn the_right_token_lets_a_tcp_client_in() {
    let daemon = Daemon::start(TOKEN, "").await;
    let mut client = daemon.tcp_client().await;
    client.send(r#"{"token":"0123456789abcdef"}"#).await;
    client.nothing_came().await;
    assert_eq!(client.ask(INFO).await["success"], true);
    let mut client = daemon.tcp_client().await;
    for byte in b"{\"token\":\"0123456789abcdef\"}\r\n" {
        client.bytes(&[*byte]).await;
    }
    assert_eq!(client.ask(INFO).await["success"], true);
}

#[tokio::test]
async fn a_wrong_token_or_none_ends_a_tcp_connection() {
    let daemon = Daemon::start(TOKEN, "").await;
    for first in [
        r#"{"token":"0123456789abcdeF"}"#,
        r#"{"token":"0123456789abcde"}"#,
        r#"{"token":""}"#,
        r#"{"token":null}"#,
        INFO,
        "no JSON",
    ] {
        let mut client = daemon.tcp_client().await;
        // The second frame must not be carried out, even if it came with the first.
        let _ = client.try_bytes(format!("{first}\n{INFO}\n").as_bytes()).await;
        for frame in client.rest().await {
            let frame: serde_json::Value = serde_json::from_str(&frame).expect("JSON");
            assert_eq!(kind(&frame), "forbidden", "{first}");
        }
    }
}

#[tokio::test]
async fn a_token_that_comes_too_late_ends_a_tcp_connection() {
    let daemon = Daemon::start(TOKEN, "[limits]\nhandshake_ms = 200\n").await;
    let mut client = daemon.tcp_client().await;
    for frame in client.rest().await {
        assert!(frame.contains("forbidden"), "{frame}");
    }
}

#[tokio::test]
async fn the_unix_socket_asks_for_no_token_and_minds_none() {
    let daemon = Daemon::start(TOKEN, "").await;
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(INFO).await["success"], true);
    client.send(r#"{"token":"whatever"}"#).await;
    client.nothing_came().await;
}

#[tokio::test]
async fn a_client_that_has_finished_sending_still_gets_its_reply() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    client.send(INFO).await;
    client.finish_sending().await;
    let frames = client.rest().await;
    assert_eq!(frames.len(), 1, "{frames:?}");
    let reply: serde_json::Value = serde_json::from_str(&frames[0]).expect("JSON");
    assert_eq!((&reply["taskId"], &reply["success"]), (&json!("1"), &json!(true)));
}

#[tokio::test]
async fn the_environment_names_the_file_where_no_option_does() {
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "nonsense = 1\n", "");
    let mut command = hharome(folder.path());
    let file = folder.path().join("config.toml");
    let (code, _, stderr) = finish(command.arg("serve").env("HHAROME_CONFIG", &file)).await;
    assert_eq!(code, 2);
    assert!(stderr.contains("config.toml:5: [listen] nonsense"), "{stderr}");
}
