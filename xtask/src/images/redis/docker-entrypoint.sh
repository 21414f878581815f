#!/bin/sh
# Behaves as the entrypoint of the official image: flags and a .conf file go to redis-server, which
# runs as the user redis and answers other containers.
set -eu

case "${1:-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis:redis {} +
        exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
    fi
    set -- "$@" --protected-mode no
fi
exec "$@"
