"""An error of the provider: text that is added on its way out."""

from __future__ import annotations

import pickle

from airflow_channel_provider.exceptions import ChannelError, ChannelRequestError


def test_added_context_is_in_the_message_the_text_and_a_pickled_copy() -> None:
    error = ChannelRequestError("writeUserChatMessage was refused.", method="writeUserChatMessage", code=4)

    same = error.add_context(before="Connection 'a':", after="It was tried twice.")

    expected = "Connection 'a': writeUserChatMessage was refused. It was tried twice."
    assert same is error
    copy = pickle.loads(pickle.dumps(error))
    assert (error.message, str(error), copy.message, str(copy)) == (expected,) * 4
    assert (copy.method, copy.code) == ("writeUserChatMessage", 4)


def test_context_of_an_error_without_a_message_is_its_message() -> None:
    assert str(ChannelError().add_context(after="It was tried twice.")) == "It was tried twice."
