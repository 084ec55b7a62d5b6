import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noBrowser, startBrowser, type TestBrowser } from '../../support/browser.js';
import { type Answer, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const page = '<!doctype html><script>parent.ran = opener = top.ran = true</script>';
const drawing =
  '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.ran = top.ran = true"><script>parent.ran = true</script></svg>';

let server: TestServer;
let definition: number;
beforeAll(async () => {
  server = await startServer();
  definition = await server.register({ exec: 'tee', argv: ['/dev/stderr'] });
});
afterAll(() => server.remove());

/** A job whose input, output and both logs are these bytes; its output has the name. */
async function jobOf(text: string, name: string): Promise<string> {
  const run = `/api/process_definition/${definition}/run/?wait=60&output_name=${encodeURIComponent(name)}`;
  const { json } = await ask(server, `${run}&input_name=${encodeURIComponent(name)}`, { body: text });
  expect(json.state).toBe('FINISHED');
  return `/api/job/${json.uuid}/`;
}

function expectHarmless(answer: Answer) {
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.headers['content-disposition']).toMatch(/^attachment; filename/);
  expect(answer.headers['content-security-policy']).toBe(
    "default-src 'none'; frame-ancestors 'self'; sandbox",
  );
}

describe('bytes of programs and users', () => {
  test.each([
    ['page.html', page],
    ['drawing.svg', drawing],
    ['page.xhtml', page],
    ['code.js', 'alert(1)'],
    ['no-extension', page],
    ['data.xml', '<?xml-stylesheet href="x"?><a/>'],
  ])('%s is to be saved, and runs nothing where it is shown nonetheless', async (name, text) => {
    const job = await jobOf(text, name);
    for (const file of ['input', 'output', 'stdout', 'stderr']) {
      const whole = await ask(server, `${job}${file}/`);
      expectHarmless(whole);
      expect(whole.text).toBe(text);
      expectHarmless(await ask(server, `${job}${file}/`, { headers: { Range: 'bytes=0-3' } }));
      expectHarmless(await ask(server, `${job}${file}/`, { method: 'HEAD' }));
    }
    const raw = `/api/process_definition/${definition}/run/?wait=60&output=raw&output_name=${name}`;
    expectHarmless(await ask(server, raw, { body: text }));
  });

  test('whatever else is answered runs nothing either', async () => {
    for (const target of ['/api/job/', '/nowhere', '/healthz', '/metrics', '/v0.6/pnsconfig', '/tasks'])
      expect((await ask(server, target)).headers['content-security-policy']).toMatch(/; sandbox$/);
    const log = await ask(server, `${await jobOf(page, 'x.html')}stdout/?follow=1`);
    expect(log.headers['content-security-policy']).toMatch(/; sandbox$/);
    expect(log.headers['x-content-type-options']).toBe('nosniff');
    // An error in the place of a file is no file.
    const job = await jobOf('x', 'x.html');
    const none = await ask(server, `${job}output/?name=none`);
    expect([none.status, none.headers['content-disposition']]).toEqual([404, undefined]);
  });

  test.each([
    ['a "quoted" name.txt', 'attachment; filename="a \\"quoted\\" name.txt"'],
    ["semi; filename=other.exe; '.txt", 'attachment; filename="semi; filename=other.exe; \'.txt"'],
    [
      'percent%0d%0aX-Bad: 1.txt',
      /^attachment; filename="percent%0d%0aX-Bad: 1\.txt"; filename\*=UTF-8''percent%250d%250a/,
    ],
    ['txt.\u202eexe', 'attachment; filename="txt._exe"'],
    ['\u2066\u2067\u200f\u061ca.txt', 'attachment; filename="____a.txt"'],
    ['\u05e9\u05dc\u05d5\u05dd.txt', /^attachment; filename="\?{4}\.txt"; filename\*=UTF-8''%D7%A9/],
  ])('the name %j breaks out of nothing, and reads as it is', async (name, expected) => {
    const { headers } = await ask(server, `${await jobOf('x', name)}output/`);
    if (typeof expected === 'string')
      expect(headers['content-disposition']?.replace(/filename=([^"]+)$/, 'filename="$1"')).toBe(expected);
    else expect(headers['content-disposition']).toMatch(expected);
    expect(headers['x-bad']).toBeUndefined();
  });

  test.each(['a\r\nX-Bad: 1.txt', 'a\nb', '\u0000', '\u007f'])('no file has the name %j', async (name) => {
    const run = `/api/process_definition/${definition}/run/`;
    const asked = await ask(server, `${run}?output_name=${encodeURIComponent(name)}`, { body: 'x' });
    expect([asked.status, asked.headers['x-bad']]).toEqual([400, undefined]);
  });
});

describe.skipIf(noBrowser !== null)(
  `in Chromium${noBrowser === null ? '' : ` (skipped: ${noBrowser})`}`,
  () => {
    let browser: TestBrowser;
    let visitor: BrowserContext;
    beforeAll(async () => {
      browser = await startBrowser();
      visitor = await browser.visitor(server.admin);
    });
    afterAll(() => browser?.close());

    test('an output that is a page is saved, under its name', async () => {
      const tab = await visitor.newPage();
      for (const [name, text] of [
        ['evil.html', page],
        ['evil.svg', drawing],
      ] as const) {
        const job = await jobOf(text, name);
        const saved = tab.waitForEvent('download');
        await tab.goto(`${server.url}${job}output/`).catch(() => null);
        expect((await saved).suggestedFilename()).toBe(name);
      }
    });

    test('it runs nothing in a frame, object or image of a page of ours', async () => {
      const tab = await visitor.newPage();
      const home = `${server.url}/api/docs/`;
      // The page itself without a policy, so that only that of the file is left.
      await tab.route(home, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
      await tab.goto(home);
      for (const [name, text] of [
        ['evil.html', page],
        ['evil.svg', drawing],
      ] as const) {
        const source = `${await jobOf(text, name)}output/`;
        const answers: string[] = [];
        tab.on('response', (response) => response.url().endsWith(source) && answers.push(response.url()));
        // Text, since there is no document where this file is compiled.
        await tab.evaluate(`for (const [kind, key] of [['iframe', 'src'], ['object', 'data'], ['embed', 'src'], ['img', 'src']])
        document.body.append(Object.assign(document.createElement(kind), { [key]: '${source}' }))`);
        await waitFor(() => answers.length >= 2, 'the frames to be answered');
        await tab.evaluate('new Promise((resolve) => requestIdleCallback(resolve))');
        expect(await tab.evaluate(`'ran' in window`)).toBe(false);
      }
    });
  },
);
