"""Runs the Python recipe and prints each event on a line. The cursor is stored in a file."""

import logging
import os
import subprocess
import sys

import bellhop

url, cursor_file, sign_command = sys.argv[1:]


def say(line):
    print(line, flush=True)


def token(fresh):
    say(f"token fresh={fresh}")
    return subprocess.run(["sh", "-c", sign_command], check=True, capture_output=True, text=True).stdout.strip()


def load():
    return open(cursor_file).read() if os.path.exists(cursor_file) else None


def store(cursor):
    with open(f"{cursor_file}.new", "w") as file:
        file.write(cursor)
    os.replace(f"{cursor_file}.new", cursor_file)  # atomic, in case the program is killed
    say("stored")


def handle(event, data):
    if event != "notification":
        return say(event)
    title = data["title"]
    say(f"received {title}")
    if title == "fails always":
        raise ValueError(title)
    if title == "fails once" and not os.path.exists(f"{cursor_file}.failed"):
        open(f"{cursor_file}.failed", "w").close()
        raise ValueError(title)


logging.disable(logging.CRITICAL)  # the test provokes errors
say(f"closed {bellhop.listen(url, token, load, store, handle)}")
