import { createHash } from 'node:crypto';

/** What the first three hexadecimal digits of a UUID say about its kind: the table of PipelineJobs' catalogue. */
export const typePrefixes = {
  generic: '100',
  challenge_problem: '101',
  experiment: '102',
  sample: '103',
  measurement: '104',
  file: '105',
  pipeline: '106',
  job: '107',
  job_event: '108',
  reference: '109',
  product: '110',
  upload: '111',
  experiment_design: '114',
  input_classifier: '115',
  fixity: '116',
  process: '117',
  annotation: '118',
  inline_annotation: '119',
  query: '120',
  dashboard: '121',
  tag_annotation: '122',
  text_annotation: '123',
  association: '124',
  structured_request: '125',
} as const;
export type TypedKind = keyof typeof typePrefixes;
type Prefixes = Readonly<Record<TypedKind, string>>;

const dnsNamespace = Buffer.from('6ba7b8109dad11d180b400c04fd430c8', 'hex');

/** True for the text form of a UUID, of whatever kind and version. */
export const isUuid = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);

/** 16 bytes as a UUID of the given version (RFC 9562), with its first three digits overwritten. */
function format(bytes: Uint8Array, version: 3 | 5, prefix: string): string {
  const hex = Buffer.from(bytes).toString('hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return (
    `${prefix}${hex.slice(prefix.length, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-` +
    `${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  );
}

/**
 * Typed UUIDs as PipelineJobs makes them: name-based (version 5), in the namespace of a domain, with a prefix that
 * tells the kind.
 *
 * @param domain the DNS name whose version 3 UUID is the namespace
 */
export function typedUuids(domain = 'sd2e.org', prefixes: Prefixes = typePrefixes) {
  const digest = createHash('md5').update(dnsNamespace).update(domain).digest();
  const namespace = format(digest, 3, '');
  const namespaceBytes = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  return {
    namespace,
    prefixes,

    /** From 16 bytes: random bytes for things without an identity of their own. */
    of: (kind: TypedKind, bytes: Uint8Array): string => format(bytes, 5, prefixes[kind]),

    /** From a text: the same text always gives the same UUID. */
    computed: (kind: TypedKind, text: string): string =>
      format(createHash('sha1').update(namespaceBytes).update(text).digest(), 5, prefixes[kind]),

    /** The kind of thing a UUID names; undefined if it is not one of ours, or not a UUID. */
    kindOf: (text: string): TypedKind | undefined =>
      isUuid(text)
        ? (Object.keys(prefixes) as TypedKind[]).find((kind) => text.startsWith(prefixes[kind]))
        : undefined,
  };
}

export type TypedUuids = ReturnType<typeof typedUuids>;
