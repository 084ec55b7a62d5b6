"""Requests to OpenStack's API: the openstack command takes a second or two for each."""
import json
import os
import urllib.error
import urllib.request

KEYSTONE, PASSWORD = os.environ['KEYSTONE'], os.environ['PASSWORD']


def request(method, url, body=None, token=None, file=None):
    headers = {'Content-Type': 'application/json'}
    data = None if body is None else json.dumps(body).encode()
    if file is not None:
        data = open(file, 'rb')
        headers = {'Content-Type': 'application/octet-stream', 'Content-Length': str(os.path.getsize(file))}
    if token is not None:
        headers['X-Auth-Token'] = token
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data, headers=headers)) as answer:
            text = answer.read()
            return answer.headers, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise SystemExit(f'{method} {url}: {error.code} {error.read().decode()[:400]}')


def token(user, project):
    domain = {'id': 'default'}
    headers, _ = request('POST', KEYSTONE + '/v3/auth/tokens', {'auth': {
        'identity': {'methods': ['password'],
                     'password': {'user': {'name': user, 'domain': domain, 'password': PASSWORD}}},
        'scope': {'project': {'name': project, 'domain': domain}}}})
    return headers['X-Subject-Token']
