# A stand-in for OpenWrt's /lib/functions.sh, for tests: UCI for shell scripts, and users. What uci writes is a shell script of
# the commands `config`, `option` and `list`, and is run as one. As with the real one, what is not committed counts, and lists of
# one configuration are forgotten with the next.

_lists=

config_load() {
	local file="${UCI_CONFIG_DIR:-/etc/config}/$1" name
	for name in $_lists; do eval "CONFIG_$name="; done
	_lists=
	_sections=
	_count=0
	[ ! -e "/var/run/uci/$1" ] || file="/var/run/uci/$1"
	[ -e "$file" ] || return 1
	. "$file"
	# Lines such as `welcomed.main.enabled='1'`.
	[ ! -e "/tmp/.uci/$1" ] || eval "$(sed "s/^$1\\.\\([a-z0-9_]*\\)\\.\\([a-z0-9_]*\\)=/CONFIG_\\1_\\2=/" "/tmp/.uci/$1")"
}

config() {
	_count=$((_count + 1))
	_section="${2:-cfg$_count}"
	_sections="$_sections $_section"
	eval "CONFIG_${_section}_TYPE=\$1"
}

option() { eval "CONFIG_${_section}_$1=\$2"; }

list() {
	_lists="$_lists ${_section}_$1"
	eval "CONFIG_${_section}_$1=\"\${CONFIG_${_section}_$1:+\$CONFIG_${_section}_$1 }\$2\""
}

config_get() { eval "$1=\"\${CONFIG_$2_$3:-\$4}\""; }

config_get_bool() {
	local _word
	config_get _word "$2" "$3" "$4"
	case "$_word" in
		1 | on | true | yes | enabled) _word=1 ;;
		0 | off | false | no | disabled) _word=0 ;;
		*) _word="$4" ;;
	esac
	eval "$1=\$_word"
}

config_foreach() {
	local _of _type
	for _of in $_sections; do
		config_get _type "$_of" TYPE
		[ "$_type" != "$2" ] || "$1" "$_of"
	done
}

append() { eval "$1=\"\${$1:+\$$1${3:- }}\$2\""; }

list_contains() {
	local _all
	eval "_all=\" \$$1 \""
	case "$_all" in *" $2 "*) return 0 ;; *) return 1 ;; esac
}

user_exists() { grep -qs "^$1:" /etc/passwd; }
