// Makes a fresh clone ready: installs, generates the database client, compiles. Says what it does, and does
// only what is missing or out of date, so that a second run takes no time.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `penstock: this is Node.js ${process.version}; Penstock needs 20.19 or later (22 and 24 are fine).`,
  );
  process.exit(1);
}

export const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => path.join(root, ...parts);

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    // Progress belongs on stderr: stdout stays for what the caller asked for.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment },
  });
  if (result.status !== 0) {
    console.error(`penstock: \`${command} ${args.join(' ')}\` failed`);
    process.exit(result.status ?? 1);
  }
}

function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== 'generated') time = Math.max(time, newest(full));
    } else time = Math.max(time, statSync(full).mtimeMs);
  }
  return time;
}

const timeOf = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function stamp(file) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  const now = new Date();
  utimesSync(file, now, now);
}

/** Installs the dependencies when what is installed is not what the lock file says. */
export function install() {
  const done = at('node_modules', '.penstock-installed');
  // By content, not by time: a checkout makes every file new.
  const wanted = createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return;
  console.error('penstock: installing dependencies (npm ci) …');
  // What has to be compiled is compiled on all cores.
  run('npm', ['ci', '--no-fund', '--no-audit'], { NODE_ENV: 'development', JOBS: 'max' });
  writeFileSync(done, wanted);
}

/** Generates the Prisma client when the schema is newer. */
export function generate() {
  const client = at('src', 'store', 'generated', 'client.ts');
  if (timeOf(client) >= timeOf(at('prisma', 'schema.prisma'))) return;
  console.error('penstock: generating the database client …');
  // `generate` insists that the schema engine's binary exists but never runs it: any file will do.
  run(process.execPath, [at('node_modules', 'prisma', 'build', 'index.js'), 'generate'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  });
  const now = new Date();
  utimesSync(client, now, now);
}

/** Makes the types of what the schemas describe when one of them is newer. */
export function describe() {
  const done = at('src', 'lib', 'generated', '.made');
  const sources = Math.max(newest(at('schemas')), timeOf(at('scripts', 'schema-types.mjs')));
  if (timeOf(done) >= sources) return;
  run(process.execPath, [at('scripts', 'schema-types.mjs')]);
  stamp(done);
}

/**
 * What is built: the program, those that run beside it, and what the tests and scripts use of the compiled code. The server is
 * started a thousand times by the tests, and the client by every command: so each is a few files and not a thousand.
 */
const programs = {
  main: 'src/main.ts',
  feeder: 'src/drivers/feeder/main.ts',
  'commit-thread': 'src/store/sqlite/commit-thread.ts',
  'journal-thread': 'src/drivers/streams/journal-thread.ts',
  ajv: 'src/lib/ajv.ts',
  log: 'src/lib/log.ts',
  memory: 'src/drivers/streams/memory.ts',
  migrate: 'src/store/sqlite/migrate.ts',
  schemas: 'src/lib/schemas.ts',
};
/** These have a compiled part or files of their own that they look for beside themselves, or are loaded only where they are needed. */
const apart = ['@node-rs/argon2', 'better-sqlite3', 'ssh2', 'swagger-ui-dist', 'undici'];

/** Compiles src/ to dist/ when a source is newer. Types are checked by `npm run types`. */
export async function compile() {
  const done = at('dist', '.built');
  const sources = Math.max(
    newest(at('src')),
    newest(at('schemas')),
    timeOf(at('prisma', 'schema.prisma')),
    timeOf(at('package-lock.json')),
    timeOf(at('scripts', 'prepare.mjs')),
    timeOf(at('scripts', 'validators.mjs')),
  );
  if (timeOf(done) >= sources) return;
  console.error('penstock: compiling …');
  const { build } = await import('esbuild');
  rmSync(at('dist'), { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: programs,
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: true,
    external: apart,
    // Packages in CommonJS ask for Node's own modules by it.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  });
  run(process.execPath, [at('scripts', 'validators.mjs')]);
  stamp(done);
}

export async function prepare() {
  install();
  generate();
  describe();
  await compile();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await prepare();
