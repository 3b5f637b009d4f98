#!/bin/sh
# Before the files of the Debian package are removed. An upgrade does not stop the service: it is
# restarted when the new version has been unpacked.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop bellhop.service >/dev/null || true
fi
