"""Sends events through the real Python SDK of Segment; calls.py says how."""

import calls
from segment.analytics.client import Client

calls.run(Client, max_retries=10)
