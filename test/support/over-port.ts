import { spawnSync } from 'node:child_process';
import { shellWord } from '../../src/drivers/processes/shell-word.js';
import { program } from './programs.js';

const words = [process.execPath, program('over-port.mjs')].map(shellWord).join(' ');

/** A shell's words for a program that listens on a port and writes what comes to its standard output. */
export const fromPort = (port: string, host = '127.0.0.1'): string => `${words} in ${port} ${host}`;

/** A shell's words for a program that listens on a port and sends its standard input there. */
export const toPort = (port: string): string => `${words} out ${port}`;

/** Why there are no tests with socat(1); null where it is installed. */
export const noSocat = spawnSync('socat', ['-V']).error === undefined ? null : 'there is no socat here';
