//! What programs ask of chip cards and their readers, and the hands that work simulated ones.

use serde_json::{Value, json};

use super::client::{Client, action, call};
use super::pause;

/// The reader of CPU cards, simulated.
pub(super) const CPU_CARD: &str = "[cpu_card]\ndriver = \"simulated\"\n";

/// The slots of PSAMs, simulated, with a card in each.
pub(super) const PSAM: &str = "[psam]\ndriver = \"simulated\"\n";

/// The reader of social-security cards, simulated.
pub(super) const SOCIAL_SECURITY: &str = "[social_security_card]\ndriver = \"simulated\"\n";

/// The beeper, simulated.
pub(super) const BUZZER: &str = "[buzzer]\ndriver = \"simulated\"\n";

/// SELECT of the transport application by its name, and of the directory of applications.
pub(super) const SELECT_TRANSPORT: &str = "00A4040008A000000632010105";
pub(super) const SELECT_DIRECTORY: &str = "00A404000E315041592E5359532E444446303100";

/// READ BINARY of the transport application's public file, and the start of what it says.
pub(super) const READ_PUBLIC: &str = "00B095001E";

/// READ BINARY of a PSAM's terminal number.
pub(super) const READ_TERMINAL: &str = "00B0960006";

/// An action with params.
pub(super) fn with(name: &str, task: impl Into<Value>, params: Value) -> Value {
    let mut frame = action(name, task);
    frame["params"] = params;
    frame
}

/// `readOnceCPUCardInfo`.
pub(super) fn read_once(task: impl Into<Value>) -> Value {
    action("readOnceCPUCardInfo", task)
}

/// `sendCPUCardCommand` to the CPU card.
pub(super) fn command(task: impl Into<Value>, apdu: &str) -> Value {
    with("sendCPUCardCommand", task, json!({"commandApdu": apdu, "type": 1}))
}

/// `sendCPUCardApduCommands` to the CPU card.
pub(super) fn batch(task: impl Into<Value>, apdus: &[&str]) -> Value {
    with("sendCPUCardApduCommands", task, json!({"commandApdus": apdus, "type": 1}))
}

/// `sendCPUCardCommand` to the PSAM in this slot, 1 or 2.
pub(super) fn sam_command(task: impl Into<Value>, slot: u8, apdu: &str) -> Value {
    with("sendCPUCardCommand", task, json!({"commandApdu": apdu, "type": 2, "slot": slot}))
}

/// `psamCardColdReset` of this slot, 1 or 2.
pub(super) fn cold_reset(task: impl Into<Value>, slot: u8) -> Value {
    with("psamCardColdReset", task, json!({"slot": slot}))
}

/// `startCPUCardLoopRead`.
pub(super) fn poll(task: impl Into<Value>, interval: u32, absence: bool) -> Value {
    let params = json!({"intervalTime": interval, "isComeBackFailed": absence});
    with("startCPUCardLoopRead", task, params)
}

/// `getSocialSecurityCardInfo`.
pub(super) fn social_security(task: impl Into<Value>) -> Value {
    action("getSocialSecurityCardInfo", task)
}

impl Client {
    /// Asks for something that is answered by one text, hex or a code, and gives it.
    pub(super) async fn text(&mut self, frame: Value) -> String {
        self.send(frame).await;
        let reply = self.succeeds().await;
        let data = &reply["data"];
        let text = data["nfc_cardInfo"].as_str().or_else(|| data["nfc_resultInfo"].as_str());
        text.unwrap_or_else(|| panic!("no text: {reply}")).to_owned()
    }

    /// The same, which has to be this.
    pub(super) async fn says(&mut self, frame: Value, expected: &str) {
        let text = self.text(frame.clone()).await;
        assert_eq!(text, expected, "{frame}");
    }

    /// The same of hex that has to end so: in a status word.
    pub(super) async fn says_at_last(&mut self, frame: Value, expected: &str) {
        let text = self.text(frame.clone()).await;
        assert!(text.ends_with(expected), "{frame}: {text}");
    }

    /// Sends a batch that has to end with this message and so many results.
    pub(super) async fn batch_ends(&mut self, frame: Value, message: &str, results: usize) {
        let reply = self.ask(frame).await;
        let count = reply["data"]["nfc_commandResults"].as_array().map(Vec::len);
        assert_eq!((&reply["message"], count), (&json!(message), Some(results)), "{reply}");
    }

    /// The next frame, which has to be a polling's event with this code.
    pub(super) async fn hears_card(&mut self, code: i32) -> Value {
        let event = self.hears("CPUCardListener").await;
        assert_eq!(event["data"]["code"], code, "{event}");
        event
    }
}

/// A hand at a simulated reader: a client of its own, and a person who pauses before each gesture and
/// after it.
pub(super) struct Hand {
    client: Client,
    device: &'static str,
}

impl Hand {
    /// A hand at this device.
    pub(super) fn at(device: &'static str, client: Client) -> Self {
        Self { client, device }
    }

    /// Goes over to another device.
    pub(super) fn over_to(&mut self, device: &'static str) -> &mut Self {
        self.device = device;
        self
    }

    /// Puts a card in: one of the virtual ones by its name, a described one, or `null` for the
    /// device's usual one.
    pub(super) async fn put(&mut self, card: impl Into<Value>) {
        self.gesture(json!({"do": "put", "card": card.into()})).await;
    }

    /// Takes the card out.
    pub(super) async fn lift(&mut self) {
        self.gesture(json!({"do": "lift"})).await;
    }

    /// Breaks something, or mends it (`none`).
    pub(super) async fn fault(&mut self, fault: &str) {
        self.gesture(json!({"do": "fault", "fault": fault})).await;
    }

    /// A gesture in the second slot.
    pub(super) async fn in_second_slot(&mut self, verb: &str) {
        self.gesture(json!({"do": verb, "slot": 2})).await;
    }

    /// Goes away.
    pub(super) async fn leave(self) {
        self.client.leave().await;
    }

    async fn gesture(&mut self, mut params: Value) {
        pause().await;
        params["device"] = json!(self.device);
        let reply = self.client.ask(call("bridge.simulate", &params)).await;
        assert_eq!(reply["res"]["success"], true, "{reply}");
        pause().await;
    }
}
