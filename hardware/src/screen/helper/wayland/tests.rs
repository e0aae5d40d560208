//! The display against a compositor of the tests' own, which has two outputs and does what no good one
//! does. It speaks the wire format (Wayland book, chapter 4) by hand.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::*;

/// How a compositor behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manners {
    Good,
    /// As that of GNOME.
    NoLayerShell,
    /// The customer's output is unplugged just before a surface is asked for on it.
    OutputGoesFirst,
    /// Puts what belongs on the customer's output on the operator's.
    ShowsElsewhere,
    /// Closes the surface as soon as it is seen.
    Closes,
    /// Wants another size as soon as it is seen, and the output is unplugged while it is taken away.
    OutputGoesMeanwhile,
}

/// The numbers of the globals, and of the outputs among them.
const GLOBALS: [(&str, u32); 5] = [
    ("wl_compositor", 4),
    ("wl_shm", 1),
    ("zwlr_layer_shell_v1", 4),
    ("wl_output", 4),
    ("wl_output", 4),
];
const OPERATORS: u32 = 3;
const CUSTOMERS: u32 = 4;

struct Compositor {
    stream: UnixStream,
    manners: Manners,
    /// What the client calls its objects, with the number of the global if it is one.
    objects: HashMap<u32, (String, u32)>,
    registry: u32,
    surface: u32,
    layer: u32,
    attached: bool,
    frame: Option<u32>,
    /// What a surface was given or has lost.
    seen: Sender<&'static str>,
}

fn word(bytes: &[u8], index: usize) -> u32 {
    u32::from_ne_bytes(bytes[index * 4..index * 4 + 4].try_into().unwrap())
}

fn text(text: &str) -> Vec<u8> {
    let length = text.len() + 1;
    let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.resize(4 + length.next_multiple_of(4), 0);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

impl Compositor {
    fn say(&mut self, object: u32, opcode: u32, arguments: &[u8]) {
        let length = u32::try_from(8 + arguments.len()).unwrap();
        let mut message = words(&[object, length << 16 | opcode]);
        message.extend(arguments);
        self.stream.write_all(&message).unwrap();
    }

    /// Until the client is gone.
    fn run(mut self) {
        let mut header = [0; 8];
        while self.stream.read_exact(&mut header).is_ok() {
            let (object, rest) = (word(&header, 0), word(&header, 1));
            let mut arguments = vec![0; (rest >> 16) as usize - 8];
            self.stream.read_exact(&mut arguments).unwrap();
            let name = self.objects.get(&object).map_or("", |(name, _)| name).to_owned();
            self.obey(object, &name, rest & 0xFFFF, &arguments);
        }
    }

    fn obey(&mut self, object: u32, name: &str, opcode: u32, arguments: &[u8]) {
        match (name, opcode) {
            ("wl_display", 0) => self.say(word(arguments, 0), 0, &words(&[0])),
            ("wl_display", 1) => {
                self.registry = word(arguments, 0);
                self.objects.insert(self.registry, ("wl_registry".to_owned(), 0));
                for (global, (name, version)) in (0..).zip(GLOBALS) {
                    if (self.manners, name) != (Manners::NoLayerShell, "zwlr_layer_shell_v1") {
                        let told = [words(&[global]), text(name), words(&[version])].concat();
                        self.say(self.registry, 0, &told);
                    }
                }
            }
            ("wl_registry", 0) => {
                let global = word(arguments, 0);
                let id = word(arguments, arguments.len() / 4 - 1);
                self.objects.insert(id, (GLOBALS[global as usize].0.to_owned(), global));
                if global >= OPERATORS {
                    let x = if global == OPERATORS { 0 } else { 100 };
                    let monitor = [words(&[x, 0, 0, 0, 0]), text("m"), text("m"), words(&[0])];
                    self.say(id, 0, &monitor.concat());
                    self.say(id, 1, &words(&[1, 100, 50, 60_000]));
                    self.say(id, 4, &text(if x == 0 { "A" } else { "B" }));
                    self.say(id, 2, &[]);
                }
            }
            ("wl_compositor", 0) => {
                self.surface = word(arguments, 0);
                self.objects.insert(self.surface, ("wl_surface".to_owned(), 0));
            }
            ("zwlr_layer_shell_v1", 0) => {
                self.layer = word(arguments, 0);
                self.objects.insert(self.layer, ("zwlr_layer_surface_v1".to_owned(), 0));
                let output = self.objects[&word(arguments, 2)].1;
                assert_eq!((output, word(arguments, 3)), (CUSTOMERS, 3), "overlay is the third");
                if self.manners == Manners::OutputGoesFirst {
                    self.say(self.registry, 1, &words(&[CUSTOMERS]));
                }
            }
            ("wl_shm" | "wl_shm_pool", 0) if arguments.len() >= 8 => {
                let made = if name == "wl_shm" { "wl_shm_pool" } else { "wl_buffer" };
                self.objects.insert(word(arguments, 0), (made.to_owned(), 0));
            }
            ("wl_surface", 1) => {
                self.attached = true;
                self.seen.send("picture").unwrap();
            }
            ("wl_surface", 3) => self.frame = Some(word(arguments, 0)),
            ("wl_surface", 6) if !self.attached => self.say(self.layer, 0, &words(&[1, 100, 50])),
            ("wl_surface", 6) => self.draw(),
            ("zwlr_layer_surface_v1", 7) => {
                self.attached = false;
                self.seen.send("gone").unwrap();
                if self.manners == Manners::OutputGoesMeanwhile {
                    self.say(self.registry, 1, &words(&[CUSTOMERS]));
                }
            }
            _ => assert!(self.objects.contains_key(&object), "{name} {opcode}"),
        }
    }

    fn draw(&mut self) {
        let on = if self.manners == Manners::ShowsElsewhere { OPERATORS } else { CUSTOMERS };
        let is = |(id, (_, global)): (&u32, &(String, u32))| (*global == on).then_some(*id);
        let output = self.objects.iter().find_map(is).unwrap();
        self.say(self.surface, 0, &words(&[output]));
        if self.manners == Manners::Closes {
            self.say(self.layer, 1, &[]);
        }
        if self.manners == Manners::OutputGoesMeanwhile {
            self.say(self.layer, 0, &words(&[2, 80, 40]));
        }
        if let Some(frame) = self.frame.take() {
            self.say(frame, 0, &words(&[0]));
        }
    }
}

fn open(manners: Manners) -> (Result<Wayland, Trouble>, Receiver<&'static str>) {
    let (ours, stream) = UnixStream::pair().unwrap();
    let (seen, sees) = channel();
    let objects = HashMap::from([(1, ("wl_display".to_owned(), 0))]);
    let compositor = Compositor {
        stream,
        manners,
        objects,
        registry: 0,
        surface: 0,
        layer: 0,
        attached: false,
        frame: None,
        seen,
    };
    thread::spawn(|| compositor.run());
    let settings = Settings { output: None, background: [0; 3] };
    (Wayland::on(ours, "wayland-7".to_owned(), &settings), sees)
}

fn frame() -> Frame {
    Frame { width: 100, height: 50, rgb: vec![9; 100 * 50 * 3] }
}

#[test]
fn a_picture_is_put_on_the_output_that_is_not_the_leftmost_and_taken_away_again() {
    let (wayland, seen) = open(Manners::Good);
    let mut wayland = wayland.unwrap();
    let place = Place { name: "B".to_owned(), width: 100, height: 50 };
    assert_eq!(wayland.place(), Ok(place));
    for _ in 0..2 {
        wayland.show(&frame()).unwrap();
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["picture"]);
        assert!(!wayland.attend().unwrap());
    }
    wayland.close().unwrap();
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["gone"]);
    assert_eq!((wayland.attend().unwrap(), wayland.wake()), (false, None));
}

