#!/bin/sh
# Restarts a container that Docker calls unhealthy: `restart: always` does not, it waits for the process to end.
# Looks from outside and knows nothing of the service but its health status; see --help. POSIX sh, and `timeout`.
set -u

usage() {
  cat <<'HELP'
usage: monitor.sh --container NAME [options]

Asks Docker for a container's health, and restarts it after so many unhealthy answers in a row. A container that is
paused, created, restarting or stopped is left alone. One line per event on stdout, none for a quiet check.

  --container NAME   name or id                                                      VITALS_CONTAINER
  --interval S       seconds from one check to the next, 1 to 86400; 30              VITALS_INTERVAL
  --failures N       unhealthy checks in a row, 1 to 1000; 3                         VITALS_FAILURES
  --stop-timeout S   seconds that it has to stop, 0 to 3600; 30                      VITALS_STOP_TIMEOUT
  --backoff S        least seconds between two restarts, 0 to 86400, doubled         VITALS_BACKOFF
                     with every restart of the last hour; 60
  --backoff-max S    where the doubling ends, 0 to 86400; 900                        VITALS_BACKOFF_MAX
  --per-hour N       restarts in an hour, 0 to 60; 0 only says what it sees; 4       VITALS_PER_HOUR
  --state FILE       keeps the counts over its own end; with --once                  VITALS_STATE
                     /var/lib/nestjs-vitals/NAME.state
  --once             one check, for cron: the counts are in the state file
  --help

A flag wins over its variable. DOCKER_HOST and DOCKER_CONFIG are Docker's own.
Ends with 0 (also after SIGTERM), 64 for a wrong option, 69 without docker, 74 when --once cannot keep its counts.
HELP
}

# An engine that hangs must not make this hang.
ASK_SECONDS=10
# `.ID`, not `.Id`: with the latter Docker leaves its own types for bare JSON, in which no HEALTHCHECK is an error.
# shellcheck disable=SC2016 # a Go template's variables
FORMAT='{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.ID}} {{.State.StartedAt}}
{{with .State.Health}}{{$last := ""}}{{range .Log}}{{$last = .Output}}{{end}}{{$last}}{{end}}'

say() {
  printf '%s %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$container" "$1"
}

# --- what is asked for ---

problems=''
problem() {
  problems="${problems}monitor.sh: $1
"
}

read_flags() {
  once=''
  while [ $# -gt 0 ]; do
    flag=$1
    shift
    case $flag in
    --help) usage && exit 0 ;;
    --once) once=yes && continue ;;
    --*=*) value=${flag#*=} flag=${flag%%=*} ;;
    --container | --interval | --failures | --stop-timeout | --backoff | --backoff-max | --per-hour | --state)
      [ $# -gt 0 ] || { problem "$flag needs a value" && continue; }
      value=$1
      shift
      ;;
    *) problem "unknown argument '$flag'; --help lists what there is" && continue ;;
    esac
    case $flag in
    --container) flag_container=$value from_container=$flag ;;
    --interval) flag_interval=$value from_interval=$flag ;;
    --failures) flag_failures=$value from_failures=$flag ;;
    --stop-timeout) flag_stop_timeout=$value from_stop_timeout=$flag ;;
    --backoff) flag_backoff=$value from_backoff=$flag ;;
    --backoff-max) flag_backoff_max=$value from_backoff_max=$flag ;;
    --per-hour) flag_per_hour=$value from_per_hour=$flag ;;
    --state) flag_state=$value ;;
    *) problem "unknown argument '$flag'; --help lists what there is" ;;
    esac
  done
}

# A number: how it is called, what is given, the least, the most, its unit. Ten digits would overflow a 32-bit shell,
# and a leading zero would be octal.
number() {
  case $2 in
  '' | *[!0-9]* | 0?* | ???????*) ;;
  *) [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] && return ;;
  esac
  problem "$1 must be a whole number of $5 from $3 to $4, got '$2'"
}

