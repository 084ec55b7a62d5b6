import { describe, expect, it } from 'vitest';
import { CliError, renderError, serverError } from '../../../src/cli/client/failure.js';
import { PenstockError } from '../../../src/lib/errors.js';

const body = (value: unknown) => JSON.stringify(value);

describe('errors on standard error', () => {
  it('puts each problem on its own line, with its place', () => {
    const error = serverError(
      400,
      undefined,
      body({
        error: 'The definition has 2 problems',
        type: 'https://penstock.example/errors#invalid-definition',
        title: 'The process definition is not valid',
        detail: 'The definition has 2 problems',
        errors: [
          { pointer: '/definition/exec', detail: 'must be a string' },
          { pointer: '/definition/argvv', detail: 'is not known; did you mean argv?' },
        ],
      }),
    );
    expect(renderError(error, false).split('\n')).toEqual([
      'penstock: The process definition is not valid (invalid-definition)',
      '  The definition has 2 problems',
      '  /definition/exec   must be a string',
      '  /definition/argvv  is not known; did you mean argv?',
    ]);
  });

  it('does not say the same thing twice', () => {
    const told = serverError(
      400,
      undefined,
      body({
        title: 'Wrong',
        detail: 'exec is missing',
        errors: [{ pointer: '', detail: 'exec is missing' }],
      }),
    );
    expect(renderError(told, false).split('\n')).toEqual(['penstock: Wrong', '  /  exec is missing']);
    expect(
      renderError(serverError(404, undefined, body({ error: 'No', title: 'No', detail: 'No' })), false),
    ).toBe('penstock: No');
  });

  it('says what to do about a missing login and about a full queue', () => {
    expect(renderError(serverError(401, undefined, ''), false)).toMatch(/login[\s\S]*PENSTOCK_TOKEN/);
    expect(renderError(serverError(429, '7', body({ error: 'The queue is full' })), false)).toContain(
      'in 7 s',
    );
  });

  it('bears answers that are not ours', () => {
    expect(renderError(serverError(502, undefined, '<h1>Bad gateway</h1>'), false)).toContain('502');
    expect(renderError(serverError(500, undefined, 'null'), false)).toContain('500');
    expect(
      renderError(serverError(400, undefined, body({ errors: [null, 3, { pointer: 1 }] })), false),
    ).toContain('400');
  });

  it('colours only when asked to, and never lets the text do it', () => {
    const error = new CliError('bad \x1b[2Jthing');
    expect(renderError(error, false)).toBe('penstock: bad \uFFFD[2Jthing');
    expect(renderError(error, true)).toBe('\x1b[31;1mpenstock:\x1b[0m bad \uFFFD[2Jthing');
  });

  it('renders the errors of the server side too', () => {
    const error = new PenstockError('disk-full', 'There is no room', {
      problems: [{ pointer: '/a', detail: 'b' }],
    });
    expect(renderError(error, false).split('\n')).toEqual([
      'penstock: There is no room (disk-full)',
      '  /a  b',
    ]);
    expect(renderError('just text', false)).toBe('penstock: just text');
  });
});
