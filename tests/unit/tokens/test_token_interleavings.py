"""Any interleaving of processes that ask, send, are answered, are refused, stall and die: ten stay ten."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.token_service import busiest_window

from airflow_channel_provider.tokens import policy, stages, transitions
from airflow_channel_provider.tokens.budget import Charge, Quota
from airflow_channel_provider.tokens.policy import Renew, RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord, TokenFacts
from airflow_channel_provider.tokens.stages import Stage

QUOTA = Quota()
SCOPES = ("app", "channel:1", "channel:2", "channel:3")
REFUSAL = {"class": "ChannelAuthenticationError", "message": "no"}


@dataclass
class InFlight:
    request: RenewalRequest
    go: Renew
    counted_at: float

    @property
    def charges(self) -> tuple[Charge, ...]:
        return (Charge(self.request.owner, 0.0, self.request.scope, "issue"),)


class Processes(RuleBasedStateMachine):
    """Each rule is one step of one process; the record is what they share, the rest they do not know."""

    def __init__(self) -> None:
        super().__init__()
        self.record = AppRecord()
        self.now = 1_000_000.0
        self.serial = 0
        self.flying: list[InFlight] = []
        self.counted: list[float] = []

    @initialize(scope=st.sampled_from(SCOPES), ages=st.lists(st.floats(0, 1900), max_size=10))
    def others_were_here(self, scope: str, ages: list[float]) -> None:
        for i, age in enumerate(sorted(ages, reverse=True)):
            at = self.now - age
            ledger = self.record.ledger.charge(f"before-{i}", scope=scope, kind="issue", now=at, quota=QUOTA)
            ledger = ledger.settle(Charge(f"before-{i}", 0.0, scope, "issue"), at)
            self.record = self.record._replace(ledger=ledger)
            self.counted.append(self.now - age)

    @rule(seconds=st.one_of(st.floats(0, 5), st.floats(0, 400), st.just(1801.0)))
    def time_passes(self, seconds: float) -> None:
        # A request ends within its longest duration, dead sender or not.
        self.now += seconds

    @rule(
        scope=st.sampled_from(SCOPES),
        alone=st.booleans(),
        ask_again=st.booleans(),
        refused=st.booleans(),
        arrives_after=st.floats(0, QUOTA.request_max_seconds),
    )
    def a_task_wants_a_token(
        self, scope: str, alone: bool, ask_again: bool, refused: bool, arrives_after: float
    ) -> None:
        facts = self.record.tokens.get(scope)
        stage = stages.stage_of(facts.issued_at, facts.expires_at, self.now) if facts else Stage.EXPIRED
        if stage is Stage.FRESH and not refused:
            return
        alone = alone and not any(f.request.scope == scope for f in self.flying)
        self.serial += 1
        held = facts.fingerprint if facts else None
        request = RenewalRequest(
            scope,
            f"owner-{self.serial}",
            "host",
            stage,
            held=held,
            refused=held if refused else None,
            secret_mark="mark",
            alone_on_host=alone,
            ask_again=ask_again,
        )
        after, decision = policy.claim(self.record, self.now, request, QUOTA)
        if isinstance(decision, Renew):
            assert after is not None
            self.record = after
            self.flying.append(InFlight(request, decision, self.now + arrives_after))
        else:
            assert after is None

    @precondition(lambda self: self.flying)
    @rule(
        data=st.data(),
        fate=st.sampled_from(["token", "refused", "quota", "trouble", "unsent", "killed", "interrupted"]),
    )
    def a_request_ends(self, data: st.DataObject, fate: str) -> None:
        flight = data.draw(st.sampled_from(self.flying))
        self.flying.remove(flight)
        request, charges = flight.request, flight.charges
        if fate == "unsent":
            self.record = self._failed(flight, sent=False, lasting=False)
            return
        self.counted.append(flight.counted_at)
        if fate == "killed":
            return
        if fate != "trouble":
            self.now = max(self.now, flight.counted_at)  # an answer comes after the service has counted
        if fate == "token":
            facts = TokenFacts(
                f"token-{request.owner}", flight.go.requested_at, flight.go.requested_at + 1800
            )
            self.record = transitions.succeeded(self.record, self.now, request, facts, charges)
        elif fate == "quota":
            self.record = transitions.refused_for_quota(self.record, self.now, request, charges, QUOTA, None)
        elif fate == "interrupted":
            self.record = transitions.abandoned(self.record, self.now, request, charges)
        else:
            self.record = self._failed(flight, sent=True, lasting=fate == "refused")

    def _failed(self, flight: InFlight, *, sent: bool, lasting: bool) -> AppRecord:
        return transitions.failed(
            self.record,
            self.now,
            flight.request,
            flight.charges,
            sent=sent,
            answered=lasting,
            refresh=flight.go.refresh,
            life_seconds=1800,
            error=REFUSAL if lasting else None,
        )

    @invariant()
    def ten_stay_ten(self) -> None:
        assert busiest_window([*self.counted, *(f.counted_at for f in self.flying)]) <= QUOTA.limit

    @invariant()
    def every_request_in_flight_is_charged(self) -> None:
        charged = {charge.id for charge in self.record.ledger.live(self.now, QUOTA)}
        recent = {f.request.owner for f in self.flying if self.now - f.go.requested_at < QUOTA.window_seconds}
        assert recent <= charged

    @invariant()
    def the_record_survives_its_own_json(self) -> None:
        assert AppRecord.from_json(self.record.to_json()) == self.record


Processes.TestCase.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
TestInterleavings = Processes.TestCase
