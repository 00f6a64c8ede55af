"""What handlers find in the application, under typed keys."""

from __future__ import annotations

import asyncio

from aiohttp import web

from server.auth import Gatekeeper
from server.config import ServerConfig
from server.metrics import Metrics
from server.readiness import Readiness
from server.refresher import Refresher
from server.store_thread import StoreThread
from store.home import Home

CONFIG = web.AppKey("config", ServerConfig)
GATEKEEPER = web.AppKey("gatekeeper", Gatekeeper)
HOME = web.AppKey("home", Home)
METRICS = web.AppKey("metrics", Metrics)
READINESS = web.AppKey("readiness", Readiness)
REFRESHER = web.AppKey("refresher", Refresher)
STOPPING = web.AppKey("stopping", asyncio.Event)
STORE = web.AppKey("store", StoreThread)
