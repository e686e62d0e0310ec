//! The rules that the protocol rests on, each of which can be left out.

use std::fmt;

/// One rule of the protocol. A model that is checked without it has to show a counterexample.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rule {
    /// A release deletes the key only while it holds the caller's value.
    ReleaseChecksOwner,
    /// A renewal extends the key only while it holds the caller's value.
    RenewChecksOwner,
    /// A renewal never sets a key that is gone.
    RenewNeverSets,
    /// A completion counts only while the key holds the caller's value.
    CompleteChecksOwner,
    /// The store compares the value under the key with the caller's, whatever the command.
    HoldersAreCompared,
    /// A key that another holder has is busy.
    HeldKeyIsBusy,
    /// A key is there until its ttl is over.
    KeyLivesForItsTtl,
    /// Each key has a ttl.
    KeyHasTtl,
    /// A holder stops by its own clock before the key can expire.
    HolderHasADeadline,
    /// The deadline counts from the moment at which the confirmed command was sent.
    DeadlineCountsFromSending,
    /// A reply is taken only if it echoes the value of the command.
    EchoIsCompared,
    /// Each command has an echo of its own, also the renewals of one lease.
    EveryCommandHasItsOwnEcho,
    /// A command does nothing once its caller has given up on it.
    LateCommandsDoNothing,
    /// An acquire carries the values of its process that were given up.
    OrphansTravel,
    /// A value counts as given up only if nothing of this process holds it.
    LiveValuesAreNoOrphans,
    /// A command that was never sent leaves nothing to be taken back.
    NeverSentIsNoOrphan,
    /// Each acquisition has a larger fence than the one before.
    FenceGrows,
    /// A fence is never below the server's clock.
    FenceFollowsTheClock,
    /// A resource refuses a fence that is smaller than the largest it has seen.
    ResourceCompares,
    /// A tick that the watermark has passed is not run.
    WatermarkIsAsked,
    /// A claim that continues a dead holder's has a larger attempt.
    TakeoverCountsTheAttempt,
    /// A claimed tick stays claimed when its holder dies.
    OpenTickIsRemembered,
    /// A claim for a later tick is answered with the earlier one that is open.
    OpenTickComesFirst,
    /// An at-most-once tick counts as done from its claim on.
    AtMostOnceIsDoneWhenClaimed,
    /// An at-most-once tick is never taken over.
    AtMostOnceIsNotTakenOver,
    /// A claim that was carried out, but not answered, is found before `done` is asked.
    MineIsAskedBeforeDone,
    /// A claim that is taken back puts the watermark where it was.
    UnclaimRestoresTheWatermark,
    /// A tick that a replica runs is not given up.
    RunningTickIsNotMissed,
    /// The store remembers who moved the watermark over missed ticks.
    MovementsAreRemembered,
    /// A replica that moved the watermark reports the ticks, even if it learns of it late.
    MissedTicksAreReported,
    /// A holder that is told to stop frees the key at once.
    HandOverFreesTheKey,
    /// A tick is begun at most as often as its job says.
    AttemptsAreBounded,
    /// After a run the key stays for the rest of its minimum hold.
    MinimumHold,
    /// A registration never moves a watermark that is there.
    RegisterKeepsTheWatermark,
    /// After a loss of data a replica registers what it knows to be done.
    KnownWatermarkIsRegistered,
    /// A failover takes longer than the clocks of its two servers differ.
    FailoverOutlastsTheClocks,
    /// A replica whose clock differs too much from the store's claims nothing.
    SuspectClockClaimsNothing,
    /// The difference is measured again with each answer, before the answer is acted upon.
    SuspectAnswerIsIgnored,
    /// A tick during which a Node peer held the key counts as run.
    PeerRunsCount,
    /// A Node peer that still runs an earlier tick has not run this one.
    OverrunsDoNotCount,
    /// A holder of this project's own form is not a Node peer.
    OwnFormIsNoPeer,
    /// A run by a Node peer takes longer than the clocks differ: a shorter one may not be seen.
    PeerRunsOutlastTheClocks,
    /// A replica claims only instants after the first sight of its schedule.
    ScheduleBeginsAtItsFirstSight,
    /// The first schedule that is seen beside a watermark begins at that watermark.
    FirstScheduleBeginsAtTheWatermark,
    /// A schedule is forgotten only when another one is seen.
    SilentScheduleIsKept,
    /// The watermark is never moved by a new schedule.
    ScheduleKeepsTheWatermark,
    /// A claim that passes over due instants of another schedule reports them.
    PassedInstantsAreReported,
    /// A finished execution is recorded by its current holder only.
    OnceFinishChecksHolder,
    /// An execution in doubt is not begun again.
    InDoubtIsNotRepeated,
    /// A finished execution is not begun again.
    FinishedIsNotRepeated,
    /// An error of the work is not a completion.
    ErrorIsNoCompletion,
    /// An execution that is begun again has a larger fence.
    OnceFenceGrows,
    /// An execution is given back by its current holder only.
    OnceForgetChecksHolder,
    /// A key is answered to the call that it belongs to only.
    FingerprintIsCompared,
    /// An operator ends the attempt that was seen only.
    ResolveHitsWhatWasSeen,
    /// The record of an execution that runs stays for longer than its lease.
    RecordOutlivesTheLease,
}

