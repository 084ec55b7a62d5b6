// Prepares a fresh clone: installs, generates the database client, compiles. Does only what is missing or out of date, so
// that a second run takes no time, and says what it does.
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
    `penstock: this is Node.js ${process.version}, but Penstock needs 20.19 or later (22 and 24 work too).`,
  );
  process.exit(1);
}

export const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => path.join(root, ...parts);

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    // Progress goes to stderr: stdout is for the caller's output.
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

/** Installs the dependencies if the installed ones do not match the lock file. */
export function install() {
  const done = at('node_modules', '.penstock-installed');
  // Compare content, not times, because a checkout makes every file new.
  const wanted = createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return;
  console.error('penstock: installing dependencies (npm ci) …');
  // Compile native modules on all cores.
  run('npm', ['ci', '--no-fund', '--no-audit'], { NODE_ENV: 'development', JOBS: 'max' });
  writeFileSync(done, wanted);
}

/** Generates the Prisma client if the schema is newer. */
export function generate() {
  const client = at('src', 'store', 'generated', 'client.ts');
  if (timeOf(client) >= timeOf(at('prisma', 'schema.prisma'))) return;
  console.error('penstock: generating the database client …');
  // `generate` requires the schema engine's binary but never runs it, so any file will do.
  run(process.execPath, [at('node_modules', 'prisma', 'build', 'index.js'), 'generate'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  });
  const now = new Date();
  utimesSync(client, now, now);
}

/** Generates the types for the schemas if a schema is newer. */
export function describe() {
  const done = at('src', 'lib', 'generated', '.made');
  const sources = Math.max(newest(at('schemas')), timeOf(at('scripts', 'schema-types.mjs')));
  if (timeOf(done) >= sources) return;
  run(process.execPath, [at('scripts', 'schema-types.mjs')]);
  stamp(done);
}

/**
 * What to build: the program, the programs that run beside it, and the modules that tests and scripts use. Each is bundled
 * into a few files instead of a thousand, because the tests start the server a thousand times, and every command starts
 * the client.
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
/** Not bundled: packages that look for binaries or other files beside themselves, or that are only loaded when needed. */
const apart = ['@node-rs/argon2', 'better-sqlite3', 'ssh2', 'swagger-ui-dist', 'undici'];

/** Compiles src/ to dist/ if a source is newer. `npm run types` checks the types. */
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
    // CommonJS packages need it to load modules of Node.js.
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
