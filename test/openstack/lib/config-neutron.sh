# Read by `inside`: Neutron's configuration, and that of its agents, which serve the guests of QEMU.
# shellcheck shell=bash
drivers=()
if has fake; then drivers+=(noop); fi
if has qemu; then drivers+=(linuxbridge); fi
cat >"$CONFIG/neutron/neutron.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/neutron.log
use_stderr = false
transport_url = $broker
bind_host = 127.0.0.1
bind_port = 9696
state_path = $STATE/neutron
api_paste_config = /usr/share/neutron-common/api-paste.ini
core_plugin = ml2
service_plugins = router
api_workers = 1
rpc_workers = 1
rpc_state_report_workers = 0
dhcp_agent_notification = false
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
host = qemu
[agent]
root_helper =
report_interval = 10
[ml2]
type_drivers = flat,local
# One machine needs no tunnels.
tenant_network_types = local
mechanism_drivers = $(IFS=,; echo "${drivers[*]}")
extension_drivers = port_security
[ml2_type_flat]
flat_networks = public
[securitygroup]
enable_security_group = true
[experimental]
# Neutron has declared this driver experimental, and asks for this.
linuxbridge = true
$(privileged "$CONFIG/neutron/neutron.conf" privsep privsep_namespace privsep_conntrack privsep_link privsep_dhcp_release)
$(credentials nova nova)
$(has_database neutron)
$(checks_tokens neutron)
$(has_broker)
EOF

cat >"$CONFIG/neutron/linuxbridge.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/neutron-linuxbridge-agent.log
[linux_bridge]
bridge_mappings = public:br-pub
[vxlan]
enable_vxlan = false
[securitygroup]
firewall_driver = iptables
enable_ipset = true
[agent]
polling_interval = 1
EOF
cat >"$CONFIG/neutron/l3.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/neutron-l3-agent.log
interface_driver = linuxbridge
agent_mode = legacy
enable_metadata_proxy = false
EOF

# Neutron finds the driver of the fake compute's ports as it finds every other: by a package's entry point.
package=$STATE/python/noop_ml2-1.0.egg-info
mkdir -p "$package"
cp "$here/noop_ml2.py" "$STATE/python/"
printf 'Metadata-Version: 1.0\nName: noop-ml2\nVersion: 1.0\n' >"$package/PKG-INFO"
printf '[neutron.ml2.mechanism_drivers]\nnoop = noop_ml2:NoopDriver\n' >"$package/entry_points.txt"
