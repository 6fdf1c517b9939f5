//! The two sequence numbers of a dialog: RFC 3261 §12.2.

/// The number of the last request that we sent in a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCseq(u32);

impl LocalCseq {
    /// After a request with this number.
    pub fn after(last: u32) -> Self {
        Self(last)
    }

    /// The next request's. RFC 3261 §12.2.1.1: "Requests within a dialog MUST contain strictly monotonically increasing
    /// and contiguous CSeq sequence numbers (increasing-by-one) in each direction".
    pub fn take_next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

/// The number of the last request that the peer sent in a dialog; empty until the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoteCseq(Option<u32>);

impl RemoteCseq {
    /// After a request with this number.
    pub fn after(last: u32) -> Self {
        Self(Some(last))
    }

    /// Whether a request with this number is in order; if so it is the last from now on.
    ///
    /// RFC 3261 §12.2.2: "If the remote sequence number was not empty, but the sequence number of the request is lower
    /// than the remote sequence number, the request is out of order and MUST be rejected with a 500". An equal one is
    /// too: its transaction is long over. "It is possible for the CSeq sequence number to be higher than the remote
    /// sequence number by more than one. This is not an error condition".
    #[must_use]
    pub fn admit(&mut self, number: u32) -> bool {
        let in_order = self.0.is_none_or(|last| number > last);
        if in_order {
            self.0 = Some(number);
        }
        in_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_or_equal_number_is_out_of_order_and_a_gap_is_not() {
        let mut last = RemoteCseq::default();
        assert!(last.admit(7));
        assert!(!last.admit(7));
        assert!(!last.admit(6));
        assert!(last.admit(100));
        assert!(!last.admit(8));
    }

    #[test]
    fn our_numbers_go_up_by_one() {
        let mut ours = LocalCseq::after(1);
        assert_eq!([ours.take_next(), ours.take_next()], [2, 3]);
    }
}
