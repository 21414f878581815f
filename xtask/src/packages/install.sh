# Installs Debian packages without starting or enabling anything.
# Arguments: packages, `--`, units that the packages bring. Runs as root.
set -eu

mark='# Made by cargo xtask while it installs packages; safe to remove.'
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
cluster=$clusters/kiuas-xtask.conf

ours() {
    [ -f "$1" ] && grep -qxF "$mark" "$1"
}

clean() {
    for file in "$policy" "$cluster"; do
        if ours "$file"; then rm -f "$file"; fi
    done
    # Only what was made here and stayed empty.
    rmdir "$clusters" /etc/postgresql-common 2>/dev/null || true
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

packages=
while [ "$1" != -- ]; do
    packages="$packages $1"
    shift
done
shift

# Units that are here already belong to the machine and stay as they are.
new=
for unit in "$@"; do
    if [ ! -e "/lib/systemd/system/$unit" ] && [ ! -e "/etc/systemd/system/$unit" ]; then
        new="$new $unit"
    fi
done

# 101: "action forbidden by policy". An administrator's own policy is respected.
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi
# PostgreSQL's package would make a cluster called `main`; nobody asked for one.
mkdir -p "$clusters"
printf '%s\ncreate_main_cluster = false\n' "$mark" >"$cluster"

export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086
    apt-get install --yes --quiet --no-install-recommends $packages
}
# The lists may name versions that the mirror has dropped: read them anew and try once more.
install || { apt-get update --quiet && install; }

# What is new shall not run after the next boot either.
if command -v systemctl >/dev/null; then
    for unit in $new; do
        systemctl --quiet disable "$unit" 2>/dev/null || true
    done
fi
