"""The load generator and the benchmark behind `airwave bench`: Airwave against a Redis, side by side.

Reading order: `plans` (what is published to whom), `load` (the closed loop that most loads are), `paced` (the open
loop that measures latency), `scenarios` (the table of loads and their targets), `run` (interleaved rounds), `report`.
`flood` and `crowd` are two checks that are not comparisons.

The loads on streams: `entries` (what is added and read), `exchange` (the closed loop of requests and replies), `wake`
(blocked readers), `mixed` (latency beside writers), `restart`, and `streams`, their table.

Loads that more than two do, or others than Airwave and a Redis: `contest` (what they are made of), `rounds` (they are
held), `standings` (results). Of these are `history` (channels that remember) and `browsers` (with `audience`, the
clients, and `starlette_app`, what Airwave is compared with). `library` is about Python programs, and `markdown` has
what the documents show of all results.

Nothing here uses Airwave's own code for the wire, so a mistake there cannot hide itself.
"""
