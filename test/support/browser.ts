import { accessSync, constants } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import type { Login } from './server.js';

const executable = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env.PATH ?? '').split(':').map((folder) => path.join(folder, name)))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why there can be no browser on this machine, or null. */
export const noBrowser: string | null =
  executable === undefined ? 'there is no chromium (Debian: chromium)' : null;

/** A real Chromium without a window. */
export interface TestBrowser {
  /** A visitor of their own: nothing is shared with others. With a login they answer whoever asks for one. */
  visitor(login?: Login): Promise<BrowserContext>;
  close(): Promise<void>;
}

/**
 * Starts a browser. It takes about two seconds: one for a whole file of tests.
 *
 * @param names host names that lead to 127.0.0.1, whatever the DNS says
 */
export async function startBrowser(names: readonly string[] = []): Promise<TestBrowser> {
  if (executable === undefined) throw new Error(noBrowser ?? '');
  const isRoot = process.getuid?.() === 0;
  const browser: Browser = await chromium.launch({
    executablePath: executable,
    args: [
      // Chromium refuses to put root into its sandbox.
      ...(isRoot ? ['--no-sandbox'] : []),
      '--disable-dev-shm-usage',
      // Not every browser keeps pages from asking this machine.
      '--disable-features=LocalNetworkAccessChecks',
      ...(names.length === 0
        ? []
        : [`--host-resolver-rules=${names.map((name) => `MAP ${name} 127.0.0.1`).join(',')}`]),
    ],
  });
  return {
    visitor: (login) => browser.newContext(login === undefined ? {} : { httpCredentials: login }),
    close: () => browser.close(),
  };
}

/** A web server of somebody else, on 127.0.0.1, whose every page is the text that `page` gives for its path. */
export async function startSite(page: (path: string) => string) {
  const server = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(page(request.url ?? '/'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
