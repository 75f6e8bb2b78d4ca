"""
The ledger of token requests: never more than 10 charges in any 1,800 seconds.

The service counts a *fixed* window, but does not say whether it starts at the first request or at the clock. Any 1,800
seconds cover both, so the ledger needs no guess. A charge is written before the request is sent. Its time is the latest
moment at which the service can have counted it: the send plus the longest request while that is open, then the arrival
of the answer. Pure: every function takes ``now`` (store clock, seconds) and returns a new ledger.
"""

from __future__ import annotations

from airflow_channel_provider.tokens.validation import increment
from airflow_channel_provider.values import Values

LEAST_PAUSE_SECONDS = 5.0
"""After a second refusal in a row, however short the wait that it names."""


class Quota(Values):
    """
    The quota of the service, and how carefully it is used.

    :param limit: token requests, issue and refresh together (seed: 10); 0: no limit.
    :param window_seconds: the window (seed: 30 minutes).
    :param margin_seconds: added to a window, for the time a request takes and for the clock of the service.
    :param request_max_seconds: the longest time of a token request; an unanswered one counts as sent at its end.
    :param early_reserve: slots that an early renewal, which is not urgent, must leave free.
    :param probe_seconds: pause between probes after a refusal that nothing explains.
    :param probes: how many of those before a whole window of silence.
    """

    limit: int = 10
    window_seconds: float = 1800.0
    margin_seconds: float = 5.0
    request_max_seconds: float = 12.0
    early_reserve: int = 3
    probe_seconds: float = 300.0
    probes: int = 6

    def held_longer(self, seconds: float) -> Quota:
        """Return it for a store whose clock may be behind by as much."""
        return self._replace(margin_seconds=self.margin_seconds + seconds)

    @classmethod
    def unlimited(cls) -> Quota:
        """Return the quota of a service that limits no token requests."""
        return cls(limit=0, early_reserve=0)

    @property
    def is_unlimited(self) -> bool:
        """Whether the service limits no token requests."""
        return self.limit == 0

    @property
    def hold_seconds(self) -> float:
        """How long a charge holds its slot; 0 if there is no limit."""
        return 0.0 if self.is_unlimited else self.silence_seconds

    @property
    def silence_seconds(self) -> float:
        """The longest pause after a refusal: a window."""
        return self.window_seconds + self.margin_seconds


class Charge(Values):
    """
    One token request.

    :param at: when the service counted it at the latest (store clock, seconds).
    :param kind: ``issue``, ``refresh``, or ``lost`` for one that is only assumed.
    """

    id: str
    at: float
    scope: str
    kind: str


class Ledger(Values):
    """
    The charges of one app.

    :param charges: in no particular order; those that no longer hold a slot are dropped with the next charge.
    :param blocked_until: the service refused; no request is sent before then (store clock, seconds; 0: not blocked).
    :param refusals: refusals in a row.
    """

    charges: tuple[Charge, ...] = ()
    blocked_until: float = 0.0
    refusals: int = 0

    @classmethod
    def half_spent(cls, now: float, quota: Quota, *, noted: int = 0) -> Ledger:
        """
        Return the ledger that replaces a lost one: half of the quota may have been spent just now.

        :param noted: charges that can still be read in the lost record; at least as many may have been spent.
        """
        spent = min(max((quota.limit + 1) // 2, noted), quota.limit)
        return cls(tuple(Charge(f"lost-{i}", now, "", "lost") for i in range(spent)))

    def live(self, now: float, quota: Quota) -> tuple[Charge, ...]:
        """Return the charges that still hold a slot."""
        return tuple(charge for charge in self.charges if charge.at + quota.hold_seconds > now)

    def left(self, now: float, quota: Quota) -> int:
        """Return how many requests may be sent now, as far as this ledger knows."""
        return 0 if self.blocked_until > now else max(0, quota.limit - len(self.live(now, quota)))

    def available_at(self, now: float, quota: Quota, *, keep_free: int = 0) -> float:
        """
        Return when one more request may be sent that leaves some slots free: ``now`` or later (store clock, seconds).

        :param keep_free: slots that must be free *after* the request.
        """
        if quota.is_unlimited:
            return max(now, self.blocked_until)
        stamps = sorted(charge.at for charge in self.live(now, quota))
        surplus = len(stamps) + 1 + keep_free - quota.limit
        free_at = (
            stamps[min(surplus, len(stamps)) - 1] + quota.hold_seconds if surplus > 0 and stamps else now
        )
        return max(now, free_at, self.blocked_until)

    def charge(self, charge_id: str, *, scope: str, kind: str, now: float, quota: Quota) -> Ledger:
        """Add a request that is about to be sent; :meth:`available_at` says whether it may."""
        charge = Charge(charge_id, now + quota.request_max_seconds, scope, kind)
        return self._replace(charges=(*self.live(now, quota), charge))

    def settle(self, charge: Charge, now: float, *, answered: bool = True) -> Ledger:
        """
        Correct the time of a charge: the answer has come, so the service counted the request no later than now.

        Without an answer the service may count it later, and the later time stays. A charge that no longer held a slot,
        because its process was stopped, gets one again.
        """
        known = next((c.at for c in self.charges if c.id == charge.id), now)
        others = tuple(c for c in self.charges if c.id != charge.id)
        return self._replace(charges=(*others, charge._replace(at=now if answered else max(known, now))))

    def refund(self, charge_id: str) -> Ledger:
        """Remove the charge of a request that was provably not sent."""
        return self._replace(charges=tuple(c for c in self.charges if c.id != charge_id))

    def accepted(self) -> Ledger:
        """End all earlier refusals: the service has granted a request."""
        return self._replace(blocked_until=0.0, refusals=0)

    def refused(self, now: float, quota: Quota, retry_after_seconds: float | None) -> Ledger:
        """
        Block all requests after a refusal for the quota. How long: by the answer, else by this ledger, else by guess.

        :param retry_after_seconds: from a header or the body of the answer; None if neither has it.
        """
        refusals = increment(self.refusals)
        live = self.live(now, quota)
        if retry_after_seconds is not None and retry_after_seconds > 0:
            # The answer is followed, but a short wait that does not help gets longer with each refusal.
            again = LEAST_PAUSE_SECONDS * 2 ** min(refusals - 2, 20) if refusals > 1 else 0.0
            pause = min(max(retry_after_seconds, again), quota.silence_seconds)
        elif len(live) >= quota.limit and not quota.is_unlimited:
            pause = min(charge.at for charge in live) + quota.hold_seconds - now
        else:
            pause = quota.probe_seconds if refusals <= quota.probes else quota.silence_seconds
        return self._replace(blocked_until=max(self.blocked_until, now + pause), refusals=refusals)
