//! Which connector, mode and CRTC: the policy.
//!
//! A CRTC is what feeds an output; a card has a few. One that feeds another output is never taken, as
//! that one's screen, the operator's, would go dark or show the same.

use drm::control::crtc;

/// What a card can plug a screen into.
pub(super) struct Connector {
    /// What it is called.
    pub(super) name: String,
    /// Something is plugged in, or it cannot tell.
    pub(super) plugged_in: bool,
    /// The modes of what is plugged in, the best first.
    pub(super) modes: Vec<Size>,
    /// The CRTCs that can feed it.
    pub(super) possible: Vec<crtc::Handle>,
    /// The one that does.
    pub(super) current: Option<crtc::Handle>,
}

/// A mode.
pub(super) struct Size {
    /// The monitor says that it is its own.
    pub(super) preferred: bool,
}

/// What is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The place of the connector in the list.
    pub(super) connector: usize,
    /// The place of the mode in the connector's.
    pub(super) mode: usize,
    /// What feeds it.
    pub(super) crtc: crtc::Handle,
}

/// What shows a picture on the output of this name.
///
/// # Errors
/// Why nothing does, with the way out.
pub(super) fn choose(connectors: &[Connector], wanted: &str) -> Result<Choice, String> {
    let Some(at) = connectors.iter().position(|one| one.name == wanted) else {
        return Err(format!("output {wanted} is not there (these are: {})", names(connectors)));
    };
    let others =
        || connectors.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, one)| one);
    let Some(connector) = connectors.get(at).filter(|one| one.plugged_in) else {
        return Err(format!("output {wanted}: nothing is plugged in"));
    };
    let preferred = connector.modes.iter().position(|mode| mode.preferred).unwrap_or_default();
    if connector.modes.is_empty() {
        return Err(format!("output {wanted}: its screen tells of no mode; look at its cable"));
    }
    let feeds = |crtc: crtc::Handle, plugged_in: bool| {
        others().any(|other| other.current == Some(crtc) && (other.plugged_in || !plugged_in))
    };
    let possible = || connector.current.into_iter().chain(connector.possible.iter().copied());
    // One that feeds nobody; or else one that feeds what is not plugged in.
    let free = possible()
        .find(|crtc| connector.possible.contains(crtc) && !feeds(*crtc, false))
        .or_else(|| connector.possible.iter().copied().find(|crtc| !feeds(*crtc, true)));
    match free {
        Some(crtc) => Ok(Choice { connector: at, mode: preferred, crtc }),
        None => Err(format!(
            "output {wanted}: the card cannot feed more screens than it does; unplug one, or plug \
             this one in elsewhere"
        )),
    }
}

fn names(connectors: &[Connector]) -> String {
    let names: Vec<&str> = connectors.iter().map(|one| one.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use drm::control::from_u32;

    use super::*;

    fn crtc(number: u32) -> crtc::Handle {
        from_u32(number).unwrap()
    }

    /// A connector with two modes, the second of which is its own.
    fn connector(name: &str, possible: &[u32], current: Option<u32>) -> Connector {
        Connector {
            name: name.to_owned(),
            plugged_in: true,
            modes: [false, true].map(|preferred| Size { preferred }).into(),
            possible: possible.iter().copied().map(crtc).collect(),
            current: current.map(crtc),
        }
    }

    fn check(connectors: &[Connector], expected: Result<(usize, usize, u32), &str>) {
        match (choose(connectors, "B"), expected) {
            (Ok(chosen), Ok((connector, mode, number))) => {
                assert_eq!(chosen, Choice { connector, mode, crtc: crtc(number) });
            }
            (Err(words), Err(part)) => assert!(words.contains(part), "{words}"),
            (chosen, expected) => panic!("{chosen:?} and not {expected:?}"),
        }
    }

    #[test]
    fn the_named_connector_is_taken_with_its_own_mode() {
        check(&[connector("A", &[1, 2], Some(1)), connector("B", &[1, 2], Some(2))], Ok((1, 1, 2)));
        let mut plain = connector("B", &[1], None);
        plain.modes = vec![Size { preferred: false }];
        check(&[plain], Ok((0, 0, 1)));
    }

    #[test]
    fn what_feeds_another_screen_is_never_taken() {
        // The console shows the same on both.
        check(&[connector("A", &[1, 2], Some(1)), connector("B", &[1, 2], Some(1))], Ok((1, 1, 2)));
        check(&[connector("A", &[1, 2], Some(1)), connector("B", &[1, 2], None)], Ok((1, 1, 2)));
        check(
            &[connector("A", &[1], Some(1)), connector("B", &[1], None)],
            Err("cannot feed more screens"),
        );
        // Nobody sees what an unplugged one shows.
        let gone = || Connector { plugged_in: false, ..connector("A", &[1, 2], Some(1)) };
        check(&[gone(), connector("B", &[1], None)], Ok((1, 1, 1)));
        check(&[gone(), connector("B", &[1, 2], None)], Ok((1, 1, 2)));
    }

    #[test]
    fn what_is_not_there_is_said() {
        check(&[connector("A", &[1], None)], Err("output B is not there (these are: A)"));
        check(&[], Err("(these are: none)"));
        let gone = Connector { plugged_in: false, ..connector("B", &[1], None) };
        check(&[gone], Err("output B: nothing is plugged in"));
        let silent = Connector { modes: Vec::new(), ..connector("B", &[1], None) };
        check(&[silent], Err("tells of no mode"));
    }
}
