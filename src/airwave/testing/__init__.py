"""Fixtures for those who test with Airwave (an entry point of pytest).

`plugin` has the fixtures, `loops` a client for whatever event loop a test runs.
"""
