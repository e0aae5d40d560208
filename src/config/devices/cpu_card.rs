//! The reader of CPU cards, and the PSAM slots.

use std::time::Duration;

use crate::config::rule::{
    ApduPattern, apdu_patterns, card_patterns, limit, name, one_of, optional, slot_patterns, switch,
};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of the CPU card reader.
    CpuCardDriver {
        /// A contactless reader of PC/SC.
        Pcsc = "pcsc",
    }
}

section! {
    /// The contactless reader of CPU cards.
    CpuCard {
        /// What drives it.
        driver: CpuCardDriver = CpuCardDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, a pattern with * and ? over the names of PC/SC. Of several that match the
        /// first in name order is taken. Left out: any reader but SAM slots, which have SAM in their
        /// names.
        reader: Option<String> = None;
        "reader", Example(r#""*R502 Contactless*""#),
        optional(name("a pattern such as *R502 Contactless*")), Restart;
        /// How long a card stays powered after the last command of the program that uses it. Then
        /// what was opened on it is closed.
        session_idle: Option<Duration> = Some(Duration::from_secs(60));
        "session_idle_ms", Default("60000"), limit(), Restart;
        /// Whether programs may send commands (APDUs) of their own to the card; else those answer
        /// `forbidden`. Cards are found and powered up all the same.
        raw_apdus: bool = true;
        "raw_apdus", Default("true"), switch(), Restart;
        /// Commands that are refused with `forbidden`, by their class and instruction (CLA and INS,
        /// ISO/IEC 7816-4), before anything is sent. They are compared as they stand: a class has
        /// bits for logical channels, chaining and secure messaging, so write ? where those may
        /// differ ("?? D4" is D4 of any class). A command inside another (ENVELOPE, C2; commands to
        /// the reader, class FF) is not looked for.
        denied_apdus: Vec<ApduPattern> = Vec::new();
        "denied_apdus", Default("[]"), card_patterns(), Restart;
    }
}

drivers! {
    /// The drivers of the PSAM slots.
    PsamDriver {
        /// SAM slots of PC/SC readers.
        Pcsc = "pcsc",
    }
}

section! {
    /// The slots of the PSAM cards.
    Psam {
        /// What drives them.
        driver: PsamDriver = PsamDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which PC/SC readers are slot 1 and slot 2, patterns as in `[cpu_card]`; required with
        /// pcsc. Names end in the numbers of reader and slot.
        slots: Vec<String> = Vec::new();
        "slots", Example(r#"["*SAM* 00", "*SAM* 01"]"#), slot_patterns(), Restart;
        /// How long a PSAM stays powered after the last command of the program that uses it.
        session_idle: Option<Duration> = Some(Duration::from_secs(60));
        "session_idle_ms", Default("60000"), limit(), Restart;
        /// Whether programs may send commands (APDUs) of their own to a PSAM; else those answer
        /// `forbidden`.
        raw_apdus: bool = true;
        "raw_apdus", Default("true"), switch(), Restart;
        /// Commands that are refused with `forbidden`, as in `[cpu_card]`, for both slots or one. The
        /// default is writing keys: WRITE KEY (INS D4) of PBOC and transport PSAMs, of any class. A
        /// list given here takes its place; [] denies nothing.
        denied_apdus: Vec<ApduPattern> = vec![ApduPattern::WRITE_KEY];
        "denied_apdus", Default(r#"["?? D4"]"#), apdu_patterns(), Restart;
    }
}