#[test]
fn a_compositor_without_layer_shell_is_told_with_the_way_out() {
    let (wayland, _) = open(Manners::NoLayerShell);
    let Err(Trouble::Failed { detail }) = wayland else { panic!("it is used") };
    for part in ["wayland-7 has no layer shell (zwlr_layer_shell_v1)", "GNOME", "driver x11"] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[test]
fn an_output_that_went_a_moment_before_it_was_named_gets_no_picture() {
    let (wayland, seen) = open(Manners::OutputGoesFirst);
    let mut wayland = wayland.unwrap();
    wayland.show(&frame()).unwrap();
    assert!(wayland.attend().unwrap());
    // The compositor would have put it on any other.
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["gone"]);
    let words = wayland.place().unwrap_err();
    assert!(words.contains("the only output that is switched on is A"), "{words}");
    // Whoever does not know that yet asks in vain.
    wayland.show(&frame()).unwrap();
    assert_eq!(seen.try_iter().next(), None);
}

#[test]
fn an_output_that_goes_while_its_picture_is_taken_away_is_seen_to_at_once() {
    let (wayland, seen) = open(Manners::OutputGoesMeanwhile);
    let mut wayland = wayland.unwrap();
    wayland.show(&frame()).unwrap();
    assert!(wayland.attend().unwrap());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["picture", "gone"]);
    let words = wayland.place().unwrap_err();
    assert!(words.contains("the only output that is switched on is A"), "{words}");
}

#[test]
fn a_picture_that_the_compositor_shows_on_another_output_or_closes_is_taken_away_for_a_while() {
    for manners in [Manners::ShowsElsewhere, Manners::Closes] {
        let (wayland, seen) = open(manners);
        let mut wayland = wayland.unwrap();
        wayland.show(&frame()).unwrap();
        assert!(wayland.attend().unwrap());
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["picture", "gone"]);
        let words = wayland.place().unwrap_err();
        assert_eq!(words, "the compositor does not keep the picture on output B");
        assert!(wayland.wake().is_some_and(|wake| wake <= REST));
    }
}

#[test]
fn a_compositor_that_ends_is_absent() {
    let (ours, stream) = UnixStream::pair().unwrap();
    drop(stream);
    let settings = Settings { output: None, background: [0; 3] };
    let Err(trouble) = Wayland::on(ours, "wayland-7".to_owned(), &settings) else {
        panic!("it is used");
    };
    assert!(matches!(trouble, Trouble::Absent { .. }), "{trouble}");
    assert!(trouble.to_string().contains("wayland-7 is gone"), "{trouble}");
}
