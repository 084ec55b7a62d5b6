/** A file of a job's outputs, as far as its name in an archive depends on it. */
interface Named {
  output: string;
  name: string;
  /** True if the output may have several files, which get a folder of their own. */
  several: boolean;
}

/**
 * The names of a job's output files in an archive: `NAME`, or `OUTPUT/NAME` for an output of several files. They are safe
 * to unpack anywhere, and no two of them collide, not even where upper and lower case are the same.
 */
export function archiveNames(files: readonly Named[]): string[] {
  const taken = new Set<string>();
  const folders = new Set(files.filter(({ several }) => several).map(({ output }) => keyOf(output)));
  /** How often a name was wanted. Programs may leave thousands of files whose names differ in nothing but case. */
  const wanted = new Map<string, number>();
  const isFree = (name: string) => {
    const key = keyOf(name);
    return !taken.has(key) && !folders.has(key);
  };
  /** The folders of a file that are not known yet, from the innermost. Those above a known one are known, too. */
  const newFolders = (name: string): string[] => {
    const found: string[] = [];
    let folder = keyOf(name);
    for (;;) {
      folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')));
      if (folder === '' || folders.has(folder)) return found;
      found.push(folder);
    }
  };
  return files.map(({ output, name, several }) => {
    const inside = safeParts(name);
    let path = several ? [output, ...inside].join('/') : inside.join('_');
    // A program cannot make a file and a folder of one name, but making names safe can.
    if (newFolders(path).some((folder) => taken.has(folder))) path = `${output}/${inside.join('_')}`;
    const first = path;
    let number = wanted.get(keyOf(first)) ?? 1;
    while (!isFree(path)) {
      number += 1;
      path = numbered(first, number);
    }
    wanted.set(keyOf(first), number);
    taken.add(keyOf(path));
    for (const folder of newFolders(path)) folders.add(folder);
    return path;
  });
}

/** The name of the archive itself. */
export const archiveName = (jobName: string, format: string): string =>
  `${safeParts(jobName).join('_')}-outputs.${format}`;

/** What makes two names the same on some file system. */
const keyOf = (path: string): string => path.normalize('NFC').toLowerCase();

/** The parts of a path, without any that leads out of its folder, on whatever system it is unpacked. */
function safeParts(name: string): string[] {
  const parts = name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
      const plain = part.replace(/[\\\u0000-\u001f\u007f]/g, '_').replace(/^([A-Za-z]):/, '$1_');
      return plain === '..' ? '_' : plain;
    });
  return parts.length === 0 ? ['output'] : parts;
}

/** `a/sound.mp3` becomes `a/sound (2).mp3`. */
function numbered(path: string, number: number): string {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const [, stem = '', extension = ''] = /^(.+?)(\.[^.]*)?$/s.exec(path.slice(folder.length)) ?? [];
  return `${folder}${stem} (${number})${extension}`;
}
