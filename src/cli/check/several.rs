//! What `hharome check` says of a device that is one of several which the configuration could mean.

use crate::devices::places::Meant;

/// A sentence for each name that is true of several devices.
pub(super) fn words(meant: &[Meant]) -> Vec<String> {
    meant.iter().filter_map(sentence).collect()
}

fn sentence(Meant { named, found }: &Meant) -> Option<String> {
    let [taken, also @ ..] = found.as_slice() else { return None };
    if also.is_empty() {
        return None;
    }
    let what = match named {
        Some(named) => format!("{named:?} is true of several"),
        None => "no device is named, and there are several".to_owned(),
    };
    let also = also.join(", ");
    Some(format!(
        "{what}: {taken} (this one is taken), {also}; name one of them, by its path if they are alike"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(named: Option<&str>, found: &[&str]) -> Meant {
        let found = found.iter().map(|found| (*found).to_owned()).collect();
        Meant { named: named.map(str::to_owned), found }
    }

    #[test]
    fn a_name_of_several_devices_names_all_and_the_one_taken() {
        let touch =
            meant(Some("*Touch*"), &["A (/dev/input/event1)", "B (/dev/input/event2)", "C"]);
        assert_eq!(
            words(&[touch]),
            ["\"*Touch*\" is true of several: A (/dev/input/event1) (this one is taken), \
                 B (/dev/input/event2), C; name one of them, by its path if they are alike"]
        );
        let any = words(&[meant(None, &["A", "B"])]);
        assert!(
            any[0].starts_with("no device is named, and there are several: A (this"),
            "{any:?}"
        );
    }

    #[test]
    fn one_device_or_none_is_no_mistake() {
        assert_eq!(words(&[meant(Some("*"), &["A"]), meant(None, &[])]), [""; 0]);
    }
}
