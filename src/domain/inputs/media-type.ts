/** Names that mean the same, as systems and programs write them. */
const same: Readonly<Record<string, string>> = {
  'audio/wave': 'audio/wav',
  'audio/mp3': 'audio/mpeg',
  'audio/m4a': 'audio/mp4',
  'video/msvideo': 'video/avi',
  'image/jpg': 'image/jpeg',
  'text/xml': 'application/xml',
};

/** A media type without its parameters, and without the prefixes that some systems add: `audio/x-wav` is `audio/wav`. */
function plain(type: string): string {
  const [kind = '', own = ''] = (type.split(';')[0] ?? '').trim().toLowerCase().split('/');
  const name = `${kind}/${own.replace(/^(x-|vnd\.)/, '')}`;
  return same[name] ?? name;
}

/** Whether a media type is what is wanted: the same, or of the kind of `audio/*`. */
export function fits(type: string, wanted: string): boolean {
  const [one, other] = [plain(type), plain(wanted)];
  return one === other || (other.endsWith('/*') && one.startsWith(other.slice(0, -1)));
}

/** Formats that others are made of: their first bytes do not tell which. */
const containers: Readonly<Record<string, RegExp>> = {
  'application/xml': /\+xml$|^(text|image)\/\*$/,
  'application/zip': /^application\//,
  'application/gzip': /^application\//,
};

/** Whether a file whose first bytes tell only that it is made of that format may be what is wanted. */
export const mayHold = (found: string, wanted: string): boolean => containers[found]?.test(wanted) === true;

/** What clients send when they do not know, or do not say, what a file is. */
const vague = ['', 'application/octet-stream', 'application/x-www-form-urlencoded', 'multipart/form-data'];

/** Whether a client that says this may well mean one of those: it says nothing, or only that it is text. */
export function sameKind(said: string, wanted: readonly string[]): boolean {
  const type = (said.split(';')[0] ?? '').trim().toLowerCase();
  return (
    vague.includes(type) ||
    (type === 'text/plain' && wanted.some((one) => !/^(audio|image|video)\//.test(one)))
  );
}
