import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package: the nearest parent of the bundled file that has a `package.json`. */
function packageFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}
const folder = packageFolder();

/** A file of the package, by its path in it. */
export const packageFile = (...parts: string[]): string => path.join(folder, ...parts);

/** The built file of a program that runs beside the server, in its own thread or process. */
export const programFile = (name: 'commit-thread' | 'feeder' | 'journal-thread'): string =>
  packageFile('dist', `${name}.js`);

export const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};
