//! The second screen, turned to the customer.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::action::{Action, Empty, Nature, NoParams};
use crate::picture::Picture;

/// `openSecondaryScreen`: shows a picture.
pub struct OpenSecondaryScreen;

/// `closeSecondaryScreen`: takes it away.
pub struct CloseSecondaryScreen;

/// `getSecondaryScreenState`: whether one is shown.
pub struct GetSecondaryScreenState;

/// What to show.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenParams {
    /// `secondaryScreenBase64`, required. Not decoded yet.
    #[serde(rename = "secondaryScreenBase64")]
    pub picture: Picture,
}

/// The data of `getSecondaryScreenState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenState {
    /// 1
    Shown,
    /// 0
    Closed,
    /// -1: there is no second screen.
    Missing,
}

impl Action for OpenSecondaryScreen {
    const NAME: &'static str = "openSecondaryScreen";
    const NATURE: Nature = Nature::Act;
    type Params = ScreenParams;
    type Data = Empty;
}

impl Action for CloseSecondaryScreen {
    const NAME: &'static str = "closeSecondaryScreen";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Action for GetSecondaryScreenState {
    const NAME: &'static str = "getSecondaryScreenState";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = ScreenState;
}

impl Serialize for ScreenState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code: i8 = match self {
            Self::Shown => 1,
            Self::Closed => 0,
            Self::Missing => -1,
        };
        let mut data = serializer.serialize_struct("ScreenState", 1)?;
        data.serialize_field("getSecondaryScreenState", &code)?;
        data.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn the_picture_is_required() {
        let params: ScreenParams = accepted(r#"{"secondaryScreenBase64":"AQID"}"#);
        assert_eq!(params.picture.decode("secondaryScreenBase64").unwrap(), [1, 2, 3]);
        assert_eq!(refused::<ScreenParams>("{}"), "params: missing field `secondaryScreenBase64`");
        refused::<ScreenParams>(r#"{"secondaryScreenBase64":null}"#);
        refused::<ScreenParams>(r#"["AQID"]"#);
    }

    #[test]
    fn the_state_is_a_number() {
        for (state, code) in
            [(ScreenState::Shown, 1), (ScreenState::Closed, 0), (ScreenState::Missing, -1)]
        {
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!(r#"{{"getSecondaryScreenState":{code}}}"#)
            );
        }
    }
}
