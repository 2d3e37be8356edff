#!/bin/sh
# The packages feed's CI runs this with the package's name and version, under emulation: no network, no ubus.

case "$1" in
welcomed) ;;
*) echo "unknown package: $1" >&2; exit 1 ;;
esac

fail() {
	echo "$*" >&2
	exit 1
}

said="$(welcomed --version)" || fail "welcomed --version: exit $?"
# apk writes a pre-release with _rc1, Cargo with -rc.1.
[ "$(echo "$said" | sed 's/-\([a-z]*\)\./_\1/')" = "$2" ] || fail "welcomed --version says '$said', the package is $2"

dir="$(mktemp -d)" || fail "no temporary directory"
trap 'rm -rf "$dir"' EXIT

timeout 30 welcomed check --config /etc/config/welcomed || fail "the shipped configuration is not accepted: exit $?"

printf "config welcomed 'main'\n\toption enabeld '1'\n" > "$dir/wrong"
timeout 30 welcomed check --config "$dir/wrong" 2> "$dir/said"
[ $? -eq 78 ] || fail "a mistake in the configuration is not exit code 78"
grep enabeld "$dir/said" > /dev/null || fail "the mistake is not named: $(cat "$dir/said")"

timeout 30 welcomed status --socket "$dir/none" 2> /dev/null && fail "a status where no agent runs"
exit 0
