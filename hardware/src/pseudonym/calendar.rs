//! Dates as cards write them, `YYYYMMDD`, and days counted from the first of the year 1.
//!
//! The Gregorian calendar, carried back before its beginning as ISO 8601 does.

/// The days on which invented people are born: the first, 1950-01-01, and how many there are, up
/// to 2009-12-31.
pub(super) const BIRTHS: (i64, u32) = (711_857, 21_915);

/// Years that four digits can write.
const LAST_YEAR: i64 = 9999;

/// Which day a date is; `None` for what is no date.
pub(super) fn day_of(date: &str) -> Option<i64> {
    if date.len() != 8 || !date.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |from, to| date.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    if year < 1 || day < 1 {
        return None;
    }
    let months = month_lengths(year);
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    if day > *months.get(month)? {
        return None;
    }
    let before: i64 = months.iter().take(month).sum();
    Some(days_before(year) + before + day - 1)
}

/// Whether four digits can write the year of this day.
pub(super) fn has(day: i64) -> bool {
    (0..days_before(LAST_YEAR + 1)).contains(&day)
}

/// The date of a day that the calendar [`has`].
pub(super) fn text_of(day: i64) -> String {
    // A year of mean length is right or one too late or too early.
    let guess = day * 400 / days_before(401) + 1;
    let year = if days_before(guess) > day {
        guess - 1
    } else if days_before(guess + 1) <= day {
        guess + 1
    } else {
        guess
    };
    let mut rest = day - days_before(year);
    let mut month = 1;
    for length in month_lengths(year) {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    format!("{year:04}{month:02}{:02}", rest + 1)
}

/// Days before the first of January of a year.
fn days_before(year: i64) -> i64 {
    let years = year - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

fn month_lengths(year: i64) -> [i64; 12] {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_the_calendar_are_written_and_read() {
        // A number of days that has no part in common with weeks, years or cycles of leap years.
        for day in (0..days_before(LAST_YEAR + 1)).step_by(11) {
            assert_eq!(day_of(&text_of(day)), Some(day));
        }
        for year in 1..=LAST_YEAR {
            let first = days_before(year);
            assert_eq!(text_of(first), format!("{year:04}0101"));
            assert_eq!(
                text_of(first + month_lengths(year).iter().sum::<i64>() - 1),
                format!("{year:04}1231")
            );
        }
        assert_eq!((text_of(0), text_of(59)), ("00010101".to_owned(), "00010301".to_owned()));
    }

    #[test]
    fn births_are_from_1950_to_2009() {
        let (first, days) = BIRTHS;
        assert_eq!(text_of(first), "19500101");
        assert_eq!(text_of(first + i64::from(days) - 1), "20091231");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "长期", "20210229", "19000229", "20211301", "20210001", "20210100", "00000101"]
        {
            assert_eq!(day_of(text), None, "{text}");
        }
        assert!(day_of("20000229").is_some() && day_of("20240229").is_some());
        for text in ["2021-1-1", "+2021010", "２０２１０１０１", "202101011"] {
            assert_eq!(day_of(text), None, "{text}");
        }
    }
}
