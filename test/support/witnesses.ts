/** Tells in a few lines how things stand, such as the end of a server's log. */
type Witness = () => string | Promise<string>;

const witnesses = new Set<Witness>();

/** Asks for a word whenever a test waits in vain, until what this returns is called. */
export function callWitness(witness: Witness): () => void {
  witnesses.add(witness);
  return () => void witnesses.delete(witness);
}

/** What all witnesses say, for the message of a test that waited in vain. */
export async function hearWitnesses(): Promise<string> {
  const words = await Promise.all(
    [...witnesses].map(async (witness) => {
      try {
        return await witness();
      } catch (error) {
        return `a witness failed: ${error}`;
      }
    }),
  );
  return words.join('\n');
}

/** The end of a text that may be long. */
export const endOf = (text: string, lines = 15): string =>
  text.trimEnd().split('\n').slice(-lines).join('\n');
