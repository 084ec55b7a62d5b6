/**
 * Reads the same thing once for all who ask while it is being read, and for so many milliseconds after: many who follow
 * one thing are woken at the same time. Where a reading that began earlier would not do, the key has to tell.
 */
export function sharedReading<Value>(keep = 0): (key: string, read: () => Promise<Value>) => Promise<Value> {
  const going = new Map<string, Promise<Value>>();
  return (key, read) => {
    const known = going.get(key);
    if (known !== undefined) return known;
    const reading = read();
    going.set(key, reading);
    const forget = () => going.delete(key);
    const over = () => (keep === 0 ? forget() : setTimeout(forget, keep).unref());
    reading.then(over, forget);
    return reading;
  };
}

/** Makes a text of an object once, however many ask for it while the object is there. */
export function textOnce<Item extends object>(make: (item: Item) => string): (item: Item) => string {
  const texts = new WeakMap<Item, string>();
  return (item) => {
    const text = texts.get(item) ?? make(item);
    texts.set(item, text);
    return text;
  };
}
