# Read by `inside`: Nova's configuration, and what each of its computes adds to it.
# shellcheck shell=bash
cat >"$CONFIG/nova/nova.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/nova.log
use_stderr = false
transport_url = $broker
my_ip = 127.0.0.1
state_path = $STATE/nova
instances_path = $STATE/nova/instances
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_workers = 1
report_interval = 3
service_down_time = 60
rootwrap_config = /etc/nova/rootwrap.conf
[wsgi]
api_paste_config = /usr/share/nova-common/api-paste.ini
[api]
auth_strategy = keystone
[conductor]
workers = 1
[scheduler]
workers = 1
[filter_scheduler]
# The flavor says on which compute a server comes to be.
enabled_filters = ComputeFilter,ImagePropertiesFilter,AggregateInstanceExtraSpecsFilter
[vnc]
enabled = false
[spice]
enabled = false
[upgrade_levels]
compute = auto
[glance]
api_servers = http://127.0.0.1:9292
$(has_database nova)
$(has_database nova_api api_database)
$(checks_tokens nova)
$(credentials service_user nova)
send_service_user_token = true
$(credentials placement nova)
$(credentials neutron nova)
$(credentials cinder nova)
$(has_broker)
EOF

# No machine is behind its servers, and nobody plugs in their ports.
cat >"$CONFIG/nova/compute-fake.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/nova-compute-fake.log
host = fake
compute_driver = fake.FakeDriver
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
EOF

cat >"$CONFIG/nova/compute-qemu.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/nova-compute-qemu.log
host = qemu
compute_driver = libvirt.LibvirtDriver
# There is no metadata service.
force_config_drive = true
reserved_host_memory_mb = 0
vif_plugging_timeout = 60
shutdown_timeout = 10
[libvirt]
virt_type = qemu
cpu_mode = none
inject_partition = -2
disk_cachemodes = file=unsafe
rng_dev_path = /dev/urandom
$(privileged "$CONFIG/nova/nova.conf" nova_sys_admin vif_plug_linux_bridge_privileged vif_plug_ovs_privileged privsep_osbrick)
EOF
