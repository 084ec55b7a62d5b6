import type { JsonNode } from '../../../domain/json/json-node.js';
import { jsonObject, jsonOf, member, rawJson, withMember } from '../../../domain/json/json-text.js';
import { type Dialect, tagOf } from './product-parts.js';

/** How many seconds TAI has been ahead of UTC since 2017. */
const leapSeconds = 37;

const since1958 = Date.UTC(1958, 0, 1);
const since2000 = Date.UTC(2000, 0, 1);
const since2017 = Date.UTC(2017, 0, 1);

/**
 * The `tai` of a time of this class, in the format that its clients use.
 *
 * - tagged `classID`: microseconds since 2000-01-01 UTC, a float
 * - tagged `_STID`: FineTime1 counts milliseconds since 2017-01-01 UTC, every other one microseconds since
 *   1958-01-01 UTC, both with the leap seconds, an integer
 */
function tai(dialect: Dialect, className: string | undefined, now: Date): JsonNode {
  const at = now.getTime();
  if (dialect === 'classID') return rawJson(`${(at - since2000) * 1000}.0`);
  if (className === 'FineTime1') return rawJson(String(at - since2017 + leapSeconds * 1000));
  return rawJson(String((at - since1958 + leapSeconds * 1000) * 1000));
}

/** A time object of the dialect. */
export function newTime(dialect: Dialect, now: Date): JsonNode {
  if (dialect === 'classID') {
    const tags = { classID: 'FineTime1', version: '' };
    return jsonObject([['tai', tai(dialect, tags.classID, now)], ...Object.entries(tags).map(text)]);
  }
  const rest = { format: '%Y-%m-%dT%H:%M:%S.%f', _STID: 'FineTime' };
  return jsonObject([['tai', tai(dialect, rest._STID, now)], ...Object.entries(rest).map(text)]);
}

const text = ([key, value]: [string, string]): [string, JsonNode] => [key, jsonOf(value)];

/** Whether this is a time object: whether it has a `tai`. */
export const isTime = (node: JsonNode): boolean => member(node, 'tai') !== undefined;

/** A time object with another time, counted as its class does, or its dialect if it has no class. */
export function withTime(time: JsonNode, dialect: Dialect, now: Date): JsonNode {
  const tag = tagOf(time);
  return withMember(time, 'tai', tai(tag?.key ?? dialect, tag?.name ?? 'FineTime', now));
}
