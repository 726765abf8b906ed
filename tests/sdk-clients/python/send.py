"""Sends every call type through the real Python SDK, and prints each event as the SDK sent it, one
JSON object a line. Arguments: the daemon's base URL, the write key, and `--gzip` to compress."""

import json
import sys
from datetime import datetime, timedelta, timezone

from segment.analytics.client import Client

HOST, WRITE_KEY = sys.argv[1:3]
FAILURES = []

CONTEXT = {"ip": "203.0.113.9", "locale": "de-DE", "page": {"url": "https://shop.example/p/1?a=b&c=%20"}}
PRODUCT = {"product_id": "P-1001", "name": 'Mütze "Eis" \U0001F9E2', "price": 29.9, "quantity": 2, "tags": ["a", None, True]}
TIME = datetime.now(tz=timezone.utc) - timedelta(minutes=1)


def main():
    client = Client(
        WRITE_KEY,
        host=HOST,
        gzip="--gzip" in sys.argv[3:],
        on_error=lambda error, items: FAILURES.append(str(error)),
        upload_size=4,
        upload_interval=0.1,
        max_retries=3,
    )
    order = {"order_id": "o-1", "total": 59.8, "currency": "EUR", "products": [PRODUCT, PRODUCT], "nested": {"deep": [1, [2, [3]]]}}
    answers = [
        client.identify("python-user", {"email": "Ana@Example.com", "age": 31, "address": {"city": "Köln"}}, context=dict(CONTEXT)),
        client.track("python-user", "Product Viewed", PRODUCT, context=dict(CONTEXT), timestamp=TIME),
        client.track("python-user", "Order Completed", order, anonymous_id="python-anon", message_id="python-order-1", timestamp=TIME),
        client.track(None, "Ruled Out", {}, anonymous_id="python-anon", integrations={"All": False, "GA4": True}),
        client.page("python-user", "Docs", "Home", {"url": "https://shop.example/", "title": "Start"}),
        client.screen(None, None, "Wishlist", {"items": 0}, anonymous_id="python-anon"),
        client.group("python-user", "club-7", {"name": "Bergfreunde e.V.", "employees": 42}),
        client.alias("python-anon", "python-user"),
        # Half of a surrogate pair, and a number that JSON does not have.
        client.track("python-user", "Half a Pair", {"text": "x\ud83dy"}, message_id="python-half-pair"),
        client.track("python-user", "No Number", {"ratio": float("nan")}, message_id="python-no-number"),
    ]
    client.shutdown()
    if FAILURES:
        sys.exit("\n".join(FAILURES))
    for accepted, event in answers:
        if not accepted:
            sys.exit(f"not taken: {event}")
        print(json.dumps(readable(event)))


def readable(event):
    """The event with what JSON has instead of half a pair and of what is no number."""
    properties = dict(event.get("properties") or {})
    if "text" in properties:
        properties["text"] = properties["text"].replace("\ud83d", "\ufffd")
    if "ratio" in properties:
        properties["ratio"] = None
    return {**event, "properties": properties} if properties else event


main()