settle_options() {
  container=${flag_container-${VITALS_CONTAINER:-}}
  case $container in
  '') problem "--container or VITALS_CONTAINER must name a container, got nothing" ;;
  [!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]*)
    problem "${from_container-VITALS_CONTAINER} must be a name or an id (letters, digits, _ . -), got '$container'"
    ;;
  esac
  interval=${flag_interval-${VITALS_INTERVAL:-30}}
  failures=${flag_failures-${VITALS_FAILURES:-3}}
  stop_timeout=${flag_stop_timeout-${VITALS_STOP_TIMEOUT:-30}}
  backoff=${flag_backoff-${VITALS_BACKOFF:-60}}
  backoff_max=${flag_backoff_max-${VITALS_BACKOFF_MAX:-900}}
  per_hour=${flag_per_hour-${VITALS_PER_HOUR:-4}}
  state=${flag_state-${VITALS_STATE:-${once:+/var/lib/nestjs-vitals/$container.state}}}
  [ -z "$once" ] || [ -n "$state" ] || problem "--state must name a file when --once is given, got ''"
  number "${from_interval-VITALS_INTERVAL}" "$interval" 1 86400 seconds
  number "${from_failures-VITALS_FAILURES}" "$failures" 1 1000 checks
  number "${from_stop_timeout-VITALS_STOP_TIMEOUT}" "$stop_timeout" 0 3600 seconds
  number "${from_backoff-VITALS_BACKOFF}" "$backoff" 0 86400 seconds
  number "${from_backoff_max-VITALS_BACKOFF_MAX}" "$backoff_max" 0 86400 seconds
  number "${from_per_hour-VITALS_PER_HOUR}" "$per_hour" 0 60 restarts
}

# --- what is kept: the mood and run seen last, unhealthy checks of that run, restarts of the last hour ---

last='' run='' streak=0 since='' held='' restarts=''

load() {
  [ -n "$state" ] && [ -e "$state" ] || return 0
  if ! { read -r head && [ "$head" = 'nestjs-vitals-monitor 1' ]; } <"$state" 2>/dev/null ||
    LC_ALL=C grep -Eqv '^(nestjs-vitals-monitor 1|(last|held) [a-z]*|run [0-9a-zA-Z:.-]*|streak [0-9]{1,9}|since [0-9]{0,18}|restarts( [0-9]{1,18})* ?)$' "$state"; then
    say "state file $state is not one of ours: starts afresh"
    return 0
  fi
  while read -r key value; do
    case $key in
    last) last=$value ;;
    held) held=$value ;;
    run) run=$value ;;
    streak) streak=$value ;;
    since) since=$value ;;
    restarts) restarts=$value ;;
    esac
  done <"$state"
}

# Written beside it and renamed: a crash leaves the old one or the new one.
save() {
  [ -n "$state" ] || return 0
  if printf 'nestjs-vitals-monitor 1\nlast %s\nheld %s\nrun %s\nstreak %s\nsince %s\nrestarts %s\n' \
    "$last" "$held" "$run" "$streak" "$since" "$restarts" 2>/dev/null >"$state.$$" && mv -f "$state.$$" "$state"; then
    unsaved=''
    return 0
  fi
  rm -f "$state.$$"
  [ -n "${unsaved:-}" ] || say "cannot write state file $state: counts end with this process"
  unsaved=yes
  [ -z "$once" ]
}

# --- one check ---

# In the background, because a shell attends to a signal only after the command in front has ended.
attend() {
  "$@" >"$scratch/out" 2>"$scratch/err" &
  job=$!
  wait "$job"
  code=$?
  job=''
  return "$code"
}

line_of() {
  head -c 2000 "$1" | tr '\000-\037\177' ' ' | sed 's/  */ /g; s/ $//' | cut -c "1-${2:-300}"
}

# Sets mood, and for a container that is there also id, started and output.
look() {
  id='' started='' output=''
  if attend timeout "$ASK_SECONDS" docker inspect --type container --format "$FORMAT" "$container"; then
    read -r mood health id started <"$scratch/out"
    [ "$mood" != running ] || mood=$health
    sed 1d "$scratch/out" >"$scratch/last"
    output=$(line_of "$scratch/last")
  elif grep -Eqi 'no such (container|object)' "$scratch/err"; then
    mood=absent
  else
    mood=unreachable
    [ "$code" -ne 124 ] || echo "no answer in $ASK_SECONDS s" >"$scratch/err"
  fi
}

