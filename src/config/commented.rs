//! The commented configuration that `hharome config` prints, made from the tables of the sections.

use std::fmt::Write;

use super::Config;
use super::schema::Shown;

/// What stands above the first section.
const HEAD: &str = "\
# The configuration of hharome, complete: every key with its default.
# It is read from --config FILE, else from $HHAROME_CONFIG, else from /etc/hharome/config.toml.
# Without any of them every device is simulated, and the Unix socket, TCP and HTTP are on.
#
# Take what you need; what is left out keeps its default. A key behind a # is absent by default;
# what stands there is an example. A key that does not exist, or a value that is not allowed,
# stops the start and is named with its line. SIGHUP reads the file again.
";

/// The complete, commented configuration: every section and key with its default, what it is and
/// what is allowed. It is a valid file as it stands, equal to the defaults, and stays one when the
/// examples are uncommented.
pub fn commented() -> String {
    let mut out = HEAD.to_owned();
    for (section, about, keys) in Config::schema() {
        out.push('\n');
        comment(&mut out, about);
        line(&mut out, format_args!("[{section}]"));
        for key in keys {
            out.push('\n');
            comment(&mut out, key.doc);
            line(&mut out, format_args!("# Allowed: {}.", key.allowed));
            match key.shown {
                Shown::Default(value) => line(&mut out, format_args!("{} = {value}", key.name)),
                Shown::Example(value) => line(&mut out, format_args!("# {} = {value}", key.name)),
            }
        }
    }
    out
}

fn comment(out: &mut String, lines: &[&str]) {
    for text in lines {
        // The backticks are for the documentation of the struct.
        line(out, format_args!("#{}", text.replace('`', "").trim_end()));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
