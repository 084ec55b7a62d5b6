import { describe, expect, test } from 'vitest';
import { problemOf, problemOfFault } from '../../../../src/drivers/connectors/openstack/problems.js';

// Bodies as the services of OpenStack Zed have answered.
const nova = (kind: string, code: number, message: string) => ({ [kind]: { code, message } });
const neutron = (type: string, message: string) => ({ NeutronError: { type, message, detail: '' } });
const heat = (code: number, type: string, message: string) => ({
  code,
  title: 'Bad Request',
  explanation: 'The server could not comply with the request.',
  error: { type, traceback: null, message },
});
const page = `<html>
 <head>
  <title>401 Unauthorized</title>
 </head>
 <body>
  <h1>401 Unauthorized</h1>
  This server could not verify that you are authorized.<br /><br />
 </body>
</html>`;

const of = (status: number, body: unknown) =>
  problemOf('compute: POST /servers', { status, headers: new Headers() as never, body });

describe('what an answer means', () => {
  test.each([
    [
      'the quota of Nova',
      403,
      nova('forbidden', 403, 'Quota exceeded for ram: Requested 900000, but already used 0 of 51200 ram'),
      'quota',
    ],
    ['too many ports, by Nova', 403, nova('forbidden', 403, 'Maximum number of ports exceeded'), 'quota'],
    [
      'more ports than there may be, by Nova',
      403,
      nova('forbidden', 403, 'The number of defined ports: 1 is over the limit: 0'),
      'quota',
    ],
    [
      'a policy of Nova',
      403,
      nova(
        'forbidden',
        403,
        "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed.",
      ),
      'refused',
    ],
    [
      'the quota of Neutron',
      409,
      neutron('OverQuota', "Quota exceeded for resources: ['floatingip']."),
      'quota',
    ],
    [
      'no addresses left',
      409,
      neutron('IpAddressGenerationFailure', 'No more IP addresses available on network 1.'),
      'no-capacity',
    ],
    [
      'no floating IPs left',
      400,
      neutron(
        'ExternalIpAddressExhausted',
        'Unable to find any IP address on external network 1. No more IP addresses available.',
      ),
      'no-capacity',
    ],
    [
      'too many stacks',
      403,
      heat(
        403,
        'RequestLimitExceeded',
        'You have reached the maximum stacks per tenant, 512. Please delete some stacks.',
      ),
      'quota',
    ],
    [
      'which network',
      409,
      nova(
        'conflictingRequest',
        409,
        'Multiple possible networks found, use a Network ID to be more specific.',
      ),
      'refused',
    ],
    [
      'in the middle of something',
      409,
      nova('conflictingRequest', 409, "Cannot 'delete' instance 1 while it is in task_state powering-off"),
      'unavailable',
    ],
    ['an unknown image', 400, nova('badRequest', 400, 'Can not find requested image'), 'refused'],
    [
      'a template that is wrong',
      400,
      heat(400, 'StackValidationFailed', 'The Resource Type (OS::No::Such) could not be found.'),
      'refused',
    ],
    [
      'a login that is not accepted',
      401,
      {
        error: {
          code: 401,
          message: 'The request you have made requires authentication.',
          title: 'Unauthorized',
        },
      },
      'refused',
    ],
    ['likewise, as a page', 401, page, 'refused'],
    ['out of order', 503, 'no server is available to handle this request', 'unavailable'],
    ['an error of theirs', 500, nova('computeFault', 500, 'Unexpected API Error.'), 'unavailable'],
    ['too many requests', 429, '', 'unavailable'],
    ['a redirect', 302, '', 'refused'],
    ['nothing', 404, null, 'refused'],
  ])('%s', (_, status, body, problem) => {
    expect(of(status, body)).toMatchObject({ problem, status });
  });
});

describe('its words', () => {
  test.each([
    [nova('badRequest', 400, 'Flavor 999 could not be found.'), 'Flavor 999 could not be found.'],
    [neutron('BadRequest', 'Bad floatingip request.'), 'Bad floatingip request.'],
    [{ NeutronError: 'Not so.' }, 'Not so.'],
    [heat(400, 'X', 'The Stack (rec) already exists.'), 'The Stack (rec) already exists.'],
    [page, '401 Unauthorized This server could not verify that you are authorized.'],
    ['', undefined],
    [{}, undefined],
    [[1, 2], undefined],
    [null, undefined],
    [{ error: { message: 5 } }, undefined],
  ])('%j', (body, words) => {
    expect(of(400, body).message).toBe(
      `compute: POST /servers answered 400${words === undefined ? '' : `: ${words}`}`,
    );
  });

  test('are without what was sent', () => {
    const repeated = [
      nova(
        'badRequest',
        400,
        "Invalid input for field/attribute user_data. Value: s3cret. 's3cret' is too long",
      ),
      {
        error: {
          code: 400,
          message:
            "'identity' is a required property\n\nFailed validating 'required' in schema:\n    {}\n\nOn instance:\n    {'password': 's3cret'}",
        },
      },
    ];
    for (const body of repeated) expect(of(400, body).message).not.toContain('s3cret');
  });

  test('are no longer than a reader likes', () => {
    expect(of(400, 'x'.repeat(1e6)).message.length).toBeLessThan(600);
  });
});

test.each([
  ['No valid host was found. There are not enough hosts available.', 'no-capacity'],
  [
    'Resource CREATE failed: ResourceInError: resources.server: Went to status ERROR due to "Message: No valid host was found. , Code: 500"',
    'no-capacity',
  ],
  ['Maximum number of ports exceeded', 'quota'],
  ['The number of defined ports: 1 is over the limit: 0', 'quota'],
  ["OverQuotaClient: resources.address: Quota exceeded for resources: ['floatingip'].", 'quota'],
  ['Build of instance 1 aborted: Image 2 is unacceptable', null],
])('the fault %j', (fault, problem) => {
  expect(problemOfFault(fault)).toBe(problem);
});
