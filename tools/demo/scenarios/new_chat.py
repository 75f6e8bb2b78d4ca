"""A customer opens a chat: a webhook becomes an asset event, which starts a DAG, which answers the chat."""

from __future__ import annotations

from tools.demo.result import Story
from tools.demo.scenarios.base import Scenario

CHANNEL = "ch-1"
QUESTION = "Hello, is the shop open today?"


class NewChat(Scenario):
    """The chat is opened in the emulator, which delivers the webhook to the api-server."""

    dag_id = "example_channel_talk_answer_new_chats"
    _chat_id = ""

    def start(self, run_id: str) -> None:
        """Open the chat."""
        # An event starts no run of a DAG that is switched off.
        self.rest.unpause(self.dag_id)
        self._chat_id = self.emulator.open_chat(CHANNEL, text=QUESTION)["id"]

    def story(self) -> Story:
        """Show the chat, and how often the webhook was sent."""
        title = "A new chat starts a DAG by its asset event"
        opened = [entry for entry in self.emulator.deliveries() if entry["event"] == "userChat.opened"]
        sent = [f"webhook userChat.opened: {entry['state']} in try {entry['attempts']}" for entry in opened]
        messages = self.emulator.messages(self._chat_id)
        said = [f"{message['personId']}: {message.get('plainText', '')}" for message in messages]
        answers = [message for message in messages if message["personType"] == "bot"]
        problem = None if len(answers) == 1 else f"the chat got {len(answers)} answers instead of 1"
        return Story(title, [*sent, *said], problem)
