# Read by `inside`: the public network, and Neutron's agents, which plug in the guests of QEMU and route to them.
# shellcheck shell=bash
# The router of the floating IPs' network is this namespace itself: tests in it reach them.
ip link add br-pub type bridge
ip addr add 198.51.100.1/24 dev br-pub
ip link set br-pub up
neutron=(--config-file "$CONFIG/neutron/neutron.conf")
start neutron-linuxbridge-agent neutron-linuxbridge-agent "${neutron[@]}" --config-file "$CONFIG/neutron/linuxbridge.conf"
start neutron-l3-agent neutron-l3-agent "${neutron[@]}" --config-file "$CONFIG/neutron/l3.conf"
wait_for 60 test -S /run/libvirt/libvirt-sock
