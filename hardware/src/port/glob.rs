//! Patterns over names: `*` stands for any characters, also none, `?` for exactly one; everything
//! else, upper and lower case too, for itself. Readers of PC/SC and input devices are chosen so.

/// Whether the pattern means this whole name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    tried_from_the_left(&pattern, &name)
}

/// Tries the pattern from the left. Where it fails, the last `*` takes one character more: an
/// earlier one need not be tried again, because whatever it could take the last one can as well.
fn tried_from_the_left(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while let Some(character) = name.get(from) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((of_star, taken)) = star else { return false };
                star = Some((of_star, taken + 1));
                at = of_star + 1;
                from = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}
