# Runs a peer of the portal from packages that are unpacked and not installed: installed, lighttpd would take port 80, and
# openNDS would put this machine behind a captive portal. For a mount namespace of its own; openNDS wants one of
# processes and one of the network, too.
#
#   lighttpd PACKAGES CORE CONFIG         serves until it is killed
#   opennds  PACKAGES CORE TITLE LOAD...  prints its page and what LOAD URL, run at a guest's, printed
set -eu
peer=$1 packages=$2 core=$3
shift 3

# The packages, if they brought anything, are laid over what is installed; what is written is gone at the end.
lay_over() {
    mount -t tmpfs none /mnt
    for part in usr etc; do
        mkdir -p /mnt/$part /mnt/work/$part "$packages/$part"
        mount -t overlay -o "lowerdir=$packages/$part:/$part,upperdir=/mnt/$part,workdir=/mnt/work/$part" none /$part
    done
}

serve_lighttpd() {
    exec taskset --cpu-list "$core" lighttpd -D -f "$1"
}

# A guest at the end of a cable, an uplink that exists and leads nowhere, and a lease: openNDS refuses guests without one.
wire() {
    ip link set lo up
    ip link add guests type veth peer name phone
    ip address add 10.99.0.1/24 dev guests
    ip link set guests up
    ip link add wan type veth peer name internet
    ip address add 192.0.2.1/24 dev wan
    ip link set wan up
    ip link set internet up
    ip neighbour replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev wan nud stale
    ip route add default via 192.0.2.254
    unshare --net sleep 600 &
    guest=$!
    # It is there when its network is not ours any more.
    until [ "$(readlink /proc/$guest/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link set phone netns $guest
    at_guest ip address add 10.99.0.2/24 dev phone
    at_guest ip link set phone address 02:00:00:00:01:00 up
    at_guest ip route add default via 10.99.0.1
    echo '4000000000 02:00:00:00:01:00 10.99.0.2 phone *' >/tmp/dhcp.leases
}

at_guest() {
    nsenter --target $guest --net "$@"
}

# openNDS calls `iptables`. The old one where the kernel has it: on top of nftables its set-up fails on some kernels.
choose_iptables() {
    for way in legacy nft; do
        ln -sf xtables-$way-multi /usr/sbin/iptables
        ln -sf xtables-$way-multi /usr/sbin/ip6tables
        if iptables -S >/dev/null; then return; fi
    done
    return 1
}

# Its default page with a button, as its scripts make it for each request.
configure() {
    cat >/etc/opennds/opennds.conf <<END
GatewayInterface guests
GatewayName $1
login_option_enabled 1
FirewallRuleSet users-to-router {
    FirewallRule allow udp port 53
    FirewallRule allow udp port 67
}
END
}

ask_opennds() {
    configure "$1"
    shift
    taskset --cpu-list "$core" opennds -f >/mnt/log 2>&1 &
    for _ in $(seq 100); do
        if ndsctl status >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    # Whatever a guest wants leads to the page; its address carries who the guest is.
    page=$(at_guest curl -sS -m 10 -o /dev/null -w '%{redirect_url}' http://198.51.100.1/) || { cat /mnt/log >&2; return 1; }
    at_guest curl -sS -m 10 "$page"
    echo "$SEPARATOR"
    at_guest "$@" "$page"
}

SEPARATOR='=== what the load printed'
case $peer in
lighttpd)
    lay_over
    serve_lighttpd "$@"
    ;;
opennds)
    lay_over
    # It writes there, and the machine's own dnsmasq and journal are none of its business.
    mount -t tmpfs none /tmp
    mount -t tmpfs none /run
    choose_iptables >&2
    wire
    ask_opennds "$@"
    ;;
esac
