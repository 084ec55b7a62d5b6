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
  const folders = new Set(files.filter(({ several }) => several).map(({ output }) => keyOf([output])));
  const isFree = (parts: readonly string[]) => {
    const key = keyOf(parts);
    return !taken.has(key) && !folders.has(key);
  };
  return files.map(({ output, name, several }) => {
    const inside = safeParts(name);
    let parts = several ? [output, ...inside] : [inside.join('_')];
    // A program cannot make a file and a folder of one name, but making names safe can.
    if (parts.some((_, index) => index > 0 && taken.has(keyOf(parts.slice(0, index)))))
      parts = [output, inside.join('_')];
    for (let number = 2, wanted = parts; !isFree(parts); number += 1) parts = numbered(wanted, number);
    taken.add(keyOf(parts));
    for (let index = 1; index < parts.length; index += 1) folders.add(keyOf(parts.slice(0, index)));
    return parts.join('/');
  });
}

/** The name of the archive itself. */
export const archiveName = (jobName: string, format: string): string =>
  `${safeParts(jobName).join('_')}-outputs.${format}`;

/** What makes two names the same on some file system. */
const keyOf = (parts: readonly string[]): string => parts.join('/').normalize('NFC').toLowerCase();

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
function numbered(parts: readonly string[], number: number): string[] {
  const [, stem = '', extension = ''] = /^(.+?)(\.[^.]*)?$/s.exec(parts.at(-1) ?? '') ?? [];
  return [...parts.slice(0, -1), `${stem} (${number})${extension}`];
}
