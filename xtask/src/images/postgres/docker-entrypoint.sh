#!/bin/bash
# Behaves as the entrypoint of the official image does with these variables: POSTGRES_USER,
# POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS (each also as ..._FILE), POSTGRES_HOST_AUTH_METHOD,
# PGDATA; and with the scripts in /docker-entrypoint-initdb.d.
set -euo pipefail

# The value of $1, or the content of the file that $1_FILE names, or $2.
value() {
    local file="${1}_FILE"
    if [ -n "${!file:-}" ]; then
        cat "${!file}"
    else
        printf '%s' "${!1:-${2:-}}"
    fi
}

make_cluster() {
    local user password database method
    user=$(value POSTGRES_USER postgres)
    password=$(value POSTGRES_PASSWORD)
    database=$(value POSTGRES_DB "$user")
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo 'error: POSTGRES_PASSWORD is empty; set it, or POSTGRES_HOST_AUTH_METHOD=trust' >&2
        exit 1
    fi
    # shellcheck disable=SC2046
    initdb --username="$user" --pwfile=<(printf '%s\n' "${password:-unused}") \
        $(value POSTGRES_INITDB_ARGS) >/dev/null
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # Nobody but this script reaches the server until everything is in place.
    pg_ctl --wait --options="-c listen_addresses=''" start >/dev/null
    if [ "$database" != postgres ]; then
        createdb --username="$user" "$database"
    fi
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) bash "$file" ;;
        *.sql) psql --set=ON_ERROR_STOP=1 --no-password --username="$user" --dbname="$database" --file="$file" ;;
        esac
    done
    pg_ctl --mode=fast --wait stop >/dev/null
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chown -R postgres:postgres "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        make_cluster
    fi
fi
exec "$@"
