"""Where the record and the tokens are stored; :mod:`.base` says what a store promises."""
