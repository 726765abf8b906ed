"""Sends events through the real Python SDK of RudderStack; calls.py says how."""

import calls
from rudderstack.analytics.client import Client

calls.run(Client, max_retries=10)