/// The protocol, with at most one rule left out.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Rules(Option<Rule>);

// ===== impl Rule =====

impl Rule {
    /// Lists every rule.
    pub const ALL: [Self; 56] = [
        Self::ReleaseChecksOwner,
        Self::RenewChecksOwner,
        Self::RenewNeverSets,
        Self::CompleteChecksOwner,
        Self::HoldersAreCompared,
        Self::HeldKeyIsBusy,
        Self::KeyLivesForItsTtl,
        Self::KeyHasTtl,
        Self::HolderHasADeadline,
        Self::DeadlineCountsFromSending,
        Self::EchoIsCompared,
        Self::EveryCommandHasItsOwnEcho,
        Self::LateCommandsDoNothing,
        Self::OrphansTravel,
        Self::LiveValuesAreNoOrphans,
        Self::NeverSentIsNoOrphan,
        Self::FenceGrows,
        Self::FenceFollowsTheClock,
        Self::ResourceCompares,
        Self::WatermarkIsAsked,
        Self::TakeoverCountsTheAttempt,
        Self::OpenTickIsRemembered,
        Self::OpenTickComesFirst,
        Self::AtMostOnceIsDoneWhenClaimed,
        Self::AtMostOnceIsNotTakenOver,
        Self::MineIsAskedBeforeDone,
        Self::UnclaimRestoresTheWatermark,
        Self::RunningTickIsNotMissed,
        Self::MovementsAreRemembered,
        Self::MissedTicksAreReported,
        Self::HandOverFreesTheKey,
        Self::AttemptsAreBounded,
        Self::MinimumHold,
        Self::RegisterKeepsTheWatermark,
        Self::KnownWatermarkIsRegistered,
        Self::FailoverOutlastsTheClocks,
        Self::SuspectClockClaimsNothing,
        Self::SuspectAnswerIsIgnored,
        Self::PeerRunsCount,
        Self::OverrunsDoNotCount,
        Self::OwnFormIsNoPeer,
        Self::PeerRunsOutlastTheClocks,
        Self::ScheduleBeginsAtItsFirstSight,
        Self::FirstScheduleBeginsAtTheWatermark,
        Self::SilentScheduleIsKept,
        Self::ScheduleKeepsTheWatermark,
        Self::PassedInstantsAreReported,
        Self::OnceFinishChecksHolder,
        Self::InDoubtIsNotRepeated,
        Self::FinishedIsNotRepeated,
        Self::ErrorIsNoCompletion,
        Self::OnceFenceGrows,
        Self::OnceForgetChecksHolder,
        Self::FingerprintIsCompared,
        Self::ResolveHitsWhatWasSeen,
        Self::RecordOutlivesTheLease,
    ];
}

// ===== impl Rules =====

impl Rules {
    /// Follows every rule.
    #[must_use]
    pub const fn all() -> Self {
        Self(None)
    }

    /// Every rule but one.
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self(Some(rule))
    }

    /// Whether the rule is followed.
    #[must_use]
    pub fn follow(self, rule: Rule) -> bool {
        self.0 != Some(rule)
    }
}

