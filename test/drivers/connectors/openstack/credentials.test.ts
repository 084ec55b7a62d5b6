import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConnectorError } from '../../../../src/drivers/connectors/connector.js';
import {
  type Credentials,
  readCredentials,
} from '../../../../src/drivers/connectors/openstack/credentials.js';
import { readOpenrc } from '../../../../src/drivers/connectors/openstack/openrc.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-credentials-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};
const openrc = (text: string) => readCredentials({ openrc: file('openrc.sh', text) });
const failure = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectorError);
    expect(error).toMatchObject({ problem: 'refused' });
    return (error as Error).message;
  }
  throw new Error('it was taken');
};

const good = `
export OS_AUTH_URL=https://cloud.example.org:5000/v3
export OS_PROJECT_NAME="demo"
export OS_USERNAME="ada"
export OS_PASSWORD='s3cret'
`;
const expected: Credentials = {
  authUrl: 'https://cloud.example.org:5000/v3',
  login: {
    by: 'password',
    user: { name: 'ada', domain: { id: 'default' } },
    password: 's3cret',
  },
  project: { name: 'demo', domain: { id: 'default' } },
  region: null,
  interface: null,
  ca: null,
  insecure: false,
};
/** What asks for the password in the openrc file of OpenStack's dashboard, and what we say to put in its place. */
const asked = `echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
`;
const keyed = "export OS_PASSWORD='s3cret'\n";
const horizon = `#!/usr/bin/env bash
# With the addition of Keystone, to use an openstack cloud you should
# authenticate against keystone, which doesn't hand out a **Token** to just anybody.
export OS_AUTH_URL=https://cloud.example.org:5000/v3
export OS_PROJECT_ID=p1
export OS_PROJECT_NAME="demo"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
# unset v2.0 items in case set
unset OS_TENANT_ID
unset OS_TENANT_NAME
export OS_USERNAME="ada"
# With Keystone you pass the keystone password.
${asked}# Don't leave a blank variable, unset it if it was empty
export OS_REGION_NAME="RegionOne"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
`;
const fromHorizon: Credentials = {
  ...expected,
  login: { by: 'password', user: { name: 'ada', domain: { name: 'Default' } }, password: 's3cret' },
  project: { id: 'p1' },
  region: 'RegionOne',
  interface: 'public',
};
const withPassword = (password: string): Credentials => ({
  ...expected,
  login: { by: 'password', user: { name: 'ada', domain: { id: 'default' } }, password },
});

