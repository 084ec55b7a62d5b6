import { fileURLToPath } from 'node:url';

/** The folder of the repository, without a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The compiled program, as `bin/penstock` starts it. */
export const main = `${root}/dist/main.js`;

/** What tests read, by its path below `test/fixtures`. */
export const fixtureFile = (name: string): string => `${root}/test/fixtures/${name}`;
