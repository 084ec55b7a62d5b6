/** How much may run at once: the weights of all files that are being run never add up to more. */
export const slots = 4;

/** Files of tests that take more than one slot: they keep a core busy, or measure how long something takes. */
const weights: Readonly<Record<string, number>> = {};

/** @param file its path from the root of the tree */
export const weightOf = (file: string): number => weights[file] ?? 1;
