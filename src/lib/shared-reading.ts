/**
 * Shares one read among all callers that ask during it, and for `keep` milliseconds after: all followers of one thing
 * wake at the same time. If a read that began earlier is not good enough, use another key.
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

/** Makes the text of an object only once while the object exists. */
export function textOnce<Item extends object>(make: (item: Item) => string): (item: Item) => string {
  const texts = new WeakMap<Item, string>();
  return (item) => {
    const text = texts.get(item) ?? make(item);
    texts.set(item, text);
    return text;
  };
}
