"""What the Python clients share: the calls of calls.json, made through a client of either SDK, and
each event printed as the SDK sent it, one JSON object a line.

Arguments: the daemon's base URL, the write key, calls.json, and a mode: none makes every call once,
`--count N` sends so many numbered events, `--paced` ten for each line of standard input, until it
ends. `--gzip` compresses."""

import json
import sys
from datetime import datetime, timedelta, timezone

# Events of a numbered group. The next is sent when the one before has left.
GROUP = 10

HOST, WRITE_KEY, CALLS = sys.argv[1:4]
MODE = sys.argv[4:]
FAILURES = []

# Half of a surrogate pair, and a number that JSON does not have.
DAMAGED = [
    {"type": "track", "userId": "user-1", "event": "Half a Pair", "messageId": "half-a-pair", "properties": {"text": "x\ud83dy"}},
    {"type": "track", "userId": "user-1", "event": "No Number", "messageId": "no-number", "properties": {"ratio": float("nan")}},
]


def run(make_client, **options):
    """Sends through `make_client(write_key, ...)`, and ends the process."""
    client = make_client(
        WRITE_KEY,
        host=HOST,
        gzip="--gzip" in MODE,
        on_error=lambda error, items: FAILURES.append(str(error)),
        upload_size=5,
        upload_interval=0.1,
        **options,
    )
    for group in groups():
        answers = [send(client, dict(call)) for call in group]
        client.flush()
        for accepted, event in answers:
            if not accepted:
                FAILURES.append(f"not taken: {event}")
            print(json.dumps(readable(event)), flush=True)
    client.shutdown()
    sys.exit("\n".join(FAILURES) or None)


def groups():
    with open(CALLS, encoding="utf-8") as file:
        calls = json.load(file)
    if "--paced" in MODE:
        for at, _ in enumerate(sys.stdin):
            yield [numbered(calls, at * GROUP + number) for number in range(GROUP)]
    elif "--count" in MODE:
        count = int(MODE[MODE.index("--count") + 1])
        for first in range(0, count, GROUP):
            yield [numbered(calls, number) for number in range(first, min(first + GROUP, count))]
    else:
        yield calls + DAMAGED


def numbered(calls, number):
    call = {**calls[number % len(calls)], "messageId": f"event-{number}"}
    for values in ("properties", "traits"):
        if values in call:
            call[values] = {**call[values], "number": number}
    return call


def send(client, call):
    """Makes one call; returns whether the SDK took it, and the event that it made."""
    common = {
        "context": dict(call.get("context", {})),
        "integrations": call.get("integrations"),
        "message_id": call.get("messageId"),
        "timestamp": datetime.now(tz=timezone.utc) - timedelta(minutes=call["minutesAgo"]) if "minutesAgo" in call else None,
    }
    user_id, kind = call.get("userId"), call["type"]
    if kind == "alias":
        return client.alias(call["previousId"], user_id, **common)
    common["anonymous_id"] = call.get("anonymousId")
    if kind == "identify":
        return client.identify(user_id, call["traits"], **common)
    if kind == "group":
        return client.group(user_id, call["groupId"], call["traits"], **common)
    if kind == "track":
        return client.track(user_id, call["event"], call["properties"], **common)
    show = client.page if kind == "page" else client.screen
    return show(user_id, call.get("category"), call["name"], call["properties"], **common)


def readable(event):
    """The event with what JSON has instead of half a pair and of what is no number."""
    properties = event.get("properties") or {}
    if event["messageId"] == "half-a-pair":
        properties = {"text": properties["text"].replace("\ud83d", "\ufffd")}
    elif event["messageId"] == "no-number":
        properties = {"ratio": None}
    else:
        return event
    return {**event, "properties": properties}
