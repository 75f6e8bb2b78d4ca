"""
The heart: one token and one budget of token requests for every task of every worker.

Read in this order: :mod:`.token` (what is shared), :mod:`.budget` (the ledger), :mod:`.record` (the document of one
app), :mod:`.policy` and :mod:`.outcomes` (the decisions, pure), :mod:`.stores` (where it lives), :mod:`.search` (the
order of things), :mod:`.renewal` (one token request), :mod:`.manager` (the door).
"""
