import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withOneName } from '../../../src/http/bodies/part-names.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

describe('a file in a form with two names', () => {
  let server: TestServer;
  let id: number;
  beforeAll(async () => {
    server = await startServer({ application: { LOG_LEVEL: 'error' } });
    id = await server.register({ exec: 'cat' });
  });
  afterAll(() => server.remove());
  /** The name that the input has then, or the status of a refusal. */
  async function nameOf(disposition: string): Promise<unknown> {
    const body = `--b\r\nContent-Disposition: ${disposition}\r\n\r\ntext\r\n--b--\r\n`;
    const headers = { 'Content-Type': 'multipart/form-data; boundary=b' };
    const { status, json } = await ask(server, `/api/process_definition/${id}/run/?wait=30`, {
      method: 'POST',
      body,
      headers,
    });
    return status === 200 ? json.input_name : status;
  }

  test.each([
    [`filename="a.txt"; filename*=UTF-8''%C3%A4.txt`, 'ä.txt'],
    [`filename*=UTF-8''%C3%A4.txt; filename="a.txt"`, 'ä.txt'],
    [`filename*=utf-8'de'na%20me.txt;filename=a.txt`, 'na me.txt'],
    [`FileName*=ISO-8859-1''caf%E9.txt; FILENAME="a.txt"`, 'café.txt'],
    [`filename*=UTF-8''only.txt`, 'only.txt'],
    // What cannot be read does not count, nor what only looks like a parameter.
    [`filename*=UTF-8''%FF.txt; filename="a.txt"`, 'a.txt'],
    [`filename="a.txt"; filename*=EBCDIC''b.txt`, 'a.txt'],
    [`filename="a; filename*=UTF-8''b.txt"`, "a; filename*=UTF-8''b.txt"],
    ['filename="say \\"hi\\".txt"', 'say "hi".txt'],
    // It is checked like any other.
    [`filename="a.txt"; filename*=UTF-8''bell%07`, 400],
    [`filename*=UTF-8''two%0Alines`, 400],
    [`filename="a.txt"; filename*=UTF-8''two%0D%0Alines.txt`, 400],
  ])('%s: %s', async (names, expected) => {
    expect(await nameOf(`form-data; name="input_file"; ${names}`)).toBe(expected);
  });

  test('a part that cannot be taken is refused, and not passed over', async () => {
    expect(await nameOf(`form-data; name*=UTF-8''input%0Afile; filename="a"`)).toBe(400);
    expect(await nameOf('attachment; name="input_file"; filename="a"')).toBe(400);
    expect(await nameOf('form-data; filename="a"')).toBe(400);
  });

  test('before the name of the part, too', async () => {
    expect(await nameOf(`form-data; filename*=UTF-8''%E2%82%AC; filename="e"; name="input_file"`)).toBe('€');
  });
});

test('a header with one name stays as it is', () => {
  for (const header of ['form-data', 'form-data; name="x"', 'form-data; name="x"; filename="a;b=\\"c"'])
    expect(withOneName(header)).toBe(header);
});
