#!/bin/sh
# Before the files of the RPM package are unpacked, since the group of one of them is new.
set -e

getent group bellhop >/dev/null || groupadd --system bellhop
getent passwd bellhop >/dev/null ||
	useradd --system --gid bellhop --home-dir /var/lib/bellhop --no-create-home --shell /sbin/nologin --comment bellhop bellhop
