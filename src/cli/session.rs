//! The desktop session that sound belongs to, for libraries that look for it in the environment.
//!
//! ALSA's plug-ins for PipeWire and PulseAudio know the session of the user who runs them. A daemon that
//! is a system service has none, so `[session] runtime_dir` is put where they look. Called by `serve` and
//! `check` before anything else runs. The daemon's own socket is not where `XDG_RUNTIME_DIR` would be
//! for the session, so that variable stays as it is.

use std::ffi::OsString;
use std::path::Path;

use crate::config::Session;

/// Tells the libraries of the session of this configuration, if it names one.
pub(super) fn adopt(session: &Session) {
    let Some(folder) = &session.runtime_dir else { return };
    for (name, value) in variables(folder) {
        set(name, value);
    }
}

/// What PipeWire (`pipewire.conf`(5), "PIPEWIRE_RUNTIME_DIR") and PulseAudio (`pulseaudio`(1),
/// "PULSE_SERVER", "PULSE_RUNTIME_PATH") look for.
fn variables(folder: &Path) -> [(&'static str, OsString); 3] {
    let pulse = folder.join("pulse");
    let mut server = OsString::from("unix:");
    server.push(pulse.join("native"));
    [
        ("PIPEWIRE_RUNTIME_DIR", folder.into()),
        ("PULSE_RUNTIME_PATH", pulse.into()),
        ("PULSE_SERVER", server),
    ]
}

#[expect(unsafe_code, reason = "a process's environment is shared by all of its threads")]
fn set(name: &str, value: OsString) {
    // SAFETY: the command line calls this before it starts the runtime or any thread, so nobody reads
    // the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sound_servers_find_the_sessions_folder() {
        let variables = variables(Path::new("/run/user/1000"));
        let shown = variables.map(|(name, value)| format!("{name}={}", value.display()));
        assert_eq!(
            shown,
            [
                "PIPEWIRE_RUNTIME_DIR=/run/user/1000",
                "PULSE_RUNTIME_PATH=/run/user/1000/pulse",
                "PULSE_SERVER=unix:/run/user/1000/pulse/native",
            ]
        );
    }
}
