#!/bin/sh
# After the files of the Debian package are unpacked. dpkg runs it with "configure" and, after an
# upgrade, the version before.
set -e

case "$1" in
configure | abort-upgrade | abort-remove) ;;
*) exit 0 ;;
esac

if ! getent passwd bellhop >/dev/null; then
	adduser --quiet --system --group --home /var/lib/bellhop --no-create-home --gecos bellhop bellhop
fi

# The settings may have secrets: only root writes them, and only the service reads them. Modes
# that an administrator has set win.
for file in /etc/bellhop /etc/bellhop/bellhop.yaml; do
	if [ -e "$file" ] && ! dpkg-statoverride --list "$file" >/dev/null; then
		chgrp bellhop "$file"
	fi
done

# configured tells whether the service could start.
configured() {
	runuser -u bellhop -- bellhop config --check /etc/bellhop/bellhop.yaml >/dev/null 2>&1
}

# The service is enabled if it was so before, and at first if it has been configured already. The
# mask is that of a removal without a purge.
deb-systemd-helper unmask bellhop.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled bellhop.service && configured; then
	deb-systemd-helper enable bellhop.service >/dev/null || true
else
	deb-systemd-helper update-state bellhop.service >/dev/null || true
fi

if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
	if systemctl is-active --quiet bellhop.service || systemctl is-enabled --quiet bellhop.service; then
		deb-systemd-invoke restart bellhop.service >/dev/null || true
	elif [ -z "$2" ]; then
		echo "bellhop has not been started: it needs a key that verifies tokens."
		echo "Set one in /etc/bellhop/bellhop.yaml, then run: systemctl enable --now bellhop"
	fi
fi
