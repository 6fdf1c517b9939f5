//! One call as the shell keeps it: how it is told of an event, and what that leaves to be done, in order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::claims::InviteKeys;
use crate::base::{EmployeeId, Hop, Instant, Now};
use crate::call::{Call, CallAction, CallEvent, Env};
use crate::sip::agent::Transmit;

/// A call with all that the shell keeps of it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) call: Call,
    /// Of the INVITE that began it, and of those that joined it by Replaces.
    pub(super) claims: Vec<InviteKeys>,
    /// It has legs of other calls.
    pub(super) has_adopted: bool,
    pub(super) is_up: bool,
    pub(super) is_settled: bool,
    /// The earliest wake-up that the timers owe it.
    pub(super) armed: Option<Instant>,
    /// Handed out by no step yet.
    pub(super) owed: Vec<Owed>,
    /// Somebody performs what earlier steps handed out.
    pub(super) performing: bool,
    /// Who is counted as being in this call, for its own account of it may be lost in a crash.
    pub(super) busy: Vec<Busy>,
}

/// An employee who is counted as being in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) employee: EmployeeId,
    /// By a call that she placed herself.
    pub(super) placed: bool,
}

/// A wake-up to be owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arm {
    pub(super) at: Instant,
    /// One that is owed until now and need not be any more.
    pub(super) instead_of: Option<Instant>,
}

/// Something to do for a call, in order.
#[derive(Debug)]
pub(super) enum Owed {
    /// The call wants it.
    Action(CallAction),
    /// A message was refused at once by the socket: to be told to the call.
    Unreachable(Hop),
}

/// What a step left to do.
#[derive(Debug)]
pub(super) enum Turn {
    /// No such call: the event goes back.
    Unknown(Box<CallEvent>),
    /// The call went on.
    Stepped {
        /// To be performed now, then [`Live::owed`] asked; empty: nothing, or somebody else does.
        perform: Vec<Owed>,
        /// To be armed in the timers.
        arm: Option<Arm>,
        /// The call's machine panicked, and the call was ended in order.
        wrecked: bool,
    },
    /// The call's machine panicked, and again while the call was being ended: it is to be taken out.
    Crashed,
}

/// Puts messages on the wire; must not wait.
pub(super) trait Wire {
    /// Sends, or says that it cannot have got there.
    fn put(&self, transmit: &Transmit) -> bool;
}

impl Slot {
    /// Of a call that begins, by this INVITE.
    pub(super) fn new(call: Call, claim: InviteKeys) -> Self {
        Self {
            call,
            claims: vec![claim],
            has_adopted: false,
            is_up: true,
            is_settled: false,
            armed: None,
            owed: Vec::new(),
            performing: false,
            busy: Vec::new(),
        }
    }

    /// Tells it of an event.
    pub(super) fn step(&mut self, now: Now, event: CallEvent, env: &dyn Env, wire: &dyn Wire) -> Turn {
        let call = &mut self.call;
        let mut out = Vec::new();
        let mut wrecked = false;
        if catch_unwind(AssertUnwindSafe(|| call.handle(now, event, env, &mut out))).is_err() {
            // Its parties are told and its record is made, by what the panic left behind; where that is beyond saving,
            // nobody looks at it again.
            if catch_unwind(AssertUnwindSafe(|| call.wreck(now, env, &mut out))).is_err() {
                return Turn::Crashed;
            }
            wrecked = true;
        }
        for action in out {
            match action {
                CallAction::Send(transmit) => {
                    if !wire.put(&transmit) {
                        self.owed.push(Owed::Unreachable(transmit.hop));
                    }
                    continue;
                }
                CallAction::Busy { ref employee, busy: true, placed } => {
                    self.busy.push(Busy { employee: employee.clone(), placed });
                }
                CallAction::Busy { ref employee, busy: false, placed } => {
                    let there = self.busy.iter().position(|busy| busy.employee == *employee && busy.placed == placed);
                    there.map(|at| self.busy.swap_remove(at));
                }
                _ => {} // nothing that is counted here
            }
            self.owed.push(Owed::Action(action));
        }
        self.turn(wrecked)
    }

    /// What is to be performed and armed now.
    pub(super) fn turn(&mut self, wrecked: bool) -> Turn {
        let next = self.call.next_wakeup();
        let arm = next
            .filter(|at| self.armed.is_none_or(|armed| *at < armed))
            .map(|at| Arm { at, instead_of: self.armed.replace(at) });
        let perform = if self.performing { Vec::new() } else { std::mem::take(&mut self.owed) };
        self.performing |= !perform.is_empty();
        Turn::Stepped { perform, arm, wrecked }
    }
}
