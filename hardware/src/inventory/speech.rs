//! What can speak: sessions in which speech-dispatcher listens, and the program espeak-ng.

use std::path::Path;

use super::{SpeechService, names};

/// Where programs are.
const FOLDERS: [&str; 3] = ["usr/local/bin", "usr/bin", "bin"];

/// Sockets first, in the order of their users.
pub(super) fn read(root: &Path) -> Vec<SpeechService> {
    let sessions = names(&root.join("run/user"))
        .into_iter()
        .map(|user| format!("run/user/{user}/speech-dispatcher/speechd.sock"));
    let sockets = sessions.filter(|path| root.join(path).exists());
    let sockets = sockets.map(|path| SpeechService::Server { socket: format!("/{path}") });
    let programs = FOLDERS.into_iter().map(|folder| format!("{folder}/espeak-ng"));
    let program = programs.into_iter().find(|path| root.join(path).is_file());
    let program = program.map(|path| SpeechService::Program { path: format!("/{path}") });
    sockets.chain(program).collect()
}
