import { posix } from 'node:path';

/** The scripts of a processing node, in the order in which they run. */
export const scriptNames = ['init', 'config', 'run', 'clean'] as const;

export type ScriptName = (typeof scriptNames)[number];

/** `node.yaml` with its defaults: first the older keys, then ours. Null is filled in by `completeSettings`. */
export interface NodeFile {
  baseurl: string;
  node: { username: string | null; password: string | null; host: string; port: number };
  paths: {
    pnshome: string;
    inputdir: string | null;
    outputdir: string | null;
    inputfiles: readonly string[];
    outputfiles: readonly string[];
    /** A single output file, as in version 0.6. */
    outputfile?: string;
  };
  scripts: Readonly<Record<ScriptName, readonly string[] | null>>;
  /** Seconds. */
  timeout: number;
  serveruser: string;
  ptsuser: string | null;
  logginglevel: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';
  mask_secrets: boolean;
  calc: string | number | null;
  limits: Readonly<Record<string, unknown>>;
}

/** Complete settings. Paths are absolute, including those of scripts that contain a slash. */
export interface NodeSettings extends NodeFile {
  paths: NodeFile['paths'] & { inputdir: string; outputdir: string };
  scripts: Readonly<Record<ScriptName, readonly string[]>>;
  ptsuser: string;
}

/** A path in its shortest form: `/a//b/../c/` is `/a/c`. */
const shortest = (place: string) => posix.resolve('/', place);

/** Fills in everything that is null, and shortens every path. */
export function completeSettings(file: NodeFile): NodeSettings {
  const { paths, scripts } = file;
  const pnshome = shortest(paths.pnshome);
  const script = (name: ScriptName): readonly string[] => {
    // Scripts get one empty argument, as they always did.
    const [program = '', ...argv] = scripts[name] ?? [`./${name}PTS`, ''];
    // Without a slash, it is a program on PATH.
    return [program.includes('/') ? posix.resolve(pnshome, program) : program, ...argv];
  };
  return {
    ...file,
    paths: {
      ...paths,
      pnshome,
      inputdir: shortest(paths.inputdir ?? `${pnshome}/input`),
      outputdir: shortest(paths.outputdir ?? `${pnshome}/output`),
      outputfiles: paths.outputfile === undefined ? paths.outputfiles : [paths.outputfile],
    },
    scripts: { init: script('init'), config: script('config'), run: script('run'), clean: script('clean') },
    ptsuser: file.ptsuser ?? file.serveruser,
  };
}
