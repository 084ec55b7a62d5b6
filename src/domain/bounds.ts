/**
 * How much one request may hold, apart from the size of its body (MAX_BODY_SIZE). A few megabytes can hold a million
 * values, and the time each takes is time that other requests wait. With these bounds no request blocks the others for
 * more than a moment.
 */
export const bounds = {
  /** Values in a JSON body: numbers, texts, lists, objects, true, false, null. Keys do not count. */
  values: 50_000,
  /** The same in a request to a processing node, whose products hold tables of numbers. */
  nodeValues: 100_000,
  /** Levels of lists and objects inside each other. */
  depth: 200,
  /** Keys of any one object. */
  keys: 10_000,
  /** Characters of any one key. */
  keyLength: 1000,
  /** Characters of any one number. */
  numberLength: 1000,
  /** Objects that one request makes, changes, deletes or asks for by name: as many as a page has. */
  objects: 1000,
  /** Characters of a field of a task. */
  taskField: 4096,
  /** Files, and options, of a task. */
  taskItems: 1000,
  /** Characters of a task's options, and of each one. */
  taskOptions: 131_071,
  /** Characters of a task's input; MAX_BODY_SIZE applies as well. */
  taskInput: 100_000_000,
} as const;
