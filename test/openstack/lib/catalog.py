"""Makes projects, users, roles, services and endpoints in a Keystone that has only what `keystone-manage bootstrap` makes."""
from api import KEYSTONE, PASSWORD, request, token

admin_token = token('admin', 'admin')


def call(method, path, body=None):
    return request(method, KEYSTONE + '/v3' + path, body, admin_token)[1]


def make(kind, name, **more):
    return call('POST', f'/{kind}s', {kind: {'name': name, **more}})[kind]['id']


def make_user(name, domain='default'):
    return make('user', name, domain_id=domain, password=PASSWORD)


roles = {role['name']: role['id'] for role in call('GET', '/roles')['roles']}
for name in ('service', 'heat_stack_owner', 'heat_stack_user'):
    if name not in roles:
        roles[name] = make('role', name)


def grant(user, project, *names):
    for name in names:
        call('PUT', f'/projects/{project}/users/{user}/roles/{roles[name]}')


service = make('project', 'service', domain_id='default')
for name in ('placement', 'glance', 'nova', 'neutron', 'heat'):
    grant(make_user(name), service, 'admin', 'service')

demo = make('project', 'demo', domain_id='default')
# Two, since what the one makes in their project is not the other's.
for name in ('demo', 'other'):
    grant(make_user(name), demo, 'member', 'reader', 'heat_stack_owner')
grant(call('GET', '/users?name=admin')['users'][0]['id'], demo, 'admin')

heat = make('domain', 'heat')
call('PUT', f'/domains/{heat}/users/{make_user("heat_domain_admin", heat)}/roles/{roles["admin"]}')

for name, kind, url in (('placement', 'placement', 'http://127.0.0.1:8778'),
                        ('glance', 'image', 'http://127.0.0.1:9292'),
                        ('nova', 'compute', 'http://127.0.0.1:8774/v2.1'),
                        ('neutron', 'network', 'http://127.0.0.1:9696'),
                        ('heat', 'orchestration', 'http://127.0.0.1:8004/v1/%(tenant_id)s')):
    made = make('service', name, type=kind)
    for interface in ('public', 'internal', 'admin'):
        call('POST', '/endpoints', {'endpoint': {
            'interface': interface, 'service_id': made, 'region_id': 'RegionOne', 'url': url}})
