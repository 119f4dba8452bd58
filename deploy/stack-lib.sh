# SPDX-License-Identifier: Apache-2.0
# What deploy/stack knows about processes: start them on record, wait for them within a limit, stop just those.
# shellcheck shell=bash
#
# The record, $DIR/pids, holds a line "SERVICE PID START" for each process, START being field 22 of
# /proc/PID/stat (clock ticks since boot): a number that was given to another process since does not match.

readonly START_LIMIT_S=120    # one service, from its start to its first sign of life
readonly STOP_GRACE_S=10      # after the polite signal
readonly KILL_GRACE_S=60      # after SIGKILL: a write that is under way ends first
readonly POLL_S=0.02
readonly PORT_TRIES=20
readonly PORT_LOWEST=15000    # below it live services that people install
readonly PORT_FOLDER=/tmp/wasl-ports-$EUID # a file for each port that a stack has
readonly LOG_TAIL_LINES=15
readonly PORT_BUSY='Address already in use|could not bind'

fail() {
	printf 'stack: %s\n' "$*" >&2
	exit 1
}

usage_error() {
	printf 'stack: %s\n' "$*" >&2
	exit 2
}

# wait_until LIMIT_S COMMAND…: true as soon as the command is, false once the limit has passed.
wait_until() {
	local deadline_us=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < deadline_us)) || return 1
		sleep "$POLL_S"
	done
}

# Prints the start time of a process; fails for one that is gone or waits, dead, for its parent. One that was killed is
# dead when the last of its threads is: one in the middle of a write keeps its ports and files till then.
start_time() {
	local line fields
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	read -ra fields <<<"${line##*) }" # the name, in brackets, may hold anything
	[[ ${fields[0]} != [ZX] ]] || ((fields[17] > 1)) || return 1 # field 20, its threads
	printf '%s' "${fields[19]}"
}

is_alive() { # PID START
	[[ $(start_time "$1") == "$2" ]]
}

# Prints "PID START" of every process on record under a name that still lives; fails if there is none.
living() {
	local name pid start found=1
	[[ -f $DIR/pids ]] || return 1
	while read -r name pid start; do
		if [[ $name == "$1" && -n $start ]] && is_alive "$pid" "$start"; then
			printf '%s %s\n' "$pid" "$start"
			found=0
		fi
	done <"$DIR/pids"
	return "$found"
}

is_running() {
	living "$1" >/dev/null
}

is_stopped() {
	! is_running "$1"
}

pid_of() {
	living "$1" | { read -r pid _ && printf '%s' "$pid"; }
}

