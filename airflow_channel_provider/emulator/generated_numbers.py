"""
Who and what there is in a channel of any size, by arithmetic: chat ``n`` is always the same one, and none is stored.

Chats are numbered from 0 in the order of their last change. Two neighbours share a time, three share a user.
"""

from __future__ import annotations

from dataclasses import dataclass

CHATS_PER_USER = 3
EVENTS_PER_USER = 2
_CHATS_PER_TIME = 2
_CYCLE = (
    "closed", "opened", "closed", "snoozed", "closed", "opened", "closed", "closed", "queued", "closed",
    "opened", "closed", "missed", "closed", "opened", "closed", "initial", "closed", "opened", "closed",
)  # fmt: skip
_SLOTS = {
    state: tuple(n for n, other in enumerate(_CYCLE) if other == state) for state in dict.fromkeys(_CYCLE)
}
_LONGEST_CHAT_MS = 36 * 3_600_000


def mixed(seed: int, number: int) -> int:
    """
    Return 32 bits that look random, the same for the same two numbers.

    :param seed: of the whole.
    :param number: of the thing.
    """
    bits = (number * 0x9E3779B1 + seed * 0x85EBCA6B + 0x27220A95) & 0xFFFFFFFF
    bits = ((bits ^ bits >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    bits = ((bits ^ bits >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return bits ^ bits >> 16


@dataclass(frozen=True, slots=True)
class Numbers:
    """
    The numbers of all chats as they are before anything changes.

    :param chats: how many.
    :param messages_per_chat: on the average, and exactly so for an even number of chats.
    :param seed: other seeds make other chats.
    :param end_at_ms: no chat has changed after this, epoch milliseconds.
    :param span_ms: nor before this long before that.
    """

    chats: int
    messages_per_chat: int
    seed: int
    end_at_ms: int
    span_ms: int

    @property
    def _step_ms(self) -> int:
        return max(1, self.span_ms // max(1, self.chats // _CHATS_PER_TIME + 1))

    def state(self, chat: int) -> str:
        """The state of a chat."""
        return _CYCLE[chat % len(_CYCLE)]

    def slots(self, state: str) -> tuple[int, tuple[int, ...]]:
        """Return after how many chats the states repeat, and which of these have one state, ascending."""
        return len(_CYCLE), _SLOTS.get(state, ())

    def updated_at_ms(self, chat: int) -> int:
        """When a chat last changed: never later for a smaller number."""
        groups_after = (self.chats - 1) // _CHATS_PER_TIME - chat // _CHATS_PER_TIME
        return self.end_at_ms - (groups_after + 1) * self._step_ms

    def first_changed_since(self, at_ms: float) -> int:
        """Return the smallest chat that last changed at a time or later; the number of chats where there is none."""
        groups_after = int((self.end_at_ms - at_ms) // self._step_ms) - 1
        group = (self.chats - 1) // _CHATS_PER_TIME - groups_after
        return min(max(group * _CHATS_PER_TIME, 0), self.chats)

    def created_at_ms(self, chat: int) -> int:
        """When a chat was created."""
        return self.updated_at_ms(chat) - 60_000 - mixed(self.seed, chat) % _LONGEST_CHAT_MS

    def messages(self, chat: int) -> int:
        """How many messages a chat has, at least one."""
        first = mixed(self.seed + 1, chat // 2) % (2 * self.messages_per_chat - 1) + 1
        return 2 * self.messages_per_chat - first if chat % 2 else first

    def message_at_ms(self, chat: int, message: int) -> int:
        """When a message was created; the last one is the last change of its chat."""
        last = self.messages(chat) - 1
        created, updated = self.created_at_ms(chat), self.updated_at_ms(chat)
        return updated if message >= last else created + (updated - created) * message // last

    def user(self, chat: int) -> int:
        """Whose chat it is."""
        return chat // CHATS_PER_USER

    def chats_of(self, user: int) -> range:
        """The numbers of a user's chats, of those that there may be."""
        return range(user * CHATS_PER_USER, (user + 1) * CHATS_PER_USER)
