#!/bin/sh
# After the files of the RPM package are removed. The data and the user stay: RPM has no purge.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