describe('the words of an openrc file are those of a shell', () => {
  test.each([
    ['plain', 'A=b', 'b'],
    ['nothing', 'A=', ''],
    ['exported', 'export A=b', 'b'],
    ['exported, with more on the line', 'export B=c A=b C=d', 'b'],
    ['exported later', 'A=b\nexport A', 'b'],
    ['declared', 'declare -x A="b"', 'b'],
    ['with spaces in double quotes', 'A="b c"', 'b c'],
    ['in single quotes', "A='b $C `d` \\n'", 'b $C `d` \\n'],
    ['quoted in pieces', `A=b"c d"'e f'\\ g`, 'bc de f g'],
    ['a quote in a quote', `A="it's"`, "it's"],
    ['an escaped quote', 'A="a \\"b\\" \\\\ \\$c \\d"', 'a "b" \\ $c \\d'],
    ['a comment after it', 'A=b # and c', 'b'],
    ['a hash that is no comment', 'A=b#c', 'b#c'],
    ['a hash in quotes', 'A="#b"', '#b'],
    ['an equals sign', 'A=b=c==', 'b=c=='],
    ['several on a line', 'B=c; A=b; C=d', 'b'],
    ['after a condition that is a list', 'true && A=b', 'b'],
    ['the last one counts', 'A=a\nA=b', 'b'],
    ['another of the file', 'B=c\nA=$B/d', 'c/d'],
    ['another in braces', 'B=c\nA="${B}d"', 'cd'],
    ['another in single quotes', "B=c\nA='$B'", '$B'],
    ['another or else', 'A="${B:-c d}"', 'c d'],
    ['another or else, in quotes of its own', 'A=${B:-"c d"}', 'c d'],
    ['another, though there is an else', 'B=b\nA=${B:-c}', 'b'],
    ['an else that refers', 'C=d\nA="${B:-$C}"', 'd'],
    ['itself, longer', 'A=b\nA="$A c"', 'b c'],
    ['added to', 'A=b\nA+=c', 'bc'],
    ['a lone dollar', 'A="5 $ and 6$"', '5 $ and 6$'],
    ['escapes', "A=$'a\\tb\\'c'", "a\tb'c"],
    ['a continued line', 'export \\\n  A=b', 'b'],
    ['lines of Windows', 'B=c\r\nA=b\r\n', 'b'],
    ['a byte order mark', '\uFEFFA=b', 'b'],
    ['more than one line', 'A="b\nc"', 'b\nc'],
    ['letters of the world', 'A=grüße-☃', 'grüße-☃'],
    ['set before a condition that sets it', 'A=b\nif [ -z "$A" ]; then A=c; fi', 'b'],
    ['cleared if empty, as dashboards write it', 'A=b\nif [ -z "$A" ]; then unset A; fi', 'b'],
    ['after a function', 'f() { A=c; }\nA=b', 'b'],
    ['for one command only, which is nothing', 'A=b\nA=c command', 'b'],
  ])('%s', (_, text, value) => {
    expect(readOpenrc(text, 'openrc').get('A')).toMatchObject({ value });
  });

  test.each([
    ['unset', 'A=b\nunset A', undefined],
    ['in a comment', '# A=b', undefined],
    ['in an echo', 'echo A=b', undefined],
    ['made by a command', 'A=$(pass openstack)', 'needs a shell'],
    ['made by a command, of old', 'A=`pass openstack`', 'needs a shell'],
    ['made by a command in a piece', 'A="b$(echo ")")c"', 'needs a shell'],
    ['asked for', 'echo "Password: "\nread -sr B\nexport A=$B', 'is read from the keyboard'],
    ['asked for at once', 'read -s -p "Password: " A', 'is read from the keyboard'],
    ['of nowhere', 'A=$HOME/b', 'refers to $HOME'],
    ['set on a condition', 'if [ -f x ]; then\n  A=b\nfi', 'is set in a condition'],
    ['cut', 'B=c\nA=${B%/v3}', 'needs a shell'],
    ['an argument', 'A=$1', 'needs a shell'],
    ['of two words without quotes', 'A=${B:-c d}', 'needs a shell'],
  ])('%s: it is not known', (_, text, reason) => {
    const found = readOpenrc(text, 'openrc').get('A');
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject({ unknown: expect.stringContaining(reason) });
  });

  test('nothing is executed', () => {
    const touched = path.join(folder, 'touched');
    readOpenrc(`A=$(touch ${touched})\ntouch ${touched}\nB=\`touch ${touched}\``, 'openrc');
    expect(() => readCredentials({ openrc: touched })).toThrow('ENOENT');
  });

  test.each(['A="b', "A='b", "A=$'b"])('%s is never closed', (text) => {
    expect(failure(() => readOpenrc(`B=c\n${text}`, 'openrc'))).toMatch(
      /^openrc, line 2: a .+ is never closed$/,
    );
  });

  test.each(['A=$(b', 'A=${b', 'A=`b'])('%s is never closed: it is not known', (text) => {
    expect(readOpenrc(`B=c\n${text}`, 'openrc').get('A')).toEqual({
      unknown: expect.stringContaining('needs a shell'),
      line: 2,
    });
  });

  test.each([
    '',
    '\n\n',
    '#',
    'A',
    '=b',
    '$',
    '\\',
    '"',
    ')',
    '&&',
    'if',
    '${',
    "$'",
    'read',
    'unset',
    '\u0000=\u0001',
  ])('%j does no harm', (text) => {
    try {
      readOpenrc(text, 'openrc');
    } catch (error) {
      expect(error).toBeInstanceOf(ConnectorError);
    }
  });
});

