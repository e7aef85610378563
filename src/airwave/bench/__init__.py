"""The load generator and the benchmark behind `airwave bench`: Airwave against a Redis, side by side.

Reading order: `plans` (what is published to whom), `load` (the closed loop that most loads are), `paced` (the open
loop that measures latency), `scenarios` (the table of loads and their targets), `run` (interleaved rounds), `report`.
`flood` and `crowd` are two checks that are not comparisons. Nothing here uses Airwave's own code for the wire, so a
mistake there cannot hide itself.
"""
