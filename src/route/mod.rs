//! Where a call goes. [`directory`] is what the files say, checked; the rest are pure functions over it that live
//! calls, `explain`, `check` and tests share.

pub mod directory;
pub mod plan;
