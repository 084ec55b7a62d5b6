/**
 * JSON that keeps its spelling. `JSON.parse` does not distinguish `1` and `1.0`, rounds large integers and moves keys
 * that look like integers to the front, and clients would notice all of that. So a tree keeps the text of each value,
 * and unchanged values are written exactly as they came, whitespace included.
 */
export type JsonNode = JsonObject | JsonArray | JsonScalar;

/** A string, number, `true`, `false` or `null`, as it was written. */
export interface JsonScalar {
  readonly kind: 'scalar';
  readonly text: string;
}

/** `text` only if it was parsed from a text and is unchanged. */
export interface JsonArray {
  readonly kind: 'array';
  readonly items: readonly JsonNode[];
  readonly text?: string;
}

/** All members as they were written, including duplicates; `text` as for an array. */
export interface JsonObject {
  readonly kind: 'object';
  readonly entries: readonly JsonEntry[];
  readonly text?: string;
}

/** One member; `written` is its key as it was written, with the quotes. */
export interface JsonEntry {
  readonly key: string;
  readonly written: string;
  readonly value: JsonNode;
}
