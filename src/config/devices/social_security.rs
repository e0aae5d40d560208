//! The reader of social-security cards.

use crate::config::rule::{name, one_of, optional};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of the social-security card reader.
    SocialSecurityCardDriver {
        /// A contact reader of PC/SC.
        Pcsc = "pcsc",
    }
}

section! {
    /// The reader of social-security cards.
    SocialSecurityCard {
        /// What drives it.
        driver: SocialSecurityCardDriver = SocialSecurityCardDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, a pattern as in `[cpu_card]`. Left out: any reader but SAM slots.
        reader: Option<String> = None;
        "reader", Example(r#""*R502 Contact Reader*""#),
        optional(name("a pattern such as *R502 Contact Reader*")), Restart;
    }
}
