#!/bin/sh
# After the files of the RPM package are unpacked: rpm runs it with the number of versions that
# are installed then. As usual on such systems, the administrator enables and starts the service.
set -e

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ "$1" -gt 1 ]; then
	systemctl try-restart bellhop.service
else
	echo "Set a key that verifies tokens in /etc/bellhop/bellhop.yaml, then run: systemctl enable --now bellhop"
fi