check() {
  now=$(date +%s)
  look
  [ "$mood" = absent ] || [ "$mood" = unreachable ] || follow_run
  if [ "$mood" = unhealthy ]; then
    : "${since:=$now}"
    unhealthy
  else
    streak=0 held=''
    [ "$mood" = "$last" ] || changed
  fi
  last=$mood
  save
}

# A container that others have started again, or made anew under the same name, has not been unhealthy before.
follow_run() {
  [ "$run" = "$id:$started" ] || streak=0
  run=$id:$started
}

changed() {
  case $mood in
  healthy)
    if [ -n "$since" ]; then say "back: healthy after $((now - since)) s"; else say 'seen: healthy'; fi
    since=''
    ;;
  starting) say 'seen: starting' ;;
  none)
    say "${since:+back, }no HEALTHCHECK: Docker cannot say how it is, so it is never restarted from here"
    since=''
    ;;
  absent) say 'absent: no container of this name' ;;
  unreachable) say "the engine does not answer: $(line_of "$scratch/err")" ;;
  *) say "seen: $mood; only a running container is restarted" ;;
  esac
  case $mood in healthy | starting | none) ;; *) : "${since:=$now}" ;; esac
}

unhealthy() {
  streak=$((streak + 1))
  [ "$streak" -gt "$failures" ] || say "unhealthy $streak of $failures: ${output:-(the check printed nothing)}"
  [ "$streak" -ge "$failures" ] || return 0
  count_restarts
  if [ "$spent" -ge "$per_hour" ]; then
    hold budget "budget spent: $spent restarts in the last hour (limit $per_hour); it stays as it is"
  elif [ "$now" -lt $((latest + pause)) ]; then
    hold backoff "waits: $((latest + pause - now)) s are left of the $pause s after the last restart"
  else
    restart
  fi
}

# One list decides both: how long to wait, and whether at all. A time in the future is a clock that was put back.
count_restarts() {
  spent=0 latest=0 pause=0 kept=''
  for at in $restarts; do
    if [ "$at" -le $((now - 3600)) ] || [ "$at" -gt "$now" ]; then continue; fi
    kept="$kept $at" latest=$at spent=$((spent + 1))
    if [ "$spent" -eq 1 ]; then pause=$backoff; else pause=$((pause * 2)); fi
    [ "$pause" -le "$backoff_max" ] || pause=$backoff_max
  done
  restarts=${kept# }
}

hold() {
  [ "$held" = "$1" ] || say "$2"
  held=$1
}

# Counted before it is done: whatever ends us meanwhile, the budget holds.
restart() {
  restarts="${restarts:+$restarts }$now" streak=0 held='' last=unhealthy
  save || exit 74
  if attend timeout "$((stop_timeout + 60))" docker restart -t "$stop_timeout" "$id"; then
    say "restarted after $failures unhealthy checks (restart $((spent + 1)) of $per_hour in the last hour)"
  else
    say "restart failed ($code): $(line_of "$scratch/err")"
  fi
}

# --- start and end ---

end() {
  trap '' TERM INT HUP
  [ -z "$job" ] || kill "$job" 2>/dev/null
  say "ended by SIG$1"
  exit 0
}

read_flags "$@"
settle_options
if [ -n "$problems" ]; then
  printf '%s' "$problems" >&2
  exit 64
fi
for tool in docker timeout; do
  command -v "$tool" >/dev/null || { echo "monitor.sh: $tool is not in PATH=$PATH" >&2 && exit 69; }
done
scratch=$(mktemp -d) || exit 74
job=''
trap 'rm -rf "$scratch"' EXIT
for signal in TERM INT HUP; do
  # shellcheck disable=SC2064 # the name is meant now
  trap "end $signal" "$signal"
done
[ -z "$once" ] || [ -n "${flag_state-${VITALS_STATE:-}}" ] || mkdir -p "${state%/*}"
load
if [ -n "$once" ]; then
  check || exit 74
  exit 0
fi
while :; do
  check
  attend sleep "$interval"
done
