# A stand-in for OpenWrt's /lib/functions/procd.sh and jshn.sh, for tests: what an init script says becomes one `service set`.
# Each call adds a line to `_lines`, of which fake-json makes JSON.

_tab="$(printf '\t')"

procd_lock() {
	[ -z "$_locked" ] || return 0
	exec 9>"/var/lock/procd_$service.lock"
	flock 9
	_locked=1
}

_add() {
	_lines="$_lines$1$_tab$2$_tab$3
"
}

json_add_object() { _add o "$1"; }
json_close_object() { _add .; }
json_add_array() { _add a "$1"; }
json_close_array() { _add .; }
json_add_string() { _add s "$1" "$2"; }
json_add_int() { _add i "$1" "$2"; }
json_add_boolean() { _add b "$1" "$2"; }

_open_service() {
	_lines=
	_validations=
	_add s name "$1"
	_add s script "$2"
	_add o instances
}

_close_service() {
	_add .
	_add a triggers
	service_triggers
	_add .
	_add a validate
	_lines="$_lines$_validations"
	_add .
	ubus call service set "$(printf '%s' "$_lines" | fake-json)"
}

procd_open_instance() { _add o "${1:-instance1}"; }
procd_close_instance() { _add .; }

procd_set_param() {
	local name="$1" each
	shift
	case "$name" in
		env | data | limits)
			_add o "$name"
			for each in "$@"; do _add s "${each%%=*}" "${each#*=}"; done
			_add .
			;;
		command | netdev | file | respawn | watch)
			_add a "$name"
			for each in "$@"; do _add s "" "$each"; done
			_add .
			;;
		nice | term_timeout) _add i "$name" "$1" ;;
		stdout | stderr | no_new_privs) _add b "$name" "$1" ;;
		user | group | capabilities | pidfile | seccomp | facility) _add s "$name" "$1" ;;
		*) echo "procd_set_param $name: not known here" >&2 ;;
	esac
}

procd_add_jail() {
	_add o jail
	_add s name "$1"
	_add .
}

procd_open_data() { _add o data; }
procd_close_data() { _add .; }

# As procd has it: an event, what to do if it is about this configuration, and how long to wait.
procd_add_reload_trigger() {
	local package
	for package in "$@"; do
		_add a
		_add s "" config.change
		_add a
		_add s "" if
		_add a
		_add s "" eq
		_add s "" package
		_add s "" "$package"
		_add .
		_add a
		_add s "" run_script
		_add s "" "$initscript"
		_add s "" reload
		_add .
		_add .
		_add i "" 1000
		_add .
	done
}

# The functions it is given call uci_load_validate without a section, which describes what may stand there.
procd_add_validation() { "$1"; }

uci_load_validate() {
	local package="$1" type="$2" section="$3" saved="$_lines" option
	shift 4
	[ -z "$section" ] || { echo "a section is not validated here" >&2; return 1; }
	_lines=
	_add o
	_add s package "$package"
	_add s type "$type"
	_add o data
	for option in "$@"; do _add s "${option%%:*}" "${option#*:}"; done
	_add .
	_add .
	_validations="$_validations$_lines"
	_lines="$saved"
}

procd_running() {
	[ "$(ubus call service list "{\"name\":\"$1\"}" | jsonfilter -e "@['$1'].instances[*].running")" = true ]
}
