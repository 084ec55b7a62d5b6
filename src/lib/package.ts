import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package, with a file of whose this has become a part: the nearest above that has a `package.json`. */
function packageFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}
const folder = packageFolder();

/** A file of the package, by its path from there. */
export const packageFile = (...parts: string[]): string => path.join(folder, ...parts);

/** A program that runs beside the server, in a thread or a process of its own, as it was built. */
export const programFile = (name: 'commit-thread' | 'feeder' | 'journal-thread'): string =>
  packageFile('dist', `${name}.js`);

export const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};
