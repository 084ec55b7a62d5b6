# Read by `inside`: the database, with every schema as its newest migration leaves it, and with what Keystone knows.
# shellcheck shell=bash
sql() { mariadb --no-defaults --socket="$STATE/run/mariadb.sock" -uroot "$@"; }
sql_answers() { sql -e 'select 1' >/dev/null 2>&1; }
# Each compute is in the tables of Nova and of Placement, and what Nova needs besides has reported itself.
computes_report() {
  local want; want=$(wc -w <<<"$VIRT")
  [ "$(sql -N -e "select (select count(*) from nova.compute_nodes where deleted = 0) = $want
    and (select count(*) from placement.resource_providers) >= $want
    and (select count(distinct \`binary\`) from nova.services
      where last_seen_up is not null and \`binary\` in ('nova-conductor', 'nova-scheduler')) = 2" 2>/dev/null)" = 1 ]
}
databases=(keystone glance placement nova_api nova nova_cell0 neutron heat)

# In memory: it lasts no longer than the namespaces, and nobody waits for disks that others use as well.
mkdir "$STATE/mariadb"
mount -t tmpfs -o mode=700 tmpfs "$STATE/mariadb"
mariadb-install-db --no-defaults --user=root --datadir="$STATE/mariadb" --auth-root-authentication-method=normal \
  --skip-test-db >"$STATE/log/mariadb-install.log" 2>&1
start mariadb mariadbd --no-defaults --user=root --datadir="$STATE/mariadb" --socket="$STATE/run/mariadb.sock" \
  --pid-file="$STATE/run/mariadb.own" --bind-address=127.0.0.1 --skip-log-bin --max-connections=400 \
  --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=192M --innodb-log-file-size=48M --performance-schema=OFF \
  --character-set-server=utf8mb3 --collation-server=utf8mb3_general_ci
wait_for 60 sql_answers
{
  printf 'CREATE DATABASE %s;\n' "${databases[@]}"
  echo "CREATE USER openstack@'127.0.0.1' IDENTIFIED BY '$PASSWORD'; GRANT ALL ON *.* TO openstack@'127.0.0.1';"
} | sql

# Kept for the next time, as long as the packages and what is in it are the same.
cache=$OPENSTACK_CACHE/database.sql.gz
made_by=$({ dpkg-query -W python3-{keystone,glance,placement,nova,neutron,heat}; cat "$here"/{catalog.py,common.sh,database.sh}; } | sha256sum)
keep_database() {
  mkdir -p "$OPENSTACK_CACHE"
  { echo "-- $made_by"; mariadb-dump --no-defaults --socket="$STATE/run/mariadb.sock" -uroot --databases "${databases[@]}"; } |
    gzip >"$cache.$NAMESPACE_PID"
  mv "$cache.$NAMESPACE_PID" "$cache"
}
from_cache=
if [ "$(zcat "$cache" 2>/dev/null | head -n 1)" = "-- $made_by" ]; then
  zcat "$cache" | sql
  from_cache=yes
else
  step migrations
  nova() { nova-manage --config-file "$CONFIG/nova/nova.conf" "$@"; }
  {
    keystone-manage --config-file "$CONFIG/keystone/keystone.conf" db_sync &&
      glance-manage --config-file "$CONFIG/glance/glance-api.conf" db_sync &&
      OS_PLACEMENT_CONFIG_DIR=$CONFIG/placement placement-manage --config-file "$CONFIG/placement/placement.conf" db sync &&
      heat-manage --config-file "$CONFIG/heat/heat.conf" db_sync
  } >"$STATE/log/migrations.log" 2>&1 &
  several=$!
  neutron-db-manage --config-file "$CONFIG/neutron/neutron.conf" upgrade heads >"$STATE/log/migrations-neutron.log" 2>&1 &
  neutron=$!
  {
    # Nova keeps servers that never got a compute in a database of their own: "cell 0".
    nova api_db sync && nova cell_v2 map_cell0 --database_connection "$(database nova_cell0)" && nova db sync &&
      nova cell_v2 create_cell --name cell1 --database_connection "$(database nova)" --transport-url "$broker"
  } >"$STATE/log/migrations-nova.log" 2>&1 || { tail -n 20 "$STATE/log/migrations-nova.log" >&2; exit 1; }
  wait $several || { tail -n 20 "$STATE/log/migrations.log" >&2; exit 1; }
  wait $neutron || { tail -n 20 "$STATE/log/migrations-neutron.log" >&2; exit 1; }
fi
