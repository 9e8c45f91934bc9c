//! Notifications of v1 and v2c: who knows the community is let in.

use super::{Acceptor, Ack, Incoming, Notification, Reason, Refused, parted};
use async_snmp::message::{CommunityMessage, CommunityPdu};
use async_snmp::pdu::{GenericTrap, Pdu, PduType, ResponsePdu, TrapV1Pdu};
use async_snmp::{Community, DecodeConfig, Version};
use bytes::Bytes;
use std::net::Ipv4Addr;

impl Acceptor {
    /// Judges a message of v1 or v2c.
    pub(super) fn take_community(&self, datagram: &Bytes) -> Result<Incoming, Refused> {
        let decoded = CommunityMessage::decode(datagram.clone(), DecodeConfig::STRICT);
        let (version, community, pdu) = decoded.map_err(|_| Reason::Malformed)?.value.into_parts();
        if !self.keyring.communities.iter().any(|known| community.matches(known.reveal())) {
            return Err(Reason::WrongCommunity.into());
        }
        let fingerprint = self.fingerprint(version, b"", datagram);
        let (notification, ack) = match pdu {
            CommunityPdu::TrapV1(trap) => (translated(&trap).ok_or(Reason::Malformed)?, None),
            CommunityPdu::Standard(pdu) if pdu.pdu_type() == PduType::TrapV2 => (said(pdu)?, None),
            CommunityPdu::Standard(pdu) if pdu.pdu_type() == PduType::InformRequest => {
                let ack = acknowledgement(&community, &pdu).ok_or(Reason::Malformed)?;
                (said(pdu)?, Some(Ack::Community(ack)))
            }
            CommunityPdu::Standard(_) => return Err(Reason::NotANotification.into()),
        };
        Ok(Incoming { notification, fingerprint, engine: None, ack })
    }
}

fn said(pdu: Pdu) -> Result<Notification, Reason> {
    parted(Version::V2c, pdu.into_varbinds()).ok_or(Reason::Malformed)
}

fn acknowledgement(community: &Community, pdu: &Pdu) -> Option<Vec<u8>> {
    let response = ResponsePdu::success(Version::V2c, pdu.request_id(), pdu.varbinds().to_vec()).ok()?;
    let message = CommunityMessage::v2c(community.clone(), response.as_raw().clone()).ok()?;
    Some(message.encode().ok()?.to_vec())
}

/// RFC 3584 §3.1. A generic trap that RFC 1157 does not know has no translation.
fn translated(trap: &TrapV1Pdu) -> Option<Notification> {
    if matches!(trap.generic_trap(), GenericTrap::Unknown(_)) {
        return None;
    }
    let agent = Ipv4Addr::from(trap.agent_addr());
    Some(Notification {
        version: Version::V1,
        oid: trap.v2_trap_oid().ok()?,
        uptime: trap.time_stamp(),
        varbinds: trap.varbinds().to_vec(),
        agent: (!agent.is_unspecified()).then_some(agent),
    })
}
