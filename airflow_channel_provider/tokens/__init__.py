"""
One token and one budget of token requests for every task of every worker.

Read in this order: :mod:`.types` (a token, a service), :mod:`.budget` (the ledger), :mod:`.record` (the document of one
app), :mod:`.policy` and :mod:`.transitions` (the decisions, pure), :mod:`.stores` and :mod:`.repository` (where the
document lives), :mod:`.acquire` (how a caller gets a token), :mod:`.renewal` (one token request), :mod:`.manager` (what
hooks use).
"""