impl fmt::Display for Rule {
    /// Tells what the protocol is like without the rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReleaseChecksOwner => "a release does not check the owner",
            Self::RenewChecksOwner => "a renewal does not check the owner",
            Self::RenewNeverSets => "a renewal sets the key again when it is gone",
            Self::CompleteChecksOwner => "a completion does not check the owner",
            Self::HoldersAreCompared => "any holder counts as the owner, whatever the command",
            Self::HeldKeyIsBusy => "a key that is held counts as free",
            Self::KeyLivesForItsTtl => "a key counts as expired at once",
            Self::KeyHasTtl => "a key has no ttl",
            Self::HolderHasADeadline => "a holder is never told by its own clock",
            Self::DeadlineCountsFromSending => "the deadline counts from the reply's arrival",
            Self::EchoIsCompared => "the echo of a reply is not compared",
            Self::EveryCommandHasItsOwnEcho => "all renewals of a lease have the same echo",
            Self::LateCommandsDoNothing => "commands have no `not_after`",
            Self::OrphansTravel => "an acquire does not carry the orphaned values of its process",
            Self::LiveValuesAreNoOrphans => {
                "every value of the process counts as an orphan, even a live lease's"
            }
            Self::NeverSentIsNoOrphan => "a command that was never sent leaves an orphan",
            Self::FenceGrows => "the fence does not grow",
            Self::FenceFollowsTheClock => {
                "the fence grows by one only, not with the server's clock"
            }
            Self::ResourceCompares => "the resource does not compare fences",
            Self::WatermarkIsAsked => "the watermark is not asked",
            Self::TakeoverCountsTheAttempt => "a takeover does not count the attempt",
            Self::OpenTickIsRemembered => "a dead holder's claim is forgotten",
            Self::OpenTickComesFirst => "a later tick is claimed while an earlier one is open",
            Self::AtMostOnceIsDoneWhenClaimed => {
                "an at-most-once claim does not move the watermark"
            }
            Self::AtMostOnceIsNotTakenOver => "at-most-once ticks are taken over",
            Self::MineIsAskedBeforeDone => "\"already done\" is asked before \"mine already\"",
            Self::UnclaimRestoresTheWatermark => {
                "a claim that is taken back leaves the watermark moved"
            }
            Self::RunningTickIsNotMissed => "a tick that is being run is given up",
            Self::MovementsAreRemembered => {
                "the store forgets who moved the watermark over missed ticks"
            }
            Self::MissedTicksAreReported => {
                "ticks are not reported if the answer to giving them up was late"
            }
            Self::HandOverFreesTheKey => "a hand-over leaves the key until its ttl is over",
            Self::AttemptsAreBounded => "attempts are not bounded",
            Self::MinimumHold => "no minimum hold",
            Self::RegisterKeepsTheWatermark => "a registration overwrites the watermark",
            Self::KnownWatermarkIsRegistered => {
                "after a loss of data the latest past tick is registered, not the last known one"
            }
            Self::FailoverOutlastsTheClocks => {
                "assumption: the new server's clock is behind by more than the failover took"
            }
            Self::SuspectClockClaimsNothing => {
                "a replica works on although its clock and the store's differ"
            }
            Self::SuspectAnswerIsIgnored => {
                "the clock in an answer is not looked at before the answer is acted upon"
            }
            Self::PeerRunsCount => "a run by a Node peer does not count",
            Self::OverrunsDoNotCount => {
                "a Node peer that still runs the tick before counts for this one"
            }
            Self::OwnFormIsNoPeer => "a holder of this project's own form counts as a Node peer",
            Self::PeerRunsOutlastTheClocks => {
                "assumption: a run by a Node peer is shorter than the clocks differ"
            }
            Self::ScheduleBeginsAtItsFirstSight => {
                "the store does not know since when a schedule exists"
            }
            Self::FirstScheduleBeginsAtTheWatermark => {
                "the first schedule that is seen begins at its first sight, not at the watermark"
            }
            Self::SilentScheduleIsKept => "a schedule is forgotten for its silence alone",
            Self::ScheduleKeepsTheWatermark => "a new schedule moves the watermark to the present",
            Self::PassedInstantsAreReported => {
                "a claim passes over due instants of another schedule without a report"
            }
            Self::OnceFinishChecksHolder => "a finish does not check the holder",
            Self::InDoubtIsNotRepeated => "an execution in doubt is begun again",
            Self::FinishedIsNotRepeated => "a finished execution is begun again",
            Self::ErrorIsNoCompletion => "an error of the work counts as a completion",
            Self::OnceFenceGrows => "an execution that is begun again has no larger fence",
            Self::OnceForgetChecksHolder => "giving an execution back does not check the holder",
            Self::FingerprintIsCompared => "the fingerprint of a call is not compared",
            Self::ResolveHitsWhatWasSeen => "an operator ends whatever attempt is in doubt",
            Self::RecordOutlivesTheLease => {
                "the record of an execution that runs stays only for its retention"
            }
        })
    }
}
