//! What an agent answers to a request, by the standards but for the one misbehaviour that changes which name comes next.

use crate::device::Device;
use crate::fault::Misbehaviour;
use crate::message::{Ask, NO_SUCH_NAME, Reply, Request, TOO_BIG, V1, put_varbind};
use crate::value::{Oid, Value};

/// The answer; `None` where an agent does not answer (GETBULK in version 1, and what is no question).
pub fn respond(
    device: &Device,
    request: &Request,
    max_reply: usize,
    fault: Option<Misbehaviour>,
) -> Option<Reply> {
    let question = Question { device, request, fault, max_reply };
    match request.ask {
        Ask::Get => Some(question.each(|name| question.get(name))),
        Ask::GetNext => Some(question.each(|name| question.next(name))),
        Ask::GetBulk if request.version != V1 => Some(question.bulk()),
        Ask::GetBulk | Ask::Other => None,
    }
}

struct Question<'a> {
    device: &'a Device,
    request: &'a Request,
    fault: Option<Misbehaviour>,
    max_reply: usize,
}

impl Question<'_> {
    fn is_v1(&self) -> bool {
        self.request.version == V1
    }

    /// One varbind for each name.
    fn each(&self, answer: impl Fn(&Oid) -> (Oid, Value)) -> Reply {
        let mut reply = Reply::to(self.request);
        let mut bytes = Vec::new();
        for (name, index) in self.request.names.iter().zip(1..) {
            let (name, value) = answer(name);
            let is_missing =
                matches!(value, Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView);
            if self.is_v1() && (is_missing || matches!(value, Value::Counter64(_))) {
                return self.error(NO_SUCH_NAME, index);
            }
            put_varbind(&mut bytes, &name, &value);
            reply.varbinds.push((name, value));
        }
        if reply.size_with(bytes.len()) > self.max_reply { self.error(TOO_BIG, 0) } else { reply }
    }

    fn bulk(&self) -> Reply {
        let mut reply = Reply::to(self.request);
        let names = &self.request.names;
        let single = usize::try_from(self.request.non_repeaters).unwrap_or_default().min(names.len());
        let (once, repeated) = names.split_at(single);
        let mut bytes = Vec::new();
        let mut add = |reply: &mut Reply, (name, value): (Oid, Value)| {
            let before = bytes.len();
            put_varbind(&mut bytes, &name, &value);
            let fits = reply.size_with(bytes.len()) <= self.max_reply;
            if fits {
                reply.varbinds.push((name, value));
            } else {
                bytes.truncate(before);
            }
            fits
        };
        let is_whole = once.iter().all(|name| add(&mut reply, self.next(name)));
        let mut last = repeated.to_vec();
        let mut repetitions = if is_whole && !repeated.is_empty() { self.request.max_repetitions } else { 0 };
        'rows: while repetitions > 0 {
            repetitions -= 1;
            let mut has_more = false;
            for name in &mut last {
                let found = self.next(name);
                has_more |= found.1 != Value::EndOfMibView;
                *name = found.0.clone();
                if !add(&mut reply, found) {
                    break 'rows;
                }
            }
            if !has_more {
                break;
            }
        }
        let wanted = single + usize::from(self.request.max_repetitions > 0) * repeated.len();
        if reply.varbinds.is_empty() && wanted > 0 { self.error(TOO_BIG, 0) } else { reply }
    }

    fn get(&self, name: &Oid) -> (Oid, Value) {
        let missing =
            if self.device.mib().has_object_of(name) { Value::NoSuchInstance } else { Value::NoSuchObject };
        (name.clone(), self.device.get(name).unwrap_or(missing))
    }

    fn next(&self, name: &Oid) -> (Oid, Value) {
        self.next_of_fault(name)
            .or_else(|| self.device.next(name, self.is_v1()))
            .unwrap_or_else(|| (name.clone(), Value::EndOfMibView))
    }

    fn next_of_fault(&self, name: &Oid) -> Option<(Oid, Value)> {
        match self.fault? {
            Misbehaviour::NotIncreasing => Some((name.clone(), self.device.get(name)?)),
            Misbehaviour::Circular => {
                let (first, last) = self.device.mib().column_of(name)?;
                if name == last { Some((first.clone(), self.device.get(first)?)) } else { None }
            }
            Misbehaviour::Endless => {
                let (_, last) = self.device.mib().column_of(name)?;
                let (row, column) = name.split_last().filter(|_| name >= last)?;
                let made_up: Vec<u32> = column.iter().copied().chain([row.checked_add(1)?]).collect();
                Some((made_up.into(), self.device.get(last)?))
            }
            _ => None,
        }
    }

    fn error(&self, status: i32, index: i32) -> Reply {
        let mut reply = Reply::to(self.request);
        (reply.status, reply.index) = (status, index);
        if self.is_v1() || status != TOO_BIG {
            reply.varbinds = self.request.names.iter().map(|name| (name.clone(), Value::Null)).collect();
        }
        reply
    }
}
