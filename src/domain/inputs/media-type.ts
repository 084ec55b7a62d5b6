/** A media type without its parameters, and without the prefixes that some systems add: `audio/x-wav` is `audio/wav`. */
function plain(type: string): string {
  const [kind = '', own = ''] = (type.split(';')[0] ?? '').trim().toLowerCase().split('/');
  const name = own.replace(/^(x-|vnd\.)/, '');
  return `${kind}/${name === 'wave' ? 'wav' : name}`;
}

/** Whether a media type is what is wanted: the same, or of the kind of `audio/*`. */
export function fits(type: string, wanted: string): boolean {
  const [one, other] = [plain(type), plain(wanted)];
  return one === other || (other.endsWith('/*') && one.startsWith(other.slice(0, -1)));
}

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
