import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { noBrowser, startBrowser, startSite, type TestBrowser } from '../../support/browser.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const script = (text: string) => `<!doctype html><script>${text}</script>`;
/** A form that sends itself. */
const form = (action: string, enctype: string, fields: Record<string, string>) => {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<textarea name='${name.replaceAll('"', '&quot;')}'>${value}</textarea>`,
  );
  return `<!doctype html><form method=post action="${action}" enctype="${enctype}">${inputs.join('')}</form><script>document.forms[0].submit()</script>`;
};

describe.skipIf(noBrowser !== null)(
  `in Chromium${noBrowser === null ? '' : ` (skipped: ${noBrowser})`}`,
  () => {
    let browser: TestBrowser;
    let server: TestServer;
    let trusting: TestServer;
    let site: Awaited<ReturnType<typeof startSite>>;
    /** The attacks, by path, against a server. */
    let attacks: Record<string, (url: string, definition: number) => string>;
    let visitor: BrowserContext;
    let page: Page;

    beforeAll(async () => {
      const pages = new Map<string, string>();
      site = await startSite((path) => pages.get(path) ?? script(''));
      const origins = [`http://127.0.0.1:${site.port}`, `http://pages.example:${site.port}`];
      [browser, server, trusting] = await Promise.all([
        startBrowser(['pages.example', 'rebound.example']),
        startServer({ application: { LOG_LEVEL: 'debug' } }),
        startServer({ application: { LOG_LEVEL: 'debug', TRUSTED_ORIGINS: origins } }),
      ]);
      const run = (url: string, id: number) => `${url}/api/process_definition/${id}/run/`;
      const send = (url: string, init: string) =>
        script(`fetch('${url}', {method: 'POST', mode: 'no-cors', credentials: 'include', ${init}})`);
      attacks = {
        '/text-form': (url, id) => form(run(url, id), 'text/plain', { a: 'b' }),
        '/multipart-form': (url, id) =>
          form(run(url, id), 'multipart/form-data', { job: '{"environment": {"ENV": "/tmp/x"}}' }),
        '/empty': (url, id) => send(run(url, id), ''),
        '/definition': (url) =>
          send(`${url}/api/process_definition/`, `body: new Blob(['{"definition": {"exec": "id"}}'])`),
        '/task': (url) => send(`${url}/tasks`, `body: '{"type": "process", "program": "x"}'`),
        '/node': (url) => send(`${url}/v0.6/run`, `body: '{}'`),
        '/event': (url) => send(`${url}/actors/v2/pipelinejobs-manager/messages`, `body: '{}'`),
        '/beacon': (url, id) => script(`navigator.sendBeacon('${run(url, id)}', 'x')`),
      };
      for (const target of [server, trusting]) {
        const id = await target.register({ exec: 'cat' });
        for (const [path, attack] of Object.entries(attacks))
          pages.set(`${path}?${new URL(target.url).port}`, attack(target.url, id));
      }
    });
    afterAll(async () => {
      await browser?.close();
      await Promise.all([server?.remove(), trusting?.remove(), site?.close()]);
    });
    beforeEach(async () => {
      visitor = await browser.visitor(server.admin);
      page = await visitor.newPage();
    });
    afterEach(() => visitor.close());

    /** What each attack is answered, as the server tells it, of somebody who has just logged in there. */
    async function attacked(target: TestServer, host: string, paths: readonly string[]) {
      const before = target.log().length;
      await page.goto(`${target.url}/api/process_definition/`);
      const visits = paths.map(async (path) => {
        const page = await visitor.newPage();
        const url = `http://${host}:${site.port}${path}?${new URL(target.url).port}`;
        // A page that sends itself elsewhere may never come whole.
        await page.goto(url, { waitUntil: 'commit' }).catch(() => null);
      });
      const posts = await waitFor(() => {
        const lines = target.log().slice(before).split('\n').slice(0, -1);
        // A browser sends a login at the second try, once it was asked for one.
        const answered = lines
          .map((line) => JSON.parse(line))
          .filter(({ method, status }) => method === 'POST' && status !== 401);
        return answered.length >= paths.length ? answered : undefined;
      }, `${paths.length} requests of pages of ${host}`);
      await Promise.all(visits);
      return posts.map(({ path, status }: { path: string; status: number }) => `${status} ${path}`).sort();
    }
    const counts = async (target: TestServer) => {
      const of = async (noun: string) => (await ask(target, `/api/${noun}/?limit=1`)).json.meta.total_count;
      return { definitions: await of('process_definition'), jobs: await of('job') };
    };

    test.each(['127.0.0.1', 'localhost', 'pages.example'])('a page of %s runs nothing', async (host) => {
      const answers = await attacked(server, host, Object.keys(attacks));
      expect(answers.filter((answer) => !answer.startsWith('403'))).toEqual([]);
      expect(new Set(answers).size).toBe(5);
      expect(await counts(server)).toEqual({ definitions: 1, jobs: 0 });
    });

    test('without the check they would: the pages of a trusted origin do', async () => {
      const statuses = async (host: string, path: string) =>
        (await attacked(trusting, host, [path])).map((answer) => answer.slice(0, 3));
      // Chromium sends a remembered login along with scripts' requests to the same host, and with forms to any.
      expect(await statuses('pages.example', '/multipart-form')).toEqual(['202']);
      expect(await statuses('127.0.0.1', '/definition')).toEqual(['201']);
      expect(await counts(trusting)).toEqual({ definitions: 2, jobs: 1 });
    });

    test('our own page does', async () => {
      await page.goto(`${server.url}/api/docs/`);
      const status = await page.evaluate(async () => {
        const answer = await fetch('/api/token/', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: '{"name": "of a page"}',
        });
        return answer.status;
      });
      expect(status).toBe(201);
    });

    test('a page whose name comes to lead here reads nothing', async () => {
      const home = `http://rebound.example:${new URL(server.url).port}`;
      // Its own server answers first; then the name leads to this machine.
      await page.route(`${home}/`, (route) => route.fulfill({ contentType: 'text/html', body: script('') }));
      await page.goto(`${home}/`);
      const asked = await page.evaluate(async () => {
        const status = async (path: string, method = 'GET') => {
          const body = method === 'POST' ? { body: '{"type": "process"}' } : {};
          return (await fetch(path, { method, credentials: 'omit', ...body })).status;
        };
        return {
          read: [await status('/v0.6/pnsconfig'), await status('/healthz'), await status('/metrics')],
          scheduler: [await status('/tasks'), await status('/config'), await status('/tasks', 'POST')],
        };
      });
      expect(asked).toEqual({ read: [403, 403, 403], scheduler: [401, 401, 401] });
    });
  },
);
