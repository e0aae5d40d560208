//! Tests: what the monitor makes of the states of readers.

use super::*;

const ATR: &[u8] = &[0x3B, 0x80, 0x80, 0x01, 0x01];

fn look(name: &str, state: State, count: u32) -> Look<'_> {
    let atr =
        if state.contains(State::PRESENT) && !state.contains(State::MUTE) { ATR } else { &[] };
    Look { name, state, count, atr }
}

/// What the only reader holds after it looked like this.
fn holds(known: &mut Known, state: State, count: u32) -> Holds {
    match known.look(std::iter::once(look("A 00 00", state, count))) {
        View::Readers(mut readers) => readers.pop().expect("one reader").holds,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_card_that_is_put_in_has_a_number_of_its_own() {
    let mut known = Known::default();
    assert_eq!(holds(&mut known, State::EMPTY, 0).what, Content::Nothing);
    let first = holds(&mut known, State::PRESENT, 1);
    assert_eq!(first.what, Content::Card(ATR.to_vec()));
    assert_eq!(holds(&mut known, State::EMPTY, 2).what, Content::Nothing);
    let second = holds(&mut known, State::PRESENT, 3);
    assert_ne!(first.number, second.number);
    // Taken away and put in again between two looks.
    let third = holds(&mut known, State::PRESENT, 5);
    assert!(third.number != second.number && third.number != first.number);
}

#[test]
fn who_uses_a_card_and_whether_it_is_powered_is_no_news() {
    let mut known = Known::default();
    let before = holds(&mut known, State::PRESENT, 1);
    for more in [State::INUSE, State::EXCLUSIVE, State::UNPOWERED, State::CHANGED] {
        assert_eq!(holds(&mut known, State::PRESENT | more, 1), before);
    }
}

#[test]
fn a_mute_card_that_answers_after_all_is_the_same_card() {
    let mut known = Known::default();
    let mute = holds(&mut known, State::PRESENT | State::MUTE, 1);
    assert_eq!(mute.what, Content::Mute);
    let answers = holds(&mut known, State::PRESENT, 1);
    assert_eq!(answers, Holds { what: Content::Card(ATR.to_vec()), number: mute.number });
}

#[test]
fn a_reader_that_does_not_work_is_not_told_and_its_card_is_another_one_after_that() {
    let mut known = Known::default();
    let before = holds(&mut known, State::PRESENT, 1);
    let gone = known.look(std::iter::once(look("A 00 00", State::UNAVAILABLE, 0)));
    assert_eq!(gone, View::Readers(vec![]));
    assert_ne!(holds(&mut known, State::PRESENT, 1).number, before.number);
}

#[test]
fn numbers_do_not_come_again_when_the_counter_of_the_service_begins_anew() {
    let first = holds(&mut Known::default(), State::PRESENT, 1);
    let second = holds(&mut Known::default(), State::PRESENT, 1);
    assert_ne!(first.number, second.number);
}

#[test]
fn readers_are_told_in_the_order_of_their_names() {
    let looks = [look("B 01 00", State::EMPTY, 0), look("A 00 00", State::EMPTY, 0)];
    let View::Readers(readers) = Known::default().look(looks.into_iter()) else { panic!() };
    let names: Vec<_> = readers.iter().map(|reader| reader.name.as_str()).collect();
    assert_eq!(names, ["A 00 00", "B 01 00"]);
}

fn names_of(entries: &[ReaderState]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name().to_str().expect("made here")).collect()
}

fn named(names: &[&str]) -> Vec<CString> {
    names.iter().map(|name| CString::new(*name).expect("no zero in it")).collect()
}

#[test]
fn the_list_follows_the_service_and_always_asks_for_new_readers() {
    let mut entries = Vec::new();
    assert!(relist(&mut entries, &[]));
    assert_eq!(names_of(&entries), ["\\\\?PnP?\\Notification"]);
    assert!(!relist(&mut entries, &[]));
    assert!(relist(&mut entries, &named(&["A", "B"])));
    assert!(!relist(&mut entries, &named(&["B", "A"])));
    assert!(relist(&mut entries, &named(&["B", "C"])));
    assert_eq!(names_of(&entries), ["\\\\?PnP?\\Notification", "B", "C"]);
}

#[test]
fn with_as_many_readers_as_the_service_takes_it_is_not_asked_for_more() {
    let full: Vec<_> = (0..16).map(|n| CString::new(format!("R {n}")).expect("no zero")).collect();
    let mut entries = Vec::new();
    relist(&mut entries, &full[..15]);
    assert_eq!(entries.len(), 16);
    relist(&mut entries, &full);
    assert_eq!(entries.len(), 16);
    assert!(!names_of(&entries).contains(&"\\\\?PnP?\\Notification"));
}
