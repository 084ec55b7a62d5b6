import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/**
 * Compares the received file with what was sent, by the best checksum available, and renames it. Prints `done`; `other`
 * if the sums differ; `cksum SUM BYTES` if it has nothing better, and then does not rename it.
 *
 * $1 the received file, $2 its name, $3 its mode or nothing, $4 its SHA-256, or `-` for any
 */
export const nameScript = `
export LC_ALL=C
if [ "$4" = - ]; then sum=-
elif command -v sha256sum >/dev/null; then sum=$(sha256sum <"$1") || exit
elif command -v shasum >/dev/null; then sum=$(shasum -a 256 <"$1") || exit
else cksum <"$1"; exit
fi
sum=\${sum%% *}
if [ "$sum" != "$4" ]; then echo other; exit; fi
if [ -d "$2" ]; then echo "$2 is a directory" >&2; exit 1; fi
if [ -n "$3" ]; then chmod "$3" "$1" || exit; fi
mv -f "$1" "$2" && echo done
`;

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/** The output of POSIX `cksum` for a file: its checksum and its length. */
export async function cksumOf(file: string): Promise<string> {
  let sum = 0;
  let length = 0;
  const add = (byte: number) => {
    sum = (sum << 8) ^ (table[((sum >>> 24) ^ byte) & 255] ?? 0);
  };
  for await (const chunk of createReadStream(file)) {
    for (const byte of chunk as Buffer) add(byte);
    length += (chunk as Buffer).length;
  }
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) add(rest % 256);
  return `${~sum >>> 0} ${length}`;
}