describe('credentials of an openrc file', () => {
  const without = (name: string) => good.replace(new RegExp(`.*${name}=.*\n`), '');
  test.each<[string, string, Credentials]>([
    ['as a dashboard gives it', good, expected],
    [
      'with everything',
      `${good}OS_REGION_NAME=One\nOS_INTERFACE=internal\nOS_INSECURE=True`,
      {
        ...expected,
        region: 'One',
        interface: 'internal',
        insecure: true,
      },
    ],
    [
      'the older word for an interface',
      `${good}OS_ENDPOINT_TYPE=publicURL`,
      { ...expected, interface: 'public' },
    ],
    [
      'domains',
      `${good}OS_USER_DOMAIN_NAME=People\nOS_PROJECT_DOMAIN_ID=p1`,
      {
        ...expected,
        login: { by: 'password', user: { name: 'ada', domain: { name: 'People' } }, password: 's3cret' },
        project: { name: 'demo', domain: { id: 'p1' } },
      },
    ],
    [
      'ids',
      `${good}OS_USER_ID=u1\nOS_PROJECT_ID=p1`,
      {
        ...expected,
        login: { by: 'password', user: { id: 'u1' }, password: 's3cret' },
        project: { id: 'p1' },
      },
    ],
    ['a tenant', `${without('OS_PROJECT_NAME')}OS_TENANT_NAME=demo`, expected],
    ['a tenant that is empty beside a project', `${good}OS_TENANT_NAME=""`, expected],
    [
      'an application credential',
      `OS_AUTH_TYPE=v3applicationcredential\n${without('OS_PASSWORD')}OS_APPLICATION_CREDENTIAL_ID=a1\nOS_APPLICATION_CREDENTIAL_SECRET=hush`,
      {
        ...expected,
        login: { by: 'application-credential', credential: { id: 'a1' }, secret: 'hush' },
        project: null,
      },
    ],
    ['as Horizon gives it, with the password written into it', horizon.replace(asked, keyed), fromHorizon],
    [
      'as OVH gives it',
      horizon.replace(asked, keyed).replace('="Default"', '=${OS_USER_DOMAIN_NAME:-"Default"}'),
      fromHorizon,
    ],
    [
      'a password with everything in it',
      good.replace("'s3cret'", `'$a"b #c;d\\e='`),
      withPassword(`$a"b #c;d\\e=`),
    ],
  ])('%s', (_, text, credentials) => {
    expect(openrc(text)).toEqual(credentials);
  });

  test.each([
    ['https://c.org:5000/v2.0', 'https://c.org:5000/v3'],
    ['https://c.org:5000/v2.0/', 'https://c.org:5000/v3'],
    ['https://c.org:5000', 'https://c.org:5000/v3'],
    ['https://c.org/identity/', 'https://c.org/identity/v3'],
    ['https://c.org/identity/v3', 'https://c.org/identity/v3'],
    ['http://[::1]:5000/v3.14/', 'http://[::1]:5000/v3'],
  ])('the address %s is %s', (given, address) => {
    expect(openrc(good.replace(/https:\S+/, given)).authUrl).toBe(address);
  });

  test('a certificate of an authority is read, from beside the file', () => {
    file('ca.pem', 'a certificate');
    expect(openrc(`${good}OS_CACERT=ca.pem`).ca).toBe('a certificate');
    expect(failure(() => openrc(`${good}OS_CACERT=nowhere.pem`))).toContain('the file that OS_CACERT names');
  });

  test.each([
    ['no user', without('OS_USERNAME'), 'OS_USERNAME is not set'],
    ['a misspelt user', good.replace('OS_USERNAME', 'OS_USERNMAE'), 'there is OS_USERNMAE: is that meant?'],
    ['an empty password', good.replace("'s3cret'", ''), 'OS_PASSWORD is empty'],
    [
      'a password that is asked for',
      `${without('OS_PASSWORD')}read -sr IN\nexport OS_PASSWORD=$IN`,
      'OS_PASSWORD is read from the keyboard',
    ],
    ["what Horizon's file asks for", horizon, 'line 18, OS_PASSWORD is read from the keyboard'],
    ['the line of it', `${without('OS_PASSWORD')}read -sr IN\nexport OS_PASSWORD=$IN`, 'line 6, '],
    ['no project', without('OS_PROJECT_NAME'), 'OS_PROJECT_NAME or OS_TENANT_NAME is not set'],
    [
      'no address',
      good.replace(/https:\S+/, 'cloud.example.org'),
      'OS_AUTH_URL is not an http or https address',
    ],
    ['a login in the address', good.replace('https://', 'https://ada:s3cret@'), 'contains a login'],
    [
      'another way to sign in',
      `${good}OS_AUTH_TYPE=v3oidcpassword`,
      'only password and v3applicationcredential',
    ],
    ['no secret', `${good}OS_APPLICATION_CREDENTIAL_ID=a1`, 'OS_APPLICATION_CREDENTIAL_SECRET is not set'],
    ['a cloud of clouds.yaml', 'export OS_CLOUD=lab', 'set CLOUD instead of CREDENTIALS_FILE'],
  ])('%s is refused', (_, text, message) => {
    const told = failure(() => openrc(text));
    expect(told).toContain(message);
    expect(told).toContain(path.join(folder, 'openrc.sh'));
    expect(told).not.toContain('s3cret');
  });

  test('a file that is not there is told of', () => {
    expect(failure(() => readCredentials({ openrc: path.join(folder, 'none') }))).toContain('ENOENT');
  });
});