# spawn SERVICE COMMAND…: starts it in a session of its own, on record before its program runs, its output
# added to $DIR/SERVICE.log, no descriptor of ours left open in it. LOG_MARK is where the new output begins.
spawn() {
	local service=$1 log=$DIR/$1.log fd self
	shift
	: >>"$log"
	LOG_MARK=$(stat -c %s "$log")
	(
		trap - EXIT INT TERM HUP
		for fd in "/proc/$BASHPID/fd/"*; do
			fd=${fd##*/}
			((fd < 3 || fd == 255)) || exec {fd}>&-
		done
		cd / || exit 1
		self=$BASHPID
		printf '%s %s %s\n' "$service" "$self" "$(start_time "$self")" >>"$DIR/pids"
		exec setsid "$@"
	) </dev/null >>"$log" 2>&1 &
	SPAWNED=$!
	wait_until "$START_LIMIT_S" is_on_record "$SPAWNED" || fail "$service could not be started"
}

is_on_record() {
	grep -q " $1 " "$DIR/pids" 2>/dev/null
}

fresh_log() { # SERVICE: what it wrote since the last spawn
	tail -c "+$((LOG_MARK + 1))" "$DIR/$1.log"
}

log_says() { # SERVICE PATTERN
	grep -qE -- "$2" <(fresh_log "$1")
}

said_or_ended() {
	log_says "$1" "$2" || is_stopped "$1"
}

# Waits until a service's log holds PATTERN; fails if it ends or the limit passes before.
wait_for_log() {
	wait_until "$START_LIMIT_S" said_or_ended "$1" "$2" && log_says "$1" "$2"
}

fail_with_log() { # SERVICE TEXT
	printf 'stack: %s; the end of %s:\n' "$2" "$DIR/$1.log" >&2
	tail -n "$LOG_TAIL_LINES" "$DIR/$1.log" 2>/dev/null | sed 's/^/  | /' >&2
	exit 1
}

# A loopback port below those that the kernel hands out by itself, and of no other stack, running or with a service
# stopped; whether it is free otherwise shows when it is bound.
random_port() {
	local above port tries
	read -r above _ </proc/sys/net/ipv4/ip_local_port_range || above=32768
	((above > PORT_LOWEST + 1000)) || above=32768
	mkdir -m 700 "$PORT_FOLDER" 2>/dev/null
	for ((tries = 0; tries < PORT_TRIES; tries++)); do
		port=$((PORT_LOWEST + SRANDOM % (above - PORT_LOWEST)))
		if reserve_port "$port"; then break; fi
	done
	printf '%d' "$port"
}

# A port is its stack's as long as the file that its reservation names is there. Without the folder there are none.
reserve_port() {
	local owner file=$PORT_FOLDER/$1
	[[ -d $PORT_FOLDER && -O $PORT_FOLDER ]] || return 0
	if { read -r owner <"$file"; } 2>/dev/null && [[ ! -e $owner ]]; then rm -f "$file"; fi
	(set -o noclobber && printf '%s\n' "$DIR/temp" >"$file") 2>/dev/null
}

forget_ports() {
	local file
	grep -lxF -- "$DIR/temp" "$PORT_FOLDER"/* 2>/dev/null | while read -r file; do rm -f "$file"; done
	return 0
}

# start_on_free_port SERVICE READY CONFIGURE SPAWN: calls CONFIGURE PORT and SPAWN until the service's log says
# READY, with another port whenever it says that one is taken.
start_on_free_port() {
	local service=$1 ready=$2 configure=$3 spawn=$4 tries
	for ((tries = 0; tries < PORT_TRIES; tries++)); do
		"$configure" "$(random_port)"
		"$spawn"
		if wait_for_log "$service" "$ready"; then return; fi
		stop_service "$service" KILL
		log_says "$service" "$PORT_BUSY" || fail_with_log "$service" "$service did not start"
	done
	fail_with_log "$service" "no free port for $service in $PORT_TRIES tries"
}

# stop_service SERVICE SIGNAL…: each signal in turn with its grace, SIGKILL in the end. SIGCONT goes along, as
# a stopped process would not see them.
stop_service() {
	local service=$1 signal grace=$STOP_GRACE_S
	shift
	for signal in "$@" KILL; do
		is_running "$service" || return 0
		if [[ $signal == KILL ]]; then
			[[ $1 == KILL ]] || printf 'stack: %s has not ended: killed\n' "$service" >&2
			grace=$KILL_GRACE_S
		fi
		signal_service "$service" "$signal"
		wait_until "$grace" is_stopped "$service" && return 0
	done
	printf 'stack: %s cannot be stopped\n' "$service" >&2
	return 1
}

signal_service() {
	local pid start
	while read -r pid start; do
		is_alive "$pid" "$start" || continue
		kill -s "$2" "$pid" 2>/dev/null
		kill -s CONT "$pid" 2>/dev/null
	done < <(living "$1")
	return 0
}

# Postgres's back-ends outlive a killed postmaster for a moment. Their working folder is the data folder, which
# nobody else can be in.
data_users() {
	local cwd path
	for cwd in /proc/[0-9]*/cwd; do
		path=$(readlink "$cwd" 2>/dev/null) || continue
		[[ $path == "$TEMP/data" || $path == "$TEMP/data (deleted)" ]] || continue
		cwd=${cwd#/proc/}
		printf '%s\n' "${cwd%/cwd}"
	done
}

no_data_users() {
	[[ -z $(data_users) ]]
}

end_data_users() {
	local pid
	wait_until 1 no_data_users && return 0
	for pid in $(data_users); do kill -s KILL "$pid" 2>/dev/null; done
	wait_until "$KILL_GRACE_S" no_data_users
}

# A killed postmaster also leaves its System V segment: "KEY ID" is line 7 of its pid file.
remove_segment() {
	local key id
	read -r key id < <(sed -n 7p "$TEMP/data/postmaster.pid" 2>/dev/null) || return 0
	awk -v key="$key" -v id="$id" '$1 == key && $2 == id { found = 1 } END { exit !found }' \
		/proc/sysvipc/shm 2>/dev/null && ipcrm -m "$id" 2>/dev/null
	return 0
}
