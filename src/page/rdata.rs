//! x
use super::record::RecordType;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RdataRefusal {
    #[error("x")]
    X,
}
pub fn check(_rtype: RecordType, _rdata: &[u8]) -> Result<(), RdataRefusal> {
    Ok(())
}
