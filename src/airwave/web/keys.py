"""What handlers find in their application; other modules of this package have keys of their own."""

from aiohttp import web

from airwave.broker import Broker

BROKER = web.AppKey("broker", Broker)
