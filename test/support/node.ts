import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ScriptName } from '../../src/config/node-file.js';
import type { JsonNode } from '../../src/domain/json/json-node.js';
import { member, parseJsonText, writeJsonText } from '../../src/domain/json/json-text.js';
import { fixtureFile } from './paths.js';
import { type Answer, type Ask, ask } from './raw.js';
import { type Login, startServer, type TestServer } from './server.js';

export const nodeLogin: Login = { username: 'foo', password: 'bar' };

/** What the demo of old does, in a few lines each. */
const demo: Record<ScriptName, string> = {
  init: 'echo "initialised in $(pwd)"',
  config: ':',
  run: 'printf "hello %s!" "$(cat input/infile)" | tee output/outfile',
  clean: 'rm -rf input output',
};

export interface NodeAnswer extends Answer {
  /** The parts of the answer as they were written; undefined where there is none of that name. */
  raw: (...way: string[]) => string | undefined;
}

/** A body: a text or bytes as they are, anything else as JSON. */
type Body = string | Buffer | object;

export interface TestNode {
  server: TestServer;
  /** Where its scripts are. */
  home: string;
  /** A command or a page below the base URL, with the node's login unless another or none (null) is given. */
  call(method: string, command: string, body?: Body, as?: Login | null, more?: Ask): Promise<NodeAnswer>;
  /** Puts another shell script in place of one. */
  script(name: ScriptName, text: string): void;
}

/**
 * Starts a server with a processing node, whose home has scripts of its own.
 *
 * @param node keys of node.yaml
 * @param only whether the node is alone, and is told the rest by its switches
 */
export async function startNode(
  options: {
    node?: Record<string, unknown>;
    only?: boolean;
    application?: Record<string, unknown>;
    environment?: Record<string, string>;
  } = {},
): Promise<TestNode> {
  const { username, password } = nodeLogin;
  const { node: keys = {}, only = false, application, environment = {} } = options;
  const server = await startServer({
    environment,
    config: { 'node.yaml': only ? keys : { node: { username, password }, ...keys } },
    ...(application === undefined ? {} : { application }),
    ...(only
      ? { switches: ['--node-only', '-u', username, '-p', password, '-i', '127.0.0.1', '-o', '0'] }
      : {}),
  });
  const base = String(keys.baseurl ?? '/v0.6');
  const home = path.join(server.data, 'pns');
  mkdirSync(home);
  for (const [name, text] of Object.entries(demo)) {
    const original = `${name}PTS.ori`;
    writeScript(path.join(home, original), text);
    symlinkSync(original, path.join(home, `${name}PTS`));
  }
  return {
    server,
    home,
    async call(method, command, body, as = nodeLogin, more = {}) {
      const sent =
        body === undefined
          ? {}
          : { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) };
      const answer = await ask(server, `${base}/${command}`, { method, as, ...sent, ...more });
      return Object.defineProperties({} as NodeAnswer, {
        ...Object.getOwnPropertyDescriptors(answer),
        raw: { value: (...way: string[]) => written(answer.text, way) },
      });
    },
    script(name, text) {
      const file = path.join(home, `${name}PTS`);
      rmSync(file, { force: true });
      writeScript(file, text);
    },
  };
}

function writeScript(file: string, text: string): void {
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
}

/** What is found on this way through the objects of a text, to the letter. */
export function written(text: string, way: readonly string[]): string | undefined {
  const found = way.reduce<JsonNode | undefined>(
    (inner, key) => inner && member(inner, key),
    parseJsonText(text),
  );
  return found === undefined ? undefined : writeJsonText(found);
}

/** The text of a Product of one of the generations of clients. */
export const productText = (version: 'v0.6' | 'v0.8'): string =>
  readFileSync(fixtureFile(`products/${version}.json`), 'utf8').trim();
