"""Fixtures for those who test with Airwave (an entry point of pytest)."""
