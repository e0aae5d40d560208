//! What the unit tests of all params types begin with.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::failure::{Failure, Kind};
use crate::frame::params;

/// Params that must be taken.
pub(crate) fn accepted<P: DeserializeOwned>(json: &str) -> P {
    match read(json) {
        Ok(params) => params,
        Err(failure) => panic!("{json} was refused: {failure}"),
    }
}

/// Params that must be refused as `bad_request`; gives the detail.
pub(crate) fn refused<P: DeserializeOwned>(json: &str) -> String {
    match read::<P>(json) {
        Err(Failure::Error { kind: Kind::BadRequest, detail, .. }) => detail,
        Err(failure) => panic!("{json} was refused otherwise: {failure}"),
        Ok(_) => panic!("{json} was taken"),
    }
}

fn read<P: DeserializeOwned>(json: &str) -> Result<P, Failure> {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    params(Some(raw))
}
