#!/bin/sh
# Before the files of the RPM package are removed: rpm runs it with the number of versions that
# stay.
set -e

if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
	systemctl disable --now bellhop.service
fi
