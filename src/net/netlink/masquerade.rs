//! Masquerading of what leaves by an interface: a table of nf_tables(8) of our own, by netlink, so that no program of
//! nftables is needed.
//!
//! Layouts and numbers are those of `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`; numbers in
//! attributes are in network order. A batch is carried out as a whole or not at all.

use super::message::Message;
use super::{NLM_F_ACK, NLM_F_CREATE, Netlink};
use crate::error::{Context, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, netlink};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
const NEWTABLE: u16 = SUBSYSTEM << 8;
const DELTABLE: u16 = SUBSYSTEM << 8 | 2;
const NEWCHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEWRULE: u16 = SUBSYSTEM << 8 | 6;
const NLM_F_APPEND: u16 = 0x800;
/// Both families in one table (NFPROTO_INET).
const INET: u8 = 1;

const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const POST_ROUTING: u32 = 4;
/// NF_IP_PRI_NAT_SRC.
const SOURCE_NAT: u32 = 100;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const META_REGISTER: u16 = 1;
const META_KEY: u16 = 2;
const OUTGOING_NAME: u32 = 7;
const COMPARE_REGISTER: u16 = 1;
const COMPARE_OPERATION: u16 = 2;
const COMPARE_DATA: u16 = 3;
const DATA_VALUE: u16 = 1;
const EQUAL: u32 = 0;
/// NFT_REG_1.
const REGISTER: u32 = 1;
/// IFNAMSIZ: names are compared with their padding.
const NAME_SIZE: usize = 16;
const CHAIN: &str = "out";

/// Gives all that leaves the present network namespace by `interface` that interface's own address, and the answers
/// back to whom they are for. What was set for it before is replaced.
///
/// # Errors
/// ENOENT or EOPNOTSUPP where the kernel has no nf_tables or no NAT.
pub fn masquerade(interface: &str) -> Result<()> {
    let mut netlink = open()?;
    let table = |kind, flags| {
        let mut message = message(kind, flags, INET, 0);
        message.text(TABLE_NAME, interface);
        message
    };
    let mut chain = message(NEWCHAIN, NLM_F_CREATE, INET, 0);
    chain.text(CHAIN_TABLE, interface);
    chain.text(CHAIN_NAME, CHAIN);
    chain.nested(CHAIN_HOOK, |m| {
        m.attribute(HOOK_NUMBER, &POST_ROUTING.to_be_bytes());
        m.attribute(HOOK_PRIORITY, &SOURCE_NAT.to_be_bytes());
    });
    chain.text(CHAIN_TYPE, "nat");
    // Adding it first makes its removal one that can't fail.
    let batch =
        [table(NEWTABLE, NLM_F_CREATE), table(DELTABLE, 0), table(NEWTABLE, NLM_F_CREATE), chain, rule(interface)];
    netlink.batch(batch.into()).context("masquerade what leaves a network")
}

/// Takes back [`masquerade`]; ENOENT where there is nothing of it.
pub fn unmasquerade(interface: &str) -> Result<()> {
    let mut message = message(DELTABLE, NLM_F_ACK, INET, 0);
    message.text(TABLE_NAME, interface);
    open()?.batch(vec![message]).context("end masquerading")
}

fn rule(interface: &str) -> Message {
    let mut name = interface.as_bytes().to_vec();
    name.resize(NAME_SIZE, 0);
    let mut rule = message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, INET, 0);
    rule.text(RULE_TABLE, interface);
    rule.text(RULE_CHAIN, CHAIN);
    rule.nested(RULE_EXPRESSIONS, |rule| {
        expression(rule, "meta", |m| {
            m.attribute(META_REGISTER, &REGISTER.to_be_bytes());
            m.attribute(META_KEY, &OUTGOING_NAME.to_be_bytes());
        });
        expression(rule, "cmp", |m| {
            m.attribute(COMPARE_REGISTER, &REGISTER.to_be_bytes());
            m.attribute(COMPARE_OPERATION, &EQUAL.to_be_bytes());
            m.nested(COMPARE_DATA, |m| m.attribute(DATA_VALUE, &name));
        });
        expression(rule, "masq", |_| {});
    });
    rule
}

fn expression(rule: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    rule.nested(LIST_ELEMENT, |element| {
        element.text(EXPRESSION_NAME, name);
        element.nested(EXPRESSION_DATA, fill);
    });
}

/// A message with its `struct nfgenmsg`.
fn message(kind: u16, flags: u16, family: u8, subsystem: u16) -> Message {
    let mut message = Message::new(kind, flags);
    message.put(&[family, 0]);
    message.put(&subsystem.to_be_bytes());
    message
}

fn open() -> Result<Netlink> {
    let what = "open a socket to the packet filter";
    let kind = SocketType::RAW;
    let fd = rustix::net::socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, Some(netlink::NETFILTER))
        .context(what)?;
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0)).context(what)?;
    Ok(Netlink { fd, sequence: 0 })
}

impl Netlink {
    /// Has messages carried out together; the last of them asks for an acknowledgement.
    fn batch(&mut self, messages: Vec<Message>) -> Result<()> {
        self.sequence += 1;
        let ends = [BATCH_BEGIN, BATCH_END].map(|kind| message(kind, 0, 0, SUBSYSTEM).finish(self.sequence));
        let [begin, end] = ends;
        let inner = messages.into_iter().flat_map(|m| m.finish(self.sequence));
        let bytes: Vec<u8> = begin.into_iter().chain(inner).chain(end).collect();
        rustix::net::sendto(&self.fd, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
            .context("send to the packet filter")?;
        self.answers().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_its_interface() {
        let bytes = rule("tap-0123456789a").finish(7);
        assert_eq!(u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len());
        assert_eq!((bytes[4], bytes[5], bytes[16]), (6, 10, INET));
        let padded = bytes.windows(NAME_SIZE).filter(|w| *w == b"tap-0123456789a\0").count();
        // The table's name, and what is compared.
        assert_eq!(padded, 2);
        for name in ["meta", "cmp", "masq"] {
            assert!(bytes.windows(name.len()).any(|w| w == name.as_bytes()), "{name}");
        }
    }
}
