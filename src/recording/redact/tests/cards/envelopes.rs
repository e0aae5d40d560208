//! Commands that a client has cut into ENVELOPEs itself.

use super::*;

#[test]
fn envelopes_that_a_client_has_cut_agree_and_nothing_is_left_in_them() {
    let id = "11010519491231002X";
    let data: Vec<u8> = id.bytes().cycle().take(300).collect();
    let long = [&hex_of("80DA0000 00012C")[..], &data, &[0x01, 0x00]].concat();
    let envelope = |piece: &[u8], le: &[u8]| {
        let count = u8::try_from(piece.len()).unwrap();
        [&[0x00, 0xC2, 0, 0, count], piece, le].concat()
    };
    let said: Vec<_> = long
        .chunks(255)
        .flat_map(|piece| [envelope(piece, &[]), envelope(piece, &[0x00])])
        .map(|command| (command, Vec::new(), [0x90, 0]))
        .collect();
    for protocol in [Protocol::T0, Protocol::T1] {
        check_commands(&said, protocol, Way::Whole);
    }
    let events: Vec<_> = said.iter().map(|(command, _, _)| out(command)).collect();
    let new = redacted(&mut CpuCardRedactor::new(pseudonyms(), ToldAts::default()), &events);
    let frame = |(command, _, _): &(Vec<u8>, Vec<u8>, [u8; 2])| {
        from_client(&json!({"params": {"commandApdu": hex(command)}}).to_string())
    };
    let frames: Vec<_> = said.iter().map(frame).collect();
    check_nothing_left(&[id, "491231"], &new, &frames);
}
