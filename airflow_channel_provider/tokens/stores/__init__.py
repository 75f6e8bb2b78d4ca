"""Where the record and the tokens live; what a store promises is in :mod:`.base`."""
