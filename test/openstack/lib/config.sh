# Read by `inside`: writes the configuration of every service under $STATE/etc; nothing of /etc is changed.
# shellcheck shell=bash
mkdir -p "$CONFIG"/{keystone,placement,glance,nova,neutron,heat} "$STATE"/{lock,rabbitmq,nova/instances,neutron,python}
mkdir -p "$STATE"/glance/{images,tasks,staging}

# Sections that several have.
credentials() { # SECTION USER
  cat <<EOF
[$1]
auth_url = $KEYSTONE
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $2
password = $PASSWORD
region_name = RegionOne
EOF
}
checks_tokens() { # USER
  credentials keystone_authtoken "$1"
  # A token that was revoked is refused after a second, not after five minutes.
  cat <<EOF
www_authenticate_uri = $KEYSTONE
service_token_roles_required = true
service_token_roles = service
token_cache_time = 1
EOF
}
database() { echo "mysql+pymysql://openstack:$PASSWORD@127.0.0.1:3306/$1?charset=utf8"; }
has_database() { # DATABASE [SECTION]
  cat <<EOF
[${2:-database}]
connection = $(database "$1")
max_pool_size = 5
max_overflow = 20
EOF
}
broker=rabbit://guest:guest@127.0.0.1:5672/
has_broker() {
  cat <<EOF
[oslo_messaging_notifications]
driver = noop
[oslo_concurrency]
lock_path = $STATE/lock
EOF
}
# There may be no sudo: what needs privileges is started as it is.
privileged() { # FILE CONTEXT...
  local file=$1 context; shift
  for context; do printf '[%s]\nhelper_command = privsep-helper --config-file %s\n' "$context" "$file"; done
}

cat >"$CONFIG/rabbitmq.conf" <<EOF
vm_memory_high_watermark.absolute = 1GiB
disk_free_limit.absolute = 50MB
log.console.level = warning
EOF
echo '[].' >"$CONFIG/rabbitmq.plugins"

keystone_config() { # NAME SECONDS URL: with tokens that live that long
  cat >"$CONFIG/keystone/$1.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/$1.log
use_stderr = false
public_endpoint = $3/
[cache]
enabled = true
backend = dogpile.cache.memory
[token]
provider = fernet
expiration = $2
# The cache is each process's own, and others would not hear that a token was revoked.
caching = false
[revoke]
caching = false
[fernet_tokens]
key_repository = $CONFIG/keystone/fernet-keys
[fernet_receipts]
key_repository = $CONFIG/keystone/fernet-keys
[credential]
key_repository = $CONFIG/keystone/credential-keys
[identity]
password_hash_rounds = 4
$(has_database keystone)
EOF
}
keystone_config keystone 3600 $KEYSTONE
# The same database and the same keys: every service takes its tokens, but not for long.
keystone_config keystone-short $SHORT_SECONDS $SHORT_KEYSTONE

cat >"$CONFIG/placement/placement.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/placement.log
use_stderr = false
[api]
auth_strategy = keystone
$(has_database placement placement_database)
$(checks_tokens placement)
EOF

cat >"$CONFIG/glance/glance-api.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/glance.log
use_stderr = false
transport_url = $broker
bind_host = 127.0.0.1
bind_port = 9292
workers = 1
enabled_backends = local:file
node_staging_uri = file://$STATE/glance/staging
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = $STATE/glance/images
[os_glance_tasks_store]
filesystem_store_datadir = $STATE/glance/tasks
[os_glance_staging_store]
filesystem_store_datadir = $STATE/glance/staging
[paste_deploy]
flavor = keystone
config_file = /usr/share/glance-common/glance-api-paste.ini
$(has_database glance)
$(checks_tokens glance)
$(has_broker)
EOF

cat >"$CONFIG/heat/heat.conf" <<EOF
[DEFAULT]
log_file = $STATE/log/heat.log
use_stderr = false
transport_url = $broker
heat_metadata_server_url = http://127.0.0.1:8000
heat_waitcondition_server_url = http://127.0.0.1:8000/v1/waitcondition
stack_user_domain_name = heat
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = $PASSWORD
deferred_auth_method = trusts
num_engine_workers = 1
auth_encryption_key = 0123456789abcdef0123456789abcdef
environment_dir = /etc/heat/environment.d
template_dir = /etc/heat/templates
region_name_for_services = RegionOne
[heat_api]
bind_host = 127.0.0.1
bind_port = 8004
workers = 0
[paste_deploy]
api_paste_config = /etc/heat/api-paste.ini
[clients_keystone]
auth_uri = $KEYSTONE
$(credentials trustee heat)
$(has_database heat)
$(checks_tokens heat)
$(has_broker)
EOF
