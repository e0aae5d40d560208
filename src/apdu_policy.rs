//! Which commands the operator lets programs send to cards: the keys `raw_apdus` and `denied_apdus`
//! of `[cpu_card]` and `[psam]`.
//!
//! The actions that carry commands ask before anything is sent; a batch is refused as a whole if one
//! of its commands is. What is refused answers `forbidden` and is logged, by class and instruction
//! only: what a command carries is a customer's business. Commands are compared as they stand. A
//! class byte has bits for logical channels, chaining and secure messaging (ISO/IEC 7816-4, 5.4.1);
//! patterns have `?` for those.

use hharome_protocol::cpu_card::Target;

use crate::config::{ApduPattern, Config};

/// What may be sent to whom.
#[derive(Clone, Debug)]
pub struct ApduPolicy {
    cpu_card: Rules,
    psam: Rules,
}

#[derive(Clone, Debug)]
struct Rules {
    section: &'static str,
    raw: bool,
    denied: Vec<ApduPattern>,
}

/// Why a command is not sent. Displays the rule, and of the command its class and instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No commands are passed on to such cards at all.
    #[error("[{section}] raw_apdus is false: no command of a program is sent")]
    Raw {
        /// The section of the configuration.
        section: &'static str,
    },
    /// This one is on the list.
    #[error(
        "[{section}] denied_apdus has {pattern}: command {class:02X} {instruction:02X} is not sent"
    )]
    Listed {
        /// The section of the configuration.
        section: &'static str,
        /// The pattern that matches.
        pattern: ApduPattern,
        /// The command's class, CLA.
        class: u8,
        /// The command's instruction, INS.
        instruction: u8,
    },
    /// It has no class and instruction by which it could be judged.
    #[error("a command without class and instruction is not sent")]
    NoCommand,
}

impl ApduPolicy {
    /// The policy of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (card, psam) = (&config.cpu_card, &config.psam);
        Self {
            cpu_card: Rules {
                section: "cpu_card",
                raw: card.raw_apdus,
                denied: card.denied_apdus.clone(),
            },
            psam: Rules { section: "psam", raw: psam.raw_apdus, denied: psam.denied_apdus.clone() },
        }
    }

    /// Whether this command may be sent there.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn allows(&self, target: Target, apdu: &[u8]) -> Result<(), Denied> {
        let (rules, slot) = match target {
            Target::CpuCard => (&self.cpu_card, None),
            Target::Psam(slot) => (&self.psam, Some(slot.number())),
        };
        let section = rules.section;
        if !rules.raw {
            return Err(Denied::Raw { section });
        }
        let &[class, instruction, ..] = apdu else {
            return Err(Denied::NoCommand);
        };
        let listed = rules.denied.iter().find(|rule| rule.matches(class, instruction, slot));
        listed
            .map_or(Ok(()), |&pattern| Err(Denied::Listed { section, pattern, class, instruction }))
    }
}

#[cfg(test)]
mod tests {
    use hharome_protocol::cpu_card::Slot;

    use super::*;

    const SAM1: Target = Target::Psam(Slot::Sam1);
    const SAM2: Target = Target::Psam(Slot::Sam2);

    fn policy(text: &str) -> ApduPolicy {
        ApduPolicy::of(&Config::parse(text, "t.toml").unwrap())
    }

    #[track_caller]
    fn check(policy: &ApduPolicy, target: Target, apdu: &[u8], allowed: bool) {
        assert_eq!(policy.allows(target, apdu).is_ok(), allowed, "{target:?} {apdu:02X?}");
    }

    #[test]
    fn keys_cannot_be_written_on_a_psam_unless_the_operator_says_so() {
        let default = policy("");
        for class in [0x00, 0x80, 0x84, 0x94, 0xFF] {
            for target in [SAM1, SAM2] {
                check(&default, target, &[class, 0xD4, 0x01, 0x00, 0x15], false);
            }
            check(&default, Target::CpuCard, &[class, 0xD4, 0x01, 0x00, 0x15], true);
        }
        check(&default, SAM1, &[0x80, 0xFA, 0x00, 0x00], true);
        check(&default, SAM1, &[0xD4, 0x00, 0x00, 0x00], true);
        let open = policy("[psam]\ndenied_apdus = []\n");
        check(&open, SAM1, &[0x80, 0xD4, 0x01, 0x00], true);
    }

    #[test]
    fn a_pattern_may_be_for_one_slot() {
        let policy = policy("[psam]\ndenied_apdus = [\"84 D4 @2\", \"8? 5? @1\"]\n");
        check(&policy, SAM1, &[0x84, 0xD4, 0, 0], true);
        check(&policy, SAM2, &[0x84, 0xD4, 0, 0], false);
        check(&policy, SAM2, &[0x80, 0xD4, 0, 0], true);
        check(&policy, SAM1, &[0x8C, 0x5F, 0, 0], false);
        check(&policy, SAM1, &[0x9C, 0x5F, 0, 0], true);
        check(&policy, SAM2, &[0x8C, 0x5F, 0, 0], true);
    }

    #[test]
    fn raw_commands_can_be_switched_off_for_each_kind_of_card() {
        let policy = policy("[cpu_card]\nraw_apdus = false\n");
        check(&policy, Target::CpuCard, &[0x00, 0x84, 0x00, 0x00, 0x08], false);
        check(&policy, SAM1, &[0x00, 0x84, 0x00, 0x00, 0x08], true);
    }

    #[test]
    fn what_is_no_command_is_not_sent() {
        let policy = policy("");
        check(&policy, SAM1, &[], false);
        check(&policy, Target::CpuCard, &[0x00], false);
    }

    #[test]
    fn a_refusal_tells_the_rule_and_not_the_data() {
        let denied = policy("").allows(SAM2, &[0x84, 0xD4, 0x01, 0x02, 0x04, 0xAA, 0xBB]);
        assert_eq!(
            denied.unwrap_err().to_string(),
            "[psam] denied_apdus has ?? D4: command 84 D4 is not sent"
        );
        let denied = policy("[psam]\nraw_apdus = false\n").allows(SAM1, &[0x84, 0xD4, 1, 2]);
        let words = "[psam] raw_apdus is false: no command of a program is sent";
        assert_eq!(denied.unwrap_err().to_string(), words);
    }
}
