"""Runs the Python recipe: prints what it receives, a line each. The cursor is kept in a file."""

import logging
import os
import subprocess
import sys

import bellhop

url, kept, sign = sys.argv[1:]


def say(line):
    print(line, flush=True)


def token(fresh):
    say(f"token fresh={fresh}")
    return subprocess.run(["sh", "-c", sign], check=True, capture_output=True, text=True).stdout.strip()


def load():
    return open(kept).read() if os.path.exists(kept) else None


def store(cursor):
    with open(f"{kept}.new", "w") as file:
        file.write(cursor)
    os.replace(f"{kept}.new", kept)  # whole, whenever this program ends
    say("stored")


def handle(event, data):
    if event != "notification":
        return say(event)
    title = data["title"]
    say(f"heard {title}")
    if title == "fails always":
        raise ValueError(title)
    if title == "fails once" and not os.path.exists(f"{kept}.failed"):
        open(f"{kept}.failed", "w").close()
        raise ValueError(title)


logging.disable(logging.CRITICAL)  # what the test provokes
say(f"away {bellhop.listen(url, token, load, store, handle)}")