describe('credentials of a clouds.yaml', () => {
  const clouds = (text: string, cloud = 'lab') => readCredentials({ cloud, file: file('clouds.yaml', text) });
  const lab = `
clouds:
  lab:
    auth:
      auth_url: https://cloud.example.org:5000/v3
      username: ada
      project_name: demo
`;

  test('with a password, here or in a secure.yaml beside it', () => {
    expect(clouds(`${lab}      password: s3cret\n`)).toEqual(expected);
    file('secure.yaml', 'clouds: { lab: { auth: { password: other } } }');
    expect(clouds(lab)).toEqual(withPassword('other'));
    rmSync(path.join(folder, 'secure.yaml'));
  });

  test('with region, interface, and without looking at certificates', () => {
    const more = `${lab}      password: 12345\n    region_name: One\n    interface: internal\n    verify: false\n`;
    expect(clouds(more)).toEqual({
      ...withPassword('12345'),
      region: 'One',
      interface: 'internal',
      insecure: true,
    });
  });

  test('with an application credential', () => {
    const text = `
clouds:
  lab:
    auth_type: v3applicationcredential
    auth: { auth_url: 'https://cloud.example.org:5000', application_credential_id: a1, application_credential_secret: hush }
`;
    expect(clouds(text)).toEqual({
      ...expected,
      login: { by: 'application-credential', credential: { id: 'a1' }, secret: 'hush' },
      project: null,
    });
  });

  test.each([
    ['another cloud', lab, 'lap', 'has no cloud lap: is lab meant? (it has lab)'],
    ['no clouds', 'a: b', 'lab', 'has no map named clouds'],
    ['nothing', '', 'lab', 'has no map named clouds'],
    ['no password', lab, 'lab', 'cloud lab: password is not set'],
    [
      'a misspelt key',
      `${lab}      passwrd: s3cret\n`,
      'lab',
      'password is not set; there is passwrd: is that meant?',
    ],
    ['a profile', 'clouds: { lab: { profile: vendor } }', 'lab', 'profiles are not supported'],
    ['broken YAML', 'clouds:\n  lab: {password: "s3cret', 'lab', 'is not valid YAML'],
  ])('%s is refused', (_, text, cloud, message) => {
    const told = failure(() => clouds(text, cloud));
    expect(told).toContain(message);
    expect(told).toContain(path.join(folder, 'clouds.yaml'));
    expect(told).not.toContain('s3cret');
  });
});
