#!/bin/sh
# What cloud-init would do with a config drive: the hostname, SSH keys for root and debian, static addresses, and
# user-data that is a script. (cloud-init itself needs a minute without KVM.)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /run /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mkdir -p /run/sshd /run/config
ip link set lo up

for disk in /dev/sr0 /dev/vdb /dev/vdc; do
  [ -b $disk ] && mount -o ro $disk /run/config 2>/dev/null && [ -d /run/config/openstack ] && break
done
config=/run/config/openstack/latest

if [ -e $config/meta_data.json ]; then
  name=$(jq -r '.hostname // .name' $config/meta_data.json)
  name=${name%%.*}
  hostname "$name"
  echo "$name" >/etc/hostname
  echo "127.0.0.1 localhost $name" >/etc/hosts
  mkdir -p -m 700 /root/.ssh /home/debian/.ssh
  jq -r '.public_keys // {} | .[]' $config/meta_data.json >/root/.ssh/authorized_keys
  cp /root/.ssh/authorized_keys /home/debian/.ssh/
  chown -R debian: /home/debian/.ssh
fi

if [ -e $config/network_data.json ]; then
  jq -r '. as $data | .networks[] | select(.type == "ipv4") | . as $network
    | ($data.links[] | select(.id == $network.link)) as $link
    | [$link.ethernet_mac_address, ($link.mtu // 1500), .ip_address, .netmask,
       ([.routes[]? | select(.network == "0.0.0.0") | .gateway][0] // "-")]
    | @tsv' $config/network_data.json |
    while read -r mac mtu address mask gateway; do
      for device in /sys/class/net/*; do
        [ "$(cat "$device/address")" = "$mac" ] || continue
        device=${device##*/}
        ip link set "$device" mtu "$mtu" up
        ip addr add "$address/$(busybox ipcalc -p "$address" "$mask" | cut -d= -f2)" dev "$device"
        [ "$gateway" = - ] || ip route add default via "$gateway"
      done
    done
  jq -r '.services[]? | select(.type == "dns") | "nameserver " + .address' $config/network_data.json >/etc/resolv.conf
fi

[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key

# Once for each server, not at each start, as cloud-init does it.
if [ -e $config/user_data ] && [ ! -e /var/lib/user-data.ran ]; then
  touch /var/lib/user-data.ran
  if [ "$(head -c 2 $config/user_data)" = '#!' ]; then
    cp $config/user_data /run/user_data
    chmod 700 /run/user_data
    /run/user_data >/var/log/user-data.log 2>&1 &
  fi
fi
echo "started after $(cut -d ' ' -f 1 /proc/uptime) s" >/dev/console
