# Read by `inside`: libvirt, for the compute that runs QEMU. It needs no systemd, D-Bus, udev or virtlogd.
# shellcheck shell=bash
# Its user must exist, though it is not used.
getent group libvirt-qemu >/dev/null || groupadd -r libvirt-qemu
getent passwd libvirt-qemu >/dev/null || useradd -r -M -d /nonexistent -s /usr/sbin/nologin -g libvirt-qemu libvirt-qemu
getent group kvm >/dev/null || groupadd -r kvm
# Its folders are compiled in. Outside of this namespace they are as they were.
for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
  mkdir -p "$folder" "$STATE/libvirt$folder"
  mount --bind "$STATE/libvirt$folder" "$folder"
done
mkdir -p /etc/libvirt/qemu
cat >/etc/libvirt/libvirtd.conf <<EOF
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "2:file:$STATE/log/libvirtd.log"
EOF
cat >/etc/libvirt/qemu.conf <<EOF
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
set_process_name = 1
EOF
start libvirtd libvirtd
