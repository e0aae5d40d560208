use super::*;

const PROFILE: Profile =
    Profile { band_rows: 4, feeds_white: true, cut: Cut::Partial, feed_dots: 16 };

/// A page of these rows, two bytes each, in bands of three rows.
fn encoded(rows: &[[u8; 2]], profile: &Profile) -> Job {
    let bands = rows.chunks(3).map(|rows| Band {
        rows: u16::try_from(rows.len()).unwrap(),
        width_bytes: 2,
        bits: rows.concat(),
    });
    encode(bands, profile)
}

fn bytes(job: &Job) -> Vec<Vec<u8>> {
    job.blocks.iter().map(|block| block.bytes.clone()).collect()
}

#[test]
fn dots_go_out_in_bands_of_the_printers_size_as_python_escpos_sends_them() {
    // 16 by 3 dots: the bytes that python-escpos 3.1 makes of the same picture.
    let job = encoded(&[[0xFF, 0], [0, 1], [0x80, 0]], &PROFILE);
    assert_eq!(bytes(&job), [b"\x1dv0\x00\x02\x00\x03\x00\xff\x00\x00\x01\x80\x00".to_vec()]);
    assert_eq!((job.rows, job.blocks[0].rows), (3, 3));

    let job = encoded(&[[1, 1]; 10], &PROFILE);
    let rows: Vec<u32> = job.blocks.iter().map(|block| block.rows).collect();
    assert_eq!((rows, job.rows), (vec![4, 8, 10], 10));
    assert_eq!(job.blocks[2].bytes, b"\x1dv0\x00\x02\x00\x02\x00\x01\x01\x01\x01");
}

#[test]
fn white_at_the_right_and_at_the_end_is_not_sent() {
    let job = encoded(&[[1, 0], [0x80, 0], [0, 0], [0, 0]], &PROFILE);
    assert_eq!(bytes(&job), [b"\x1dv0\x00\x01\x00\x02\x00\x01\x80".to_vec()]);
    assert_eq!(job.rows, 2);
    let white = encoded(&[[0, 0]; 100], &PROFILE);
    assert!(white.blocks.is_empty() && white.rows == 0);
}

#[test]
fn long_white_is_fed_where_that_is_faster_and_short_white_never() {
    let page = |white: usize| {
        let mut rows = vec![[1, 1]];
        rows.extend(vec![[0, 0]; white]);
        rows.push([2, 2]);
        rows
    };
    let job = encoded(&page(300), &PROFILE);
    let first = b"\x1dv0\x00\x02\x00\x01\x00\x01\x01".to_vec();
    let last = b"\x1dv0\x00\x02\x00\x01\x00\x02\x02".to_vec();
    assert_eq!(bytes(&job), [first, b"\x1bJ\xff\x1bJ\x2d".to_vec(), last]);
    let rows: Vec<u32> = job.blocks.iter().map(|block| block.rows).collect();
    assert_eq!((rows, job.rows), (vec![1, 301, 302], 302));

    let short = encoded(&page(10), &PROFILE);
    assert!(short.blocks.iter().all(|block| block.bytes.starts_with(b"\x1dv0")));
    let dots = Profile { feeds_white: false, ..PROFILE };
    let long = encoded(&page(300), &dots);
    assert!(long.blocks.iter().all(|block| block.bytes.starts_with(b"\x1dv0")));
    assert_eq!((long.rows, short.rows), (302, 12));
}

#[test]
fn no_dots_read_as_a_real_time_command() {
    for second in [0x04, 0x05, 0x14] {
        let page = [[0x10, second], [0x03, 0x10], [second, 0x01]];
        let job = encoded(&page, &PROFILE);
        let bytes = &job.blocks[0].bytes;
        let dots = &bytes[8..];
        for pair in bytes.windows(2) {
            assert!(pair[0] != 0x10 || ![0x04, 0x05, 0x14].contains(&pair[1]), "{bytes:02x?}");
        }
        // Nothing goes missing: all dots are there, and no more than two others.
        let page = page.concat();
        assert!(page.iter().zip(dots).all(|(before, after)| before & after == *before));
        let ones = |dots: &[u8]| dots.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert_eq!(ones(dots), ones(&page) + 2);
    }
    // What only looks alike stays.
    let job = encoded(&[[0x10, 0x03], [0x04, 0x10]], &PROFILE);
    assert_eq!(&job.blocks[0].bytes[8..], [0x10, 0x03, 0x04, 0x10]);
}

#[test]
fn a_receipt_ends_with_white_and_a_cut_and_never_opens_the_drawer() {
    assert_eq!(ending(&PROFILE), b"\x1dVB\x10");
    assert_eq!(ending(&Profile { cut: Cut::Full, ..PROFILE }), b"\x1dVA\x10");
    // What a cut does not feed is fed before it.
    assert_eq!(ending(&Profile { feed_dots: 255, ..PROFILE }), b"\x1dVB\xff");
    assert_eq!(ending(&Profile { feed_dots: 300, ..PROFILE }), b"\x1bJ\x2d\x1dVB\xff");
    assert_eq!(ending(&Profile { cut: Cut::None, ..PROFILE }), b"\x1bJ\x10");
    assert_eq!(
        ending(&Profile { cut: Cut::None, feed_dots: 300, ..PROFILE }),
        b"\x1bJ\xff\x1bJ\x2d"
    );
}
