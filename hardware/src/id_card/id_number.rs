//! The citizen identification number of GB 11643: 17 digits and a check character.
//!
//! Owns the check character (ISO 7064 MOD 11-2). Called by `people`, whose invented numbers must
//! pass the test that every mini-program makes, and free for anyone who is given a typed number.
//! It says nothing of whether a region or a date exists.

/// Factors of the 17 digits, from the left: powers of two modulo 11 (ISO 7064).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// The check characters by the remainder of the weighted sum modulo 11.
const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// The check character that belongs behind these 17 digits; `None` unless they are 17 digits.
pub fn check_digit(digits: &str) -> Option<char> {
    if digits.len() != WEIGHTS.len() {
        return None;
    }
    let mut sum = 0;
    for (digit, weight) in digits.chars().zip(WEIGHTS) {
        sum += digit.to_digit(10)? * weight;
    }
    CHECKS.get(sum as usize % CHECKS.len()).copied()
}

/// Whether this is a number of 18 characters whose last is the right check character.
///
/// The check character X is a capital, as the standard prints it; full-width digits are not digits.
pub fn is_valid(number: &str) -> bool {
    let mut characters = number.chars();
    match characters.next_back() {
        Some(check) => check_digit(characters.as_str()) == Some(check),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_specimen_of_the_standard_is_valid() {
        assert_eq!(check_digit("11010519491231002"), Some('X'));
        assert!(is_valid("11010519491231002X"));
    }

    #[test]
    fn what_is_no_number_is_not_valid() {
        for number in [
            "",
            "X",
            "11010519491231002x",
            "110105194912310021",
            "11010519491231002",
            "11010519491231002X0",
            "1101051949123100２X",
            "1101051949123100 2X",
            "张三",
        ] {
            assert!(!is_valid(number), "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_number_with_its_check_character_is_valid(digits in "[0-9]{17}") {
            let check = check_digit(&digits).expect("17 digits");
            let number = format!("{digits}{check}");
            prop_assert!(is_valid(&number));
        }

        // MOD 11-2 promises to catch every single wrong digit: that is what it is for.
        #[test]
        fn one_wrong_digit_is_always_noticed(
            digits in "[0-9]{17}", place in 0usize..17, by in 1u32..10,
        ) {
            let check = check_digit(&digits).expect("17 digits");
            let wrong: String = digits
                .chars()
                .enumerate()
                .map(|(at, digit)| {
                    let value = digit.to_digit(10).expect("a digit");
                    let value = if at == place { (value + by) % 10 } else { value };
                    char::from_digit(value, 10).expect("a digit")
                })
                .collect();
            let number = format!("{wrong}{check}");
            prop_assert!(!is_valid(&number));
        }

        #[test]
        fn any_text_gets_an_answer(text in ".*") {
            let _ = is_valid(&text);
            let _ = check_digit(&text);
        }
    }
}
