"""
Conversations into files, window by window. Knows no Airflow.

**Which row belongs to which window.** A window is half open: from ``lookback`` before its start, until just before its
end. A chat belongs to the window in which it last changed, and with it belong, whole, what hangs on it: all its
messages, its user, the events of its user. So a chat that changes again leaves its old window and is read again, whole,
in the new one. Lists that are short and say nothing of changes (managers, groups, bots, tags, the channel) belong to
each window. A group's message belongs to the window in which it was last changed, a call to the one for which the
service gives it.

**The rule for loaders.** Of the records with one key, the one with the latest ``_extracted_at`` counts. It is the
moment before the request was sent. Why any union of runs, in any order, then equals the service: let *T* be the last
change of a chat. The run of the window of *T* starts after the window's end, so after *T*, and finds the chat as it is.
A record that is out of date was read before *T*, so its ``_extracted_at`` is earlier. If the chat changes while it is
read, or moves from page to page, that change is later than the window's end: the chat belongs to a later window, whose
run reads it whole. Two things are taken for granted. Whatever changes in a chat sets one of its times, or is its last
message. And the clocks of worker and service differ by less than ``lookback``, by which windows overlap.

**Where reading stops.** The service has no filter by time and states no order. Reading stops early only where the list
has shown that it is sorted by the last change, latest first (:class:`.windows.FallingOrder`); otherwise it goes on to
the end. If anything changed meanwhile, the list is read again until that brings nothing new, for a cursor that names a
position skips a row when an earlier one leaves the list.

**What is written when.** A part is written as a whole, then its state: which chats are done, and where the list was.
The next try keeps the parts that have a state and goes on behind them. What the list has become since does not matter:
what is done is known by id, what has changed belongs to a later window, and the list is read again as above. The
manifest is written when all parts are there, and removed before any of them changes.
"""
