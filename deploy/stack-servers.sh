# SPDX-License-Identifier: Apache-2.0
# deploy/stack's two servers: where Postgres's programs are and as whom they run, both configurations, the database.
# shellcheck shell=bash
#
# Redis keeps its data in $DIR. Postgres and all sockets live in $TEMP, a short folder of their own.

readonly REDIS_READY='Ready to accept connections'
readonly POSTGRES_READY='database system is ready to accept connections'
# Said while something of a killed server is still there: its last backends, their shared memory, its process to be reaped.
readonly POSTGRES_LEFT='lock file "postmaster.pid" already exists|pre-existing shared memory block'
readonly MIGRATE_LIMIT_S=180
readonly INITDB_OPTIONS=(--no-sync --username=postgres --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8)
readonly ROLES=(wasl wasl_attributor wasl_finance wasl_cashier)

declare -A SECRETS=() # role: password
PG_BIN='' PG_PORT='' REDIS_PORT=''
AS_USER=() # goes before Postgres's programs, which refuse root

find_postgres() {
	local user
	PG_BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	[[ -x $PG_BIN/initdb ]] || PG_BIN=$(pg_config --bindir 2>/dev/null)
	[[ -x $PG_BIN/initdb ]] || fail "no Postgres server found: run make deps"
	type -P redis-server >/dev/null || fail "no redis-server found: run make deps"
	((EUID == 0)) || return 0
	user=postgres
	id -u "$user" >/dev/null 2>&1 || user=nobody
	AS_USER=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
}

random_hex() { # BYTES
	od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

# Short, as a socket's path ends at 107 bytes, and enterable for Postgres's user whatever the mode of DIR.
make_temp() {
	TEMP=$(mktemp -d /tmp/wasl.XXXXXX) || return 1
	printf '%s\n' "$TEMP" >"$DIR/temp"
	printf '%s' "${SECRETS[superuser]}" >"$TEMP/password"
	((EUID != 0)) || chown -R "${AS_USER[1]#*=}" "$TEMP"
}

# A template's data folder is copied, and its superuser's password taken over; without one initdb runs.
spawn_initdb() {
	if [[ -n $TEMPLATE ]] && "${AS_USER[@]}" test -O "$TEMPLATE/data/PG_VERSION"; then
		SECRETS[superuser]=$(<"$TEMPLATE/password")
		spawn initdb "${AS_USER[@]}" cp -a "$TEMPLATE/data" "$TEMP/data"
	else
		spawn initdb "${AS_USER[@]}" "$PG_BIN/initdb" "${INITDB_OPTIONS[@]}" -D "$TEMP/data" --pwfile="$TEMP/password"
	fi
}

# make_template DIR: what spawn_initdb can copy.
make_template() {
	random_hex 16 >"$1/password"
	((EUID != 0)) || chown "${AS_USER[1]#*=}" "$1" "$1/password"
	"${AS_USER[@]}" "$PG_BIN/initdb" "${INITDB_OPTIONS[@]}" -D "$1/data" --pwfile="$1/password" >"$1/initdb.log" 2>&1
}

spawn_redis() {
	spawn redis redis-server "$DIR/redis.conf"
}

spawn_postgres() {
	spawn postgres "${AS_USER[@]}" "$PG_BIN/postgres" -D "$TEMP/data"
}

# Over what a killed one left, once that is gone.
restart_postgres() {
	local deadline=$((SECONDS + START_LIMIT_S))
	while spawn_postgres; do
		if wait_for_log postgres "$POSTGRES_READY"; then return 0; fi
		log_says postgres "$POSTGRES_LEFT" || return 1
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

configure_redis() { # PORT
	REDIS_PORT=$1
	cat >"$DIR/redis.conf" <<-END
		bind 127.0.0.1
		port $1
		unixsocket $TEMP/redis.sock
		unixsocketperm 700
		dir "${DIR//[\"\\]/\\&}/redis"
		save ""
		appendonly yes
		appendfsync everysec
		maxmemory-policy noeviction
		databases 16
	END
}

configure_postgres() { # PORT
	PG_PORT=$1
	rm -f "$TEMP/password"
	cat >>"$TEMP/data/postgresql.conf" <<-END
		listen_addresses = '127.0.0.1'
		port = $1
		unix_socket_directories = '$TEMP'
		unix_socket_permissions = 0700
		max_connections = 60
		shared_buffers = 64MB
		dynamic_shared_memory_type = mmap
		max_wal_size = 256MB
		password_encryption = scram-sha-256
		log_line_prefix = '%m [%p] %q%u '
		timezone = 'UTC'
		log_timezone = 'UTC'
		jit = off
	END
}

# The superuser's part: the roles with their passwords and the database. The rest belongs to its owner.
make_database() {
	local role
	{
		cat "$ROOT/schema/roles.sql"
		for role in "${ROLES[@]}"; do printf "ALTER ROLE %s PASSWORD '%s';\n" "$role" "${SECRETS[$role]}"; done
		printf 'CREATE DATABASE wasl OWNER wasl;\n'
	} | PGPASSWORD=${SECRETS[superuser]} "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 \
		-h 127.0.0.1 -p "$PG_PORT" -U postgres -d postgres >>"$DIR/setup.log" 2>&1 ||
		fail_with_log setup "the roles could not be made"
	WASL_DATABASE_URL=$(database_url wasl) WASL_SCHEMA_DIR=$ROOT/schema WASL_KEYRING=$DIR/keyring \
		timeout "$MIGRATE_LIMIT_S" "$BIN/waslctl" migrate >>"$DIR/setup.log" 2>&1 ||
		fail_with_log setup "waslctl migrate failed"
}

database_url() { # ROLE
	printf 'postgresql://%s:%s@127.0.0.1:%s/wasl' "$1" "${SECRETS[$1]}" "$PG_PORT"
}

redis_url() {
	printf 'redis://127.0.0.1:%s' "$REDIS_PORT"
}
