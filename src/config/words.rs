//! Values that are one of a few words: drivers, encodings, levels.
//!
//! `words!` makes an enum whose variants know their word; `drivers!` adds what every driver list
//! has, `none` and `simulated`. The rule `one_of` reads them, so that the words which a mistake
//! calls allowed are the words that are allowed.

/// The word for "this kiosk has no such device".
pub(super) const NONE: &str = "none";

/// The word for the device's virtual far end instead of hardware.
pub(super) const SIMULATED: &str = "simulated";

/// A value that is written as one of a few words.
pub trait Word: Copy + 'static {
    /// Every value, in the order in which the words are listed.
    const ALL: &'static [Self];

    /// The word that stands in the file.
    fn word(self) -> &'static str;
}

/// What all driver choices have in common.
pub trait Driver {
    /// Whether the kiosk has no such device.
    fn is_none(&self) -> bool;

    /// Whether the device's virtual far end stands in for the hardware.
    fn is_simulated(&self) -> bool;

    /// Puts the virtual far end in the place of whatever was chosen.
    fn simulate(&mut self);
}

/// Makes an enum of words.
macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $word:expr,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $crate::config::words::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

/// Makes the enum of one device's drivers.
macro_rules! drivers {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)*
    }) => {
        $crate::config::words::words! {
            $(#[doc = $about])+
            $name {
                /// The kiosk has no such device.
                None = $crate::config::words::NONE,
                /// The driver runs against its virtual far end.
                Simulated = $crate::config::words::SIMULATED,
                $($(#[doc = $doc])+ $variant = $word,)*
            }
        }

        impl $crate::config::words::Driver for $name {
            fn is_none(&self) -> bool {
                *self == Self::None
            }

            fn is_simulated(&self) -> bool {
                *self == Self::Simulated
            }

            fn simulate(&mut self) {
                *self = Self::Simulated;
            }
        }
    };
}

pub(super) use {drivers, words};
