"""Makes what every test wants to find: flavors, an image, networks, security groups; and tells of it all in
openstack.json, and to the openstack command in openrc."""
import json
import os

from api import KEYSTONE, PASSWORD, request, token

STATE, COMPUTES = os.environ['STATE'], os.environ['VIRT'].split()
NOVA, GLANCE, NEUTRON = 'http://127.0.0.1:8774/v2.1', 'http://127.0.0.1:9292/v2', 'http://127.0.0.1:9696/v2.0'
admin, demo = token('admin', 'admin'), token('demo', 'demo')


def post(url, body, by):
    return next(iter(request('POST', url, body, by)[1].values()))


# A flavor says on which compute its servers come to be: `fake.*` on the one without machines, `m1.*` on QEMU.
for compute in COMPUTES:
    aggregate = post(NOVA + '/os-aggregates', {'aggregate': {'name': compute}}, admin)['id']
    post(f'{NOVA}/os-aggregates/{aggregate}/action', {'add_host': {'host': compute}}, admin)
    post(f'{NOVA}/os-aggregates/{aggregate}/action', {'set_metadata': {'metadata': {'compute': compute}}}, admin)
flavors = {'fake': {'fake.tiny': (256, 1, 1), 'fake.small': (512, 2, 1),
                    # More than the project may have, and more than any compute has.
                    'fake.overquota': (900000, 10, 1), 'fake.nohost': (512, 700000, 1)},
           'qemu': {'m1.tiny': (256, 1, 1), 'm1.small': (512, 2, 1), 'm1.medium': (1024, 4, 2)}}
for compute in COMPUTES:
    for name, (ram, disk, cpus) in flavors[compute].items():
        made = post(NOVA + '/flavors', {'flavor': {'name': name, 'ram': ram, 'disk': disk, 'vcpus': cpus}}, admin)
        request('POST', f'{NOVA}/flavors/{made["id"]}/os-extra_specs',
                {'extra_specs': {'aggregate_instance_extra_specs:compute': compute}}, admin)


def image(name, file, **properties):
    made = request('POST', GLANCE + '/images', {'name': name, 'visibility': 'public', **properties}, admin)[1]['id']
    request('PUT', f'{GLANCE}/images/{made}/file', token=admin, file=file)
    return made


if 'qemu' in COMPUTES:
    folder = os.environ['OPENSTACK_CACHE'] + '/image/'
    image('tiny', folder + 'disk.qcow2', disk_format='qcow2', container_format='bare',
          kernel_id=image('tiny-kernel', folder + 'vmlinuz', disk_format='aki', container_format='aki'),
          ramdisk_id=image('tiny-initrd', folder + 'initrd', disk_format='ari', container_format='ari'),
          hw_cdrom_bus='scsi', hw_scsi_model='virtio-scsi', hw_rng_model='virtio',
          os_command_line='root=/dev/vda console=ttyS0 quiet mitigations=off tsc=reliable random.trust_cpu=on')
else:
    image('tiny', __file__, disk_format='raw', container_format='bare')

public = post(NEUTRON + '/networks', {'network': {
    'name': 'public', 'router:external': True, 'provider:network_type': 'flat', 'provider:physical_network': 'public'}}, admin)
post(NEUTRON + '/subnets', {'subnet': {
    'name': 'public', 'network_id': public['id'], 'ip_version': 4, 'cidr': '198.51.100.0/24', 'enable_dhcp': False,
    'gateway_ip': '198.51.100.1', 'allocation_pools': [{'start': '198.51.100.100', 'end': '198.51.100.200'}]}}, admin)
private = post(NEUTRON + '/networks', {'network': {'name': 'private'}}, demo)
subnet = post(NEUTRON + '/subnets', {'subnet': {
    'name': 'private', 'network_id': private['id'], 'ip_version': 4, 'cidr': '10.20.0.0/24', 'enable_dhcp': False}}, demo)
router = post(NEUTRON + '/routers', {'router': {
    'name': 'router', 'external_gateway_info': {'network_id': public['id']}}}, demo)
request('PUT', f'{NEUTRON}/routers/{router["id"]}/add_router_interface', {'subnet_id': subnet['id']}, demo)

# The project's default group lets nobody in.
group = post(NEUTRON + '/security-groups', {'security_group': {'name': 'ssh'}}, demo)['id']
for rule in ({'protocol': 'tcp', 'port_range_min': 22, 'port_range_max': 22}, {'protocol': 'icmp'}):
    post(NEUTRON + '/security-group-rules', {'security_group_rule': {
        'security_group_id': group, 'direction': 'ingress', 'ethertype': 'IPv4', **rule}}, demo)

for file, user in (('openrc', 'demo'), ('openrc-admin', 'admin')):
    with open(f'{STATE}/{file}', 'w') as out:
        for name, value in {'AUTH_URL': KEYSTONE + '/v3', 'IDENTITY_API_VERSION': 3, 'USERNAME': user, 'PASSWORD': PASSWORD,
                            'PROJECT_NAME': user, 'USER_DOMAIN_NAME': 'Default', 'PROJECT_DOMAIN_NAME': 'Default',
                            'REGION_NAME': 'RegionOne', 'INTERFACE': 'public'}.items():
            print(f'export OS_{name}={value}', file=out)
with open(f'{STATE}/openstack.json.new', 'w') as out:
    json.dump({
        'authUrl': KEYSTONE + '/v3',
        'shortAuthUrl': os.environ['SHORT_KEYSTONE'] + '/v3',
        'shortTokenSeconds': int(os.environ['SHORT_SECONDS']),
        'region': 'RegionOne',
        'project': 'demo',
        'user': {'username': 'demo', 'password': PASSWORD},
        'other': {'username': 'other', 'password': PASSWORD},
        'admin': {'username': 'admin', 'password': PASSWORD},
        'openrc': STATE + '/openrc',
        'computes': COMPUTES,
        'flavors': {compute: list(flavors[compute]) for compute in COMPUTES},
        'image': 'tiny',
        'networks': {'private': 'private', 'public': 'public'},
        'securityGroup': 'ssh',
        'pid': int(os.environ['NAMESPACE_PID']),
    }, out, indent=2)
