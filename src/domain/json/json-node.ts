/**
 * JSON whose writing survives. `JSON.parse` makes one thing of `1` and `1.0`, rounds large integers and puts keys
 * that look like integers first; the clients that we pass values on for see all of that. So a tree keeps the text
 * of each value, and what nobody changed is written to the letter as it came, blanks included.
 */
export type JsonNode = JsonObject | JsonArray | JsonScalar;

/** A string, number, `true`, `false` or `null`, as it was written. */
export interface JsonScalar {
  readonly kind: 'scalar';
  readonly text: string;
}

/** `text` only where it came out of a text and is unchanged. */
export interface JsonArray {
  readonly kind: 'array';
  readonly items: readonly JsonNode[];
  readonly text?: string;
}

/** All members as they were written, duplicates too; `text` as for an array. */
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
