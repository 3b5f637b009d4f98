#!/bin/sh
# After the files of the Debian package are removed. A purge removes the settings, the data and
# the user too.
set -e

case "$1" in
remove)
	deb-systemd-helper mask bellhop.service >/dev/null || true
	;;
purge)
	deb-systemd-helper purge bellhop.service >/dev/null || true
	deb-systemd-helper unmask bellhop.service >/dev/null || true
	rm -rf /var/lib/bellhop /etc/bellhop
	if getent passwd bellhop >/dev/null && command -v deluser >/dev/null; then
		deluser --quiet --system bellhop || true
	fi
	;;
esac

if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
